"""Processes, their CPU time and memory, and free ports. Each started process is stopped by its id."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10
_started = []


class Process:
    """A program with its children (nginx's workers, Pomerium's Envoy), its output in a file."""

    def __init__(self, name, argv, folder, pipes=False):
        self.log = Path(folder) / f"{name}.log"
        self.name = name
        pipe = subprocess.PIPE if pipes else None
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [str(word) for word in argv], stdin=pipe or subprocess.DEVNULL, stdout=pipe or out, stderr=out, text=True
            )
        _started.append(self)

    def tell(self):
        """Sends a line and waits for one."""
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline()

    def pids(self):
        tasks = Path(f"/proc/{self.popen.pid}/task").iterdir()
        children = " ".join((task / "children").read_text() for task in tasks).split()
        return [self.popen.pid, *map(int, children)]

    def cpu_seconds(self):
        """User and system time so far, of every thread, exact to the nanosecond."""
        total = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def rss(self):
        """Resident bytes; memory that processes share counts for each of them, as in `ps`."""
        total = 0
        for pid in self.pids():
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(status.split("VmRSS:")[1].split()[0]) * 1024
        return total

    def until_open(self, port, seconds=30):
        """Waits until something listens on `port`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return self
            if self.popen.poll() is not None:
                break
            time.sleep(0.02)
        self.fail("did not start to listen")

    def fail(self, what):
        tail = self.log.read_text(errors="replace")[-3000:]
        raise SystemExit(f"{self.name} {what}\n{tail}")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        if self in _started:
            _started.remove(self)


def stop_all():
    for process in reversed(_started.copy()):
        process.stop()


def free_ports(count):
    """Ports that nothing listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def cores():
    return len(os.sched_getaffinity(0))
