"""Generates the load: with wrk and h2load, and with own code for uploads, websockets and sign-ins. It stays on loopback
and is bounded in count and time."""

import base64
import json
import os
import re
import selectors
import socket
import subprocess
import threading
import time
from pathlib import Path

from . import browser

BIG = 100 << 20  # bytes of the big file
PEOPLE = 500  # users who sign in
WRK = Path(__file__).resolve().parents[1] / "wrk.lua"
WATCH = "/api/v2/notifications/inbox/watch"
RELAY = "/derp"
WRK_THREADS = 2
FRAME = b"\x82\xc0" + bytes(4) + b"x" * 64  # a masked message of 64 bytes
BIG_MESSAGE = 16 << 10  # bytes of a message of packets
BIG_FRAME = b"\x82\xfe" + BIG_MESSAGE.to_bytes(2, "big") + bytes(4) + b"x" * BIG_MESSAGE


def wrk(target, path, seconds, connections=64, headers=None, allow_failures=False, **environment):
    headers = target.headers if headers is None else headers
    threads = min(WRK_THREADS, connections)
    argv = ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--timeout", "20s", "--latency", "-s", WRK]
    for header in headers:
        argv += ["-H", header]
    figures = run([*argv, target.url(path)], seconds + 60, THREADS=threads, **environment).splitlines()[-1]
    figures = json.loads(figures)
    if figures["failed"] and not allow_failures:
        raise SystemExit(f"{target.name}: {figures['failed']} of {figures['requests']} responses were refusals")
    if figures["broken"]:
        raise SystemExit(f"{target.name}: {figures['broken']} connections failed")
    return figures


def h2load(target, path, seconds, connections, streams):
    argv = ["h2load", "-t", 1, "-c", connections, "-m", streams, "-D", seconds]
    for header in target.headers:
        argv += ["-H", header]
    said = run([*argv, target.url(path)], seconds + 60)
    done = re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed", said)
    if not done or int(done[2]) == 0 or "h2" not in said:
        raise SystemExit(f"{target.name}: h2load got no responses\n{said[-2000:]}")
    return {"requests": int(done[2]), "seconds": float(seconds)}


def run(argv, seconds, **environment):
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=seconds, env=environment)
    if done.returncode:
        raise SystemExit(f"{argv[0]} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def upload_big(target, path, seconds, connections, file):
    """PUTs the big file repeatedly. Only complete uploads count."""
    head = request(target, "PUT", path, [f"Content-Length: {BIG}"])
    until, counts = time.monotonic() + seconds, [0] * connections

    def send(which):
        with connect(target) as stream, open(file, "rb") as source:
            while time.monotonic() < until:
                stream.sendall(head)
                source.seek(0)
                stream.sendfile(source)
                expect(stream, 200)
                counts[which] += 1

    seconds = in_threads(send, connections)
    return {"requests": sum(counts), "seconds": seconds, "bytes": sum(counts) * BIG}


def sign_ins(port, seconds, threads, turn):
    """Complete sign-ins of PEOPLE users in rotation, each from an address of its own."""
    until, counts = time.monotonic() + seconds, [0] * threads

    def sign_in(which):
        connections = browser.Connections()
        while time.monotonic() < until:
            number = counts[which]
            address = f"172.{16 + turn * threads + which}.{number // 200 % 256}.{number % 200}"
            browser.sign_in(port, address, connections, f"person-{(number * threads + which) % PEOPLE}")
            counts[which] += 1

    seconds = in_threads(sign_in, threads)
    return {"requests": sum(counts), "seconds": seconds}


def in_threads(work, count):
    """Runs `work(0)` to `work(count - 1)` in parallel and returns the seconds. If one fails, the run fails."""
    failures = []

    def guarded(which):
        try:
            work(which)
        except (SystemExit, Exception) as failure:  # noqa: BLE001: shown below
            failures.append(failure)

    started = time.monotonic()
    threads = [threading.Thread(target=guarded, args=(which,)) for which in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"{failures[0]!r}")
    return time.monotonic() - started


def websockets(target, count, path=WATCH):
    """Opens websockets that echo. Those of the relay say a key of their own, and wait for the echo."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    head = request(target, "GET", path, upgrade)
    streams = []
    for _ in range(count):
        stream = connect(target)
        stream.sendall(head)
        expect(stream, 101)
        if path == RELAY:
            info = b"\x02" + (104).to_bytes(4, "big") + os.urandom(32) + bytes(72)
            stream.sendall(b"\x82" + bytes([0x80 | len(info)]) + bytes(4) + info)
            receive(stream, 2 + len(info))
        streams.append(stream)
    return streams


def receive(stream, size):
    """Reads so many bytes and drops them."""
    while size:
        read = len(stream.recv(min(size, 1 << 20)))
        if not read:
            raise SystemExit("a websocket ended")
        size -= read


def echo_big(streams, seconds):
    """Keeps one big message in flight on every websocket, and counts the bytes of both directions."""
    counts, until = [0] * len(streams), time.monotonic() + seconds

    def pass_through(which):
        while time.monotonic() < until:
            streams[which].sendall(BIG_FRAME)
            receive(streams[which], 4 + BIG_MESSAGE)
            counts[which] += 1

    seconds = in_threads(pass_through, len(streams))
    return {"requests": sum(counts), "seconds": seconds, "bytes": sum(counts) * 2 * BIG_MESSAGE}


def echo(streams, seconds):
    """Keeps one message in flight on every websocket, and counts the messages that come back."""
    chooser = selectors.DefaultSelector()
    for stream in streams:
        chooser.register(stream, selectors.EVENT_READ)
        stream.sendall(FRAME)
    size, done = 2 + 64, 0  # a server's frame is not masked
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        for ready, _ in chooser.select(1):
            if len(ready.fileobj.recv(4096)) != size:
                raise SystemExit("a message came back damaged")
            done += 1
            ready.fileobj.sendall(FRAME)
    seconds = time.monotonic() - started
    chooser.close()
    return {"requests": done, "seconds": seconds}


def first_answer(port, path, seconds=20):
    """Sends requests until there is a response, and returns its time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
                stream.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                if stream.recv(12):
                    return time.monotonic()
        except OSError:
            time.sleep(0.001)
    raise SystemExit("no first response")


def until_served(target, path, seconds=30):
    """Sends requests until the response is 200."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with connect(target) as stream:
            stream.sendall(request(target, "GET", path, ["Connection: close"]))
            if stream.recv(4096).split(b" ")[1:2] == [b"200"]:
                return
        time.sleep(0.2)
    raise SystemExit(f"{target.name}: no response with status 200")


def request(target, method, path, headers):
    host = [] if any(line.startswith("Host:") for line in target.headers) else [f"Host: 127.0.0.1:{target.port}"]
    lines = [f"{method} {path} HTTP/1.1", *host, *target.headers, *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(target):
    stream = socket.create_connection(("127.0.0.1", target.port), timeout=30)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def expect(stream, status):
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = stream.recv(4096)
        if not more:
            break
        answer += more
    if answer.split(b" ")[1:2] != [str(status).encode()]:
        raise SystemExit(f"expected {status}, got {answer[:300]!r}")
