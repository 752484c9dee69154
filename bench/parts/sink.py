"""Accepts uploads and drops them: `python3 sink.py PORT`. One thread per connection; reads do not hold the interpreter lock."""

import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serve(connection):
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    held = 0
    while True:
        end = buffer.find(b"\r\n\r\n", 0, held)
        while end < 0:
            read = connection.recv_into(view[held:])
            if read == 0:
                return
            held += read
            end = buffer.find(b"\r\n\r\n", 0, held)
        head = bytes(buffer[:end]).lower()
        left = int(head.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0]) - (held - end - 4)
        while left > 0:
            read = connection.recv_into(view, min(left, len(buffer)))
            if read == 0:
                return
            left -= read
        held = 0  # nobody sends the next request before the answer
        connection.sendall(ANSWER)


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=256) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
