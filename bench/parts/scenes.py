"""The scenes. Each one measures one target once and returns its figures; `run` repeats it in rounds.

Figures: `rps` responses per second, `cpu` microseconds of the gateway's CPU per response, `p50` and `p99`
microseconds, `gib` GiB per second, `cpu_gib` seconds of its CPU per GiB, and figures that a scene adds.
"""

import time

from . import load, memory
from .peers import FILLED, Target
from .system import free_ports

PLAIN = ["nginx", "vestibule"]
SECURE = ["nginx, TLS", "vestibule, TLS"]
TOKENS = 0  # made-up tokens used so far
STRIDE = 7_368_787  # a prime
SLICE = 1_000  # how many new tokens are sent at a time


def counted(target, work):
    """Figures of the load that `work` makes."""
    before = target.cpu_seconds()
    done = work()
    used = target.cpu_seconds() - before
    count = max(done["requests"], 1)
    figures = {"rps": done["requests"] / done["seconds"]}
    if target.process:
        figures["cpu"] = used / count * 1e6
    figures.update({name: done[name] for name in ("p50", "p99") if name in done})
    if done.get("bytes", 0) / count > 16 << 10:
        figures["gib"] = done["bytes"] / done["seconds"] / (1 << 30)
        figures["cpu_gib"] = used / (done["bytes"] / (1 << 30))
        figures = {name: figures[name] for name in ("gib", "cpu_gib")}
    return figures


def get(stage, target, plan):
    """An authenticated GET of 1 KiB, 64 connections."""
    return counted(target, lambda: load.wrk(target, "/api/v2/bench/1k", plan.seconds))


def latency(stage, target, plan):
    """The same over one connection: the latency that a gateway adds without contention."""
    figures = counted(target, lambda: load.wrk(target, "/api/v2/bench/1k", plan.seconds, connections=1))
    return {name: figures[name] for name in ("p50", "p99")}


def tls(stage, target, plan):
    """The GET over TLS, HTTP/1.1, 64 connections."""
    return counted(target, lambda: load.wrk(target, "/api/v2/bench/1k", plan.seconds))


def h2(stage, target, plan):
    """The GET over TLS, HTTP/2, 64 connections with 4 streams each."""
    return counted(target, lambda: load.h2load(target, "/api/v2/bench/1k", plan.seconds, 64, 4))


def down_64k(stage, target, plan):
    return counted(target, lambda: load.wrk(target, "/api/v2/bench/64k", plan.seconds))


def down_100m(stage, target, plan):
    return counted(target, lambda: load.wrk(target, "/api/v2/bench/100m", plan.seconds, connections=4))


def up_64k(stage, target, plan):
    def work():
        done = load.wrk(target, "/api/v2/bench/sink", plan.seconds, connections=16, UPLOAD=64 << 10)
        return {**done, "bytes": done["requests"] * (64 << 10)}

    return counted(target, work)


def up_100m(stage, target, plan):
    file = stage.folder / "files/api/v2/bench/100m"
    return counted(target, lambda: load.upload_big(target, "/api/v2/bench/sink", plan.seconds, 4, file))


def websockets(stage, target, plan):
    """Idle websockets, and messages of 64 bytes over 32 of them, one at a time each. In a new process: an old one has
    free memory from earlier work."""
    port, issuer = free_ports(2)
    plan.turn += 1
    process = stage.fresh(target, f"websockets-{plan.turn}", port, issuer).until_open(port)
    alone = Target(target.name, port, process, headers=target.headers)
    warm = load.websockets(alone, 32)
    time.sleep(0.2)
    before = process.rss()
    streams = load.websockets(alone, plan.websockets)
    time.sleep(0.5)
    figures = {"bytes_each": (process.rss() - before) / plan.websockets}
    figures.update(counted(alone, lambda: load.echo(warm, plan.seconds)))
    for stream in (*warm, *streams):
        stream.close()
    process.stop()
    return figures


def passing(path):
    def scene(stage, target, plan):
        port, issuer = free_ports(2)
        plan.turn += 1
        process = fresh(stage, target, f"passing-{plan.turn}", port, issuer).until_open(port)
        # A relay connection with a credential would be judged like any other tunnel.
        alone = Target(target.name, port, process, headers=[] if path == load.RELAY else target.headers)
        warm = load.websockets(alone, 4, path)
        time.sleep(0.2)
        before = process.rss()
        streams = load.websockets(alone, plan.websockets, path)
        time.sleep(0.5)
        figures = {"bytes_each": (process.rss() - before) / plan.websockets}
        figures.update(counted(alone, lambda: load.echo_big(warm, plan.seconds)))
        for stream in (*warm, *streams):
            stream.close()
        process.stop()
        return figures

    scene.__doc__ = f"Idle websockets at {path}, and messages of 16 KiB over 4 of them. In a new process."
    return scene


def misses(stage, target, plan):
    """Every request with a new token: the gateway reads the store, and asks Coder whose token it is."""
    global TOKENS
    if target.name == "vestibule":
        TOKENS += 10_000_000
    tokens = f"{TOKENS}:10000000"
    return counted(target, lambda: load.wrk(target, "/api/v2/bench/1k", plan.seconds, headers=[], TOKENS=tokens))


def hits(stage, target, plan):
    """Many distinct tokens, all seen before."""
    ask = lambda first, count, seconds: load.wrk(  # noqa: E731
        target, "/api/v2/bench/1k", seconds, headers=[], TOKENS=f"{900_000_000 + first}:{count}",
    )
    figures = {}
    if target.name == "vestibule" and "hits" not in stage.warmed:
        stage.warmed.add("hits")
        before = target.process.rss()
        for first in range(0, plan.tokens, SLICE):
            # Three times, so that the slower one of wrk's threads completes its half.
            for _ in range(10):
                if ask(first, SLICE, 1)["requests"] >= 3 * SLICE:
                    break
        figures["bytes_each"] = (target.process.rss() - before) / plan.tokens
    return {**figures, **counted(target, lambda: ask(0, plan.tokens, plan.seconds))}


def sign_ins(stage, target, plan):
    """Complete sign-ins: three requests by the browser, six by the gateway, three by Coder."""
    plan.turn += 1
    return counted(target, lambda: load.sign_ins(target.port, plan.seconds, 2, plan.turn % 4))


def refused(stage, target, plan):
    """Requests without a credential, as a scanner sends them. nginx refuses without checking anything."""
    return counted(
        target,
        lambda: load.wrk(target, "/.env", plan.seconds, headers=["Accept: */*"], allow_failures=True),
    )


def start(stage, target, plan):
    """From the start of the process to its first response, with a store of one session."""
    port, issuer = free_ports(2)
    plan.turn += 1
    began = time.monotonic()
    process = stage.fresh(target, f"start-{plan.turn}", port, issuer)
    answered = load.first_answer(port, "/healthz")
    figures = {"ms": (answered - began) * 1000}
    time.sleep(0.3)
    figures["rss"] = process.rss()
    process.stop()
    return figures


def idle(stage, target, plan):
    """Idle connections after one response, over HTTP/1.1."""
    return memory.measured(stage, target, plan, plan.idle, memory.idle)


def unread_h1(stage, target, plan):
    """Downloads over HTTP/1.1 that nobody reads."""
    return memory.measured(stage, target, plan, plan.unread, memory.unread_h1)


def unread_h2(stage, target, plan):
    """HTTP/2 connections with large windows and 250 downloads each, that nobody reads."""
    return memory.measured(stage, target, plan, plan.unread_h2, memory.unread_h2)


def tokens(count):
    def scene(stage, target, plan):
        if target.name == "vestibule":
            target = stage.filled(count)
        ask = lambda seconds, stride: load.wrk(  # noqa: E731
            target, "/api/v2/bench/1k", seconds, headers=[], TOKENS=f"{FILLED}:{count}", STRIDE=stride,
        )
        figures = {}
        if target.name == "vestibule" and count not in stage.warmed:
            stage.warmed.add(count)
            before, seconds = target.process.rss(), 2 + count // 3_000
            # More than twice in one run, so that the slower one of wrk's threads completes its half.
            while ask(seconds, 1)["requests"] < 2.5 * count:
                seconds *= 2
            figures["bytes_each"] = (target.process.rss() - before) / count
        return {**figures, **counted(target, lambda: ask(plan.seconds, STRIDE))}

    scene.__doc__ = f"The GET with {count} tokens in rotation, which the gateway has read from the store before."
    return scene


def connections(count):
    def scene(stage, target, plan):
        return counted(target, lambda: load.wrk(target, "/api/v2/bench/1k", plan.seconds, connections=count))

    scene.__doc__ = f"The GET over {count} connections."
    return scene


ALL = ["upstream", "nginx", "nginx, log", "vestibule", "vestibule, log", "oauth2-proxy", "pomerium"]

#: Name: (the scene, its targets, whether `bench/run` without arguments and the smoke run include it).
SCENES = {
    "get": (get, ALL, True),
    "latency": (latency, ["upstream", "nginx", "vestibule", "oauth2-proxy", "pomerium"], True),
    "down-64k": (down_64k, PLAIN, True),
    "down-100m": (down_100m, PLAIN, True),
    "up-64k": (up_64k, PLAIN, True),
    "up-100m": (up_100m, PLAIN, True),
    "tls": (tls, SECURE, True),
    "h2": (h2, SECURE, True),
    "websockets": (websockets, PLAIN, True),
    "idle": (idle, PLAIN, True),
    "idle-tls": (idle, SECURE, True),
    "unread-h1": (unread_h1, PLAIN, True),
    "unread-h1-tls": (unread_h1, SECURE, True),
    "unread-h2": (unread_h2, SECURE, True),
    "misses": (misses, ["vestibule"], True),
    "hits": (hits, PLAIN, True),
    "refused": (refused, PLAIN, True),
    "sign-ins": (sign_ins, ["vestibule"], True),
    "start": (start, PLAIN, True),
    "tunnel": (passing(load.WATCH), PLAIN, False),
    "relay": (passing(load.RELAY), PLAIN, False),
    **{f"connections-{count}": (connections(count), PLAIN, False) for count in (10, 100, 1000, 4000, 10_000)},
    **{f"tokens-{count}": (tokens(count), PLAIN, False) for count in (1, 1000, 100_000, 1_000_000)},
}
