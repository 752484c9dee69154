"""Counts of one request of the hot path, which repeat exactly: instructions under callgrind, and allocations.

The counts must be within 5 % of the committed `counts.json`, above or below, so that the file stays correct.
`--accept` overwrites it.
"""

import http.client
import json
import os
import re
import subprocess
from pathlib import Path

from .system import ROOT, Process, free_ports

COMMITTED = Path(__file__).resolve().parents[1] / "counts.json"
TOLERANCE = 0.05
FEW, MANY = 300, 2300
COUNTED = 200


def ask(stage, port, count):
    """Sends `count` requests, one after the other, over one connection, as a browser does."""
    headers = {
        "Cookie": f"coder_session_token={stage.token}; csrf_token=x", "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en", "User-Agent": "Mozilla/5.0",
        "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin",
        "Referer": f"http://127.0.0.1:{port}/workspaces",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(count):
        connection.request("GET", "/api/v2/bench/1k", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200 or len(answer.read()) != 1024:
            raise SystemExit(f"counts: {answer.status}")
    connection.close()


def instructions(stage):
    """Instructions of a request: the difference between many and few requests, so without the gateway's start."""
    totals = []
    for turn, count in enumerate((FEW, MANY)):
        port, issuer = free_ports(2)
        under = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={stage.folder}/callgrind.{turn}"]
        process = stage.vestibule(f"callgrind-{turn}", port, issuer, under=under, workers=1)
        process.until_open(port, seconds=60)
        ask(stage, port, count)
        process.stop()
        totals.append(int(re.findall(r"Collected : (\d+)", process.log.read_text())[-1]))
    return (totals[1] - totals[0]) / (MANY - FEW)


def allocations(stage):
    """Allocations of a request: all of them, and those of the gateway's own code."""
    package = ROOT / "bench/counting"
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    subprocess.run(
        ["cargo", "build", "--locked", "--manifest-path", package / "Cargo.toml", "--target-dir", target],
        check=True, timeout=3600,
    )
    port, issuer = free_ports(2)
    program = Path(target) / "debug/vestibule-counting"
    process = stage.vestibule("counting", port, issuer, program=program, workers=1, pipes=True).until_open(port)
    ask(stage, port, 50)
    process.tell()
    ask(stage, port, COUNTED)
    everything, own = map(int, process.tell().split())
    if "SITES" in os.environ:
        print(process.log.read_text())
    process.stop()
    return everything / COUNTED, own / COUNTED


def check(stage, accept):
    """Counts, prints and compares; returns whether all counts are within the tolerance."""
    everything, own = allocations(stage)
    counted = {"instructions": round(instructions(stage)), "allocations": round(everything, 1), "own": round(own, 1)}
    if accept:
        COMMITTED.write_text(json.dumps(counted, indent=1) + "\n")
    committed = json.loads(COMMITTED.read_text())
    good = True
    for name, value in counted.items():
        off = abs(value / committed[name] - 1) > TOLERANCE
        good &= not off
        verdict = f"committed: {committed[name]:,}" + (", more than 5 % off: find out why, then --accept" if off else "")
        print(f"{'counts':<16} {name + ' per request':<24} {value:,} ({verdict})", flush=True)
    return good
