"""What one client costs in memory that sends little and reads nothing: idle connections, and downloads and HTTP/2 streams
that nobody reads. Each scene starts a process of its own, because an old one has free memory from earlier work.

Only the process's own memory counts. What the system holds in a socket's buffers is the same for every program, and is
bounded by `net.ipv4.tcp_wmem`.
"""

import socket
import ssl
import time

from . import load
from .peers import Target
from .system import free_ports

PUBLIC = "/assets/100m"  # a large file that needs no credential
WARM = 16  # connections before the first look, which pay for what all share
SETTLE = 3  # seconds until unused memory is back at the system
STREAMS = 250
WINDOW = (1 << 31) - 1
FRAME_HEAD = 9
SETTINGS, WINDOW_UPDATE, HEADERS = 4, 8, 1
END_STREAM_AND_HEADERS = 5
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
RECEIVE = 16 << 10  # bytes that the system may buffer for a client that does not read


def measured(stage, target, plan, count, open_one):
    """Resident bytes of the gateway for each of `count` connections that `open_one` makes."""
    port, issuer = free_ports(2)
    plan.turn += 1
    tls = target.scheme == "https"
    process = stage.fresh(target, f"memory-{plan.turn}", port, issuer, tls).until_open(port)
    alone = Target(target.name, port, process, tls, target.headers)
    streams = [open_one(alone) for _ in range(WARM)]
    time.sleep(SETTLE)
    before = process.rss()
    streams += [open_one(alone) for _ in range(count)]
    time.sleep(SETTLE)
    figures = {"bytes_each": (process.rss() - before) / count}
    for stream in streams:
        stream.close()
    process.stop()
    return figures


def idle(target):
    """A connection that has had one response."""
    stream = secured(target, "http/1.1")
    stream.sendall(load.request(target, "GET", "/api/v2/bench/1k", []))
    load.expect(stream, 200)
    return stream


def unread_h1(target):
    """A download of which the client reads nothing."""
    stream = secured(target, "http/1.1")
    stream.sendall(load.request(Target(target.name, target.port, None), "GET", PUBLIC, []))
    return stream


def unread_h2(target):
    """A connection with large windows and many downloads, of which the client reads nothing."""
    stream = secured(target, "h2")
    fields = [(":method", "GET"), (":scheme", "https"), (":path", PUBLIC), (":authority", f"127.0.0.1:{target.port}")]
    block = b"".join(b"\x00" + text(name) + text(value) for name, value in fields)
    sent = PREFACE + frame(SETTINGS, 0, 0, b"\x00\x04" + WINDOW.to_bytes(4, "big"))
    sent += frame(WINDOW_UPDATE, 0, 0, (WINDOW - 65_535).to_bytes(4, "big"))
    for number in range(STREAMS):
        sent += frame(HEADERS, END_STREAM_AND_HEADERS, 2 * number + 1, block)
    stream.sendall(sent)
    return stream


def frame(kind, flags, stream, payload):
    """A frame of HTTP/2 (RFC 9113 §4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def text(value):
    """A string of HPACK (RFC 7541 §5.2), not compressed, shorter than 127 bytes."""
    return bytes((len(value),)) + value.encode()


def secured(target, protocol):
    """A connection with a small receive buffer; over TLS if the target speaks it."""
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE)
    stream.settimeout(30)
    stream.connect(("127.0.0.1", target.port))
    if target.scheme == "http":
        return stream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(stream)
