-- The requests of wrk, chosen by environment variables; prints its figures as one line of JSON.
--   UPLOAD=BYTES         PUTs a body of that many bytes
--   TOKENS=FIRST:COUNT   rotates through COUNT tokens, each with an address of its own, because limits are per address
--   STRIDE=N             takes every Nth token, starting anywhere, so that a short run samples all tokens

local upload = tonumber(os.getenv("UPLOAD") or "0")
if upload > 0 then
  wrk.method = "PUT"
  wrk.body = string.rep("x", upload)
end

local threads = 0
function setup(thread)
  thread:set("id", threads)
  thread:set("of", tonumber(os.getenv("THREADS") or "1"))
  threads = threads + 1
end

local first, count = string.match(os.getenv("TOKENS") or "", "^(%d+):(%d+)$")
if first then
  local stride = tonumber(os.getenv("STRIDE") or "1")
  local sent = stride > 1 and os.time() * 1000 % 1000003 or 0
  function request()
    local n = tonumber(first) + (sent * of + id) % tonumber(count) * stride % tonumber(count)
    sent = sent + 1
    wrk.headers["Coder-Session-Token"] = string.format("b%09d-%022d", n, n)
    wrk.headers["X-Forwarded-For"] =
      string.format("10.%d.%d.%d", math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
    return wrk.format()
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "failed": %d, "broken": %d, "p50": %.1f, "p99": %.1f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
