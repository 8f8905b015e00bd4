#!/usr/bin/env python3
"""What goes wrong while quantise, eval and sweep run: faults_test.py [CLASS ...] [--moments N] [--seed S].

Runs on the demo model are killed, lose their disk, their model's file or their memory at random moments, N of each kind
(3 unless told otherwise; 50 takes about an hour). Each must end in one line and status 1, leave no output that is not
whole, and the same command must then end with the bytes of a run that nobody disturbed."""

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import small_disk  # noqa: E402

LIEQ = os.environ["LIEQ"]
DEMO = Path(os.environ["LIEQ_SOURCE_DIR"]) / "demo"
QUICK = ["--calib", str(DEMO / "heldout.txt"), "--calib-windows", "2", "--calib-window", "64", "--sweeps", "1"]
TEXT = ["--text", str(DEMO / "heldout.txt"), "--window", "64", "--chunks", "4"]
MOMENTS = 3
SEED = 1
CHANGING = {"seconds", "date"}  # of results: what no two runs have in common


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in CHANGING}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def contents(path: Path) -> dict:
    """Every file below `path`, or that file; results without their times."""
    files = {str(file.relative_to(path)): file for file in sorted(path.rglob("*")) if file.is_file()} if path.is_dir() else {"": path}
    results = ("results.json", "original.json")
    return {name: without_times(json.loads(file.read_text())) if file.name in results or "cells/" in name else file.read_bytes()
            for name, file in files.items()}


class Job:
    """A command with its output, in a folder of its own."""

    def __init__(self, name: str, folder: Path, model: Path, tasks: Path):
        self.name, self.folder = name, folder
        self.output = folder / "results.json" if name.startswith("eval") else folder / "out"
        command = {"quantize": ["quantize", model, "-o", self.output, "--top", "1", *QUICK],
                   "sweep": ["sweep", model, "-o", self.output, "--top", "1,2", "--methods", "rtn", "--scores", "depth",
                             "--choices", "2,4", *QUICK, *TEXT],
                   "eval": ["eval", model, *TEXT, "-o", self.output],
                   "eval-tasks": ["eval", model, "--tasks", "piqa", "--tasks-dir", tasks, "--batch-size", "2",
                                  "-o", self.output]}[name]
        self.command = [LIEQ, "-t", "2", *map(str, command)]

    def start(self, **more) -> subprocess.Popen:
        environment = os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache"), "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                env=environment, **more)

    def run(self) -> tuple[int, str]:
        return ended(self.start())

    def clear(self):
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def rest(self) -> list[str]:
        """What lies beside the output when all is over."""
        return sorted(path.name for path in self.folder.iterdir() if path not in (self.output, self.folder / "cache"))


def ended(running: subprocess.Popen) -> tuple[int, str]:
    try:
        _, errors = running.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        running.kill()
        raise
    return running.returncode, errors


def wait_until(condition, running, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and running.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


class Case(unittest.TestCase):
    JOBS = ("quantize", "eval", "eval-tasks", "sweep")

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.top = Path(holder.name)
        self.random = random.Random(SEED)
        (self.top / "tasks").mkdir()
        (self.top / "tasks/piqa.jsonl").write_text("".join(
            json.dumps({"task": "piqa", "doc": {"goal": f"Verse {i}: in the beginning", "sol1": "the earth", "sol2": "a computer",
                                                "label": i % 2}}) + "\n" for i in range(40)))

    def job(self, name: str, model: Path = DEMO, folder: Path | None = None) -> Job:
        folder = folder or self.top / name
        folder.mkdir(exist_ok=True)
        return Job(name, folder, model, self.top / "tasks")

    def undisturbed(self, job: Job) -> tuple[dict, float]:
        """What the output holds, and how long it took."""
        start = time.monotonic()
        status, errors = job.run()
        self.assertEqual(status, 0, errors)
        seconds = time.monotonic() - start
        expected = contents(job.output)
        self.assertEqual(job.rest(), [])
        job.clear()
        return expected, seconds

    def moments(self, seconds: float) -> list[float]:
        return [self.random.uniform(0, 1.05 * seconds) for _ in range(MOMENTS)]

    def check_failed(self, status: int, errors: str, *parts: str):
        """Status 1 and a line at the end that says why; warnings and progress may come before it."""
        self.assertEqual(status, 1, errors)
        last = errors.splitlines()[-1]
        self.assertRegex(last, r"^lieq: ")
        self.assertNotIn("terminate called", errors)
        self.assertTrue(any(part in last for part in parts), last)

    def check_same_command(self, job: Job, expected: dict):
        status, errors = job.run()
        self.assertEqual(status, 0, errors)
        self.assertEqual(contents(job.output), expected)
        self.assertEqual(job.rest(), [])
        job.clear()


class Killed(Case):
    def test_at_random_moments(self):
        for name in self.JOBS:
            job = self.job(name)
            expected, seconds = self.undisturbed(job)
            for moment in self.moments(seconds):
                with self.subTest(job=name, moment=moment):
                    running = job.start()
                    time.sleep(moment)
                    running.kill()
                    ended(running)
                    if name != "sweep" and job.output.exists():  # whole, since it has its name
                        self.assertEqual(contents(job.output), expected)
                        job.output.unlink() if job.output.is_file() else shutil.rmtree(job.output)
                    self.check_same_command(job, expected)


class FullDisk(Case):
    """A small tmpfs that somebody else fills while the job runs."""

    BYTES = 64 << 20

    def setUp(self):
        super().setUp()
        self.disk = self.top / "disk"
        small_disk.mount(self, self.disk, self.BYTES)

    def test_at_random_moments(self):
        for name in self.JOBS:
            job = self.job(name, folder=self.disk / name)
            expected, seconds = self.undisturbed(job)
            for moment in self.moments(seconds):
                with self.subTest(job=name, moment=moment):
                    running = job.start()
                    time.sleep(moment)
                    small_disk.fill(self.disk / "filler")
                    status, errors = ended(running)
                    if status != 0:  # else it had written all
                        self.check_failed(status, errors, "No space left on device", "bytes of disk", "free")
                        self.assertFalse(name != "sweep" and job.output.exists())
                    (self.disk / "filler").unlink()
                    if status == 0:
                        self.assertEqual(contents(job.output), expected)
                        job.clear()
                    else:
                        self.check_same_command(job, expected)


class LostFile(Case):
    """The model's file is cut, overwritten or replaced while it is mapped."""

    def setUp(self):
        super().setUp()
        self.model = self.top / "model"
        shutil.copytree(DEMO, self.model)
        self.file = self.model / "model.safetensors"
        self.whole = self.file.read_bytes()

    def cut(self):
        os.truncate(self.file, self.random.choice([0, 1, len(self.whole) // 2, len(self.whole) - 1]))

    def overwrite(self):
        with open(self.file, "r+b") as file:
            file.seek(len(self.whole) // 2)
            file.write(bytes(len(self.whole) // 4))

    def replace(self):
        other = self.model / "other"
        other.write_bytes(b"nothing of a model")
        other.rename(self.file)

    def is_mapped(self, running) -> bool:
        try:
            return str(self.file) in Path(f"/proc/{running.pid}/maps").read_text()
        except OSError:
            return False

    def test_at_random_moments(self):
        for name in ("quantize", "eval", "sweep"):
            job = self.job(name, self.model)
            expected, seconds = self.undisturbed(job)
            for fault in (self.cut, self.overwrite, self.replace):
                for moment in self.moments(0.8 * seconds):
                    with self.subTest(job=name, fault=fault.__name__, moment=moment):
                        running = job.start()
                        wait_until(lambda: self.is_mapped(running), running)
                        time.sleep(moment)
                        fault()
                        status, errors = ended(running)
                        # A file that got the name of the old one does no harm to who has the old one open; a run may read it again.
                        if status != 0:
                            self.check_failed(status, errors, str(self.file))
                            self.assertFalse(name != "sweep" and job.output.exists())
                        elif fault != self.replace or name != "sweep":
                            self.assertEqual(contents(job.output), expected)
                            job.clear()
                        self.file.write_bytes(self.whole)
                        if status != 0:
                            self.check_same_command(job, expected)
                        job.clear()

    def test_a_server_stops(self):
        """It must not answer from weights that somebody writes to."""
        for fault in (self.cut, self.overwrite):
            with self.subTest(fault=fault.__name__):
                running = subprocess.Popen([LIEQ, "serve", str(self.model), "--port", "0"], stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE, text=True)
                running.stdout.readline()
                fault()
                try:
                    _, errors = running.communicate(timeout=30)
                finally:
                    running.kill()
                self.check_failed(running.returncode, errors, str(self.file))
                self.file.write_bytes(self.whole)


class LittleMemory(Case):
    """A limit on addresses (ulimit -v) between what starts the program and what it needs."""

    def peak(self, job: Job) -> int:
        """Bytes of addresses a run takes at most."""
        running, most = job.start(), 0
        while running.poll() is None:
            try:
                found = re.search(r"VmPeak:\s+(\d+)", Path(f"/proc/{running.pid}/status").read_text())
                most = max(most, int(found[1]) * 1024 if found else 0)
            except OSError:
                pass
            time.sleep(0.005)
        self.assertEqual(ended(running)[0], 0)
        return most

    def test_limits(self):
        for name in self.JOBS:
            job = self.job(name)
            expected, _ = self.undisturbed(job)
            peak = self.peak(job)
            job.clear()
            failures = 0
            shares = [(i + self.random.random()) / (5 * MOMENTS) for i in range(5 * MOMENTS)]
            for share in shares:
                with self.subTest(job=name, share=share):
                    limit = int(share * peak)
                    limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))}
                    if subprocess.run([LIEQ, "--version"], capture_output=True, **limited).returncode != 0:
                        continue  # not even enough to start
                    status, errors = ended(job.start(**limited))
                    if status == 0:
                        self.assertEqual(contents(job.output), expected)
                        job.clear()
                        continue
                    failures += 1
                    self.check_failed(status, errors, "out of memory", "Cannot allocate memory", "cannot start thread")
                    self.assertFalse(name != "sweep" and job.output.exists())
                    self.check_same_command(job, expected)
            self.assertGreater(failures, 0, name)


class Together(Case):
    """Two runs into one folder: the second says so and changes nothing."""

    def test_the_second_refuses(self):
        for name in ("quantize", "sweep"):
            with self.subTest(job=name):
                job = self.job(name)
                expected, _ = self.undisturbed(job)
                lock = (job.output if name == "sweep" else Path(f"{job.output}.partial")) / ".lieq-lock"
                first = job.start()
                wait_until(lock.exists, first)
                status, errors = job.run()
                self.check_failed(status, errors, "another run")
                self.assertIn(str(first.pid), errors)
                status, errors = ended(first)
                self.assertEqual(status, 0, errors)
                self.assertEqual(contents(job.output), expected)
                self.assertEqual(job.rest(), [])
                job.clear()
                # The lock of a run that was killed is nobody's.
                first = job.start()
                wait_until(lock.exists, first)
                first.kill()
                ended(first)
                self.check_same_command(job, expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classes", nargs="*")
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    MOMENTS, SEED = options.moments, options.seed
    unittest.main(argv=[sys.argv[0], *options.classes], verbosity=2)
