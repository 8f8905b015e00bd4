#!/usr/bin/env python3
"""Many users at once for a while: load_test.py [--seconds N] [--users N]. Afterwards no slot is lost and memory is where
it was once the cache was full. Takes locust (in the Python that runs this, or that LIEQ_CLIENTS_PYTHON names); skipped
with a line where it is not installed. `--seconds 600` by hand is the long form."""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if (python := os.environ.get("LIEQ_CLIENTS_PYTHON")) and not os.environ.get("LIEQ_CLIENTS"):
    os.environ["LIEQ_CLIENTS"] = "1"
    os.execv(python, [python, *sys.argv])

from served import Server

GROWTH_BYTES = 24 << 20  # what arenas and buffers of 64 connections may still take after the first third


def resident(server) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[1]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--users", type=int, default=16)
    arguments = parser.parse_args()
    if importlib.util.find_spec("locust") is None:
        print("needs locust, which is not installed")
        return 77
    failures = []
    with Server("--chat-template", "chatml", "-np", 4, "-c", 512, "--queue", 64) as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "locust", "-f", Path(__file__).with_name("load_users.py"), "--headless", "--only-summary",
                   "--host", f"http://{server.host}:{server.port}", "-u", str(arguments.users), "-r", "16", "-t", f"{arguments.seconds}s",
                   "--csv", f"{folder}/load", "--exit-code-on-error", "1"]
        load = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(arguments.seconds / 3)
        early = resident(server)
        output, _ = load.communicate()
        print(output)
        if load.returncode != 0:
            failures.append(f"locust ended with {load.returncode}")
        deadline = time.time() + 60
        while server.metrics()["lieq_running"] + server.metrics()["lieq_waiting"] > 0 and time.time() < deadline:
            time.sleep(0.1)
        metrics, late = server.metrics(), resident(server)
        if metrics["lieq_running"] + metrics["lieq_waiting"] > 0:
            failures.append(f"slots are lost: {metrics}")
        if metrics["lieq_cancelled_total"] == 0 or metrics["lieq_generated_tokens_total"] == 0:
            failures.append(f"nobody was served, or nobody left: {metrics}")
        if metrics["lieq_failed_total"] > 0:
            failures.append(f"texts failed: {metrics}")
        if late > early + GROWTH_BYTES:
            failures.append(f"memory grew from {early >> 20} to {late >> 20} MiB")
        server.interrupt()
        if server.wait() != 0:
            failures.append(f"the server ended with {server.process.returncode}")
        server.reader.join(5)
        failures += [line for line in server.errors if "Sanitizer" in line or "runtime error" in line]
        print(f"{metrics['lieq_texts_total']:.0f} texts, {metrics['lieq_refused_total']:.0f} refused, "
              f"{metrics['lieq_cancelled_total']:.0f} left; {early >> 20} MiB after a third, {late >> 20} MiB in the end")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
