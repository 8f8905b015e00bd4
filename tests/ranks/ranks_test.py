#!/usr/bin/env python3
"""The program on several ranks: ranks_test.py CLASS [unittest options]. What one process gives is what counts."""

import json
import os
import re
import shutil
import signal
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
HELD = DEMO / "heldout.txt"
# 20 windows: more than one in some leaves of the tree of sums.
CALIB = ("--calib", HELD, "--calib-windows", 20, "--calib-window", 64)
QUICK = (*CALIB, "--sweeps", 1)
MPIRUN = ("mpirun", "--allow-run-as-root", "--oversubscribe")


def words(ranks: int, *args) -> list[str]:
    started = [*MPIRUN, "-n", str(ranks)] if ranks > 0 else []
    return [*started, LIEQ, "-t", "1", *map(str, args)]


def lieq(ranks: int, *args, **environment) -> subprocess.CompletedProcess:
    """ranks 0: without mpirun."""
    return subprocess.run(words(ranks, *args), capture_output=True, text=True, timeout=300, env=os.environ | environment)


def own_lines(done: subprocess.CompletedProcess) -> list[str]:
    """What failed, without warnings, what Ctrl-C says (mpirun's end of the others is one), and mpirun's own words."""
    return [line for line in done.stderr.splitlines() if re.match("lieq: (?!warning:|stopped;)", line)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def without_times(json_file: Path):
    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in ("seconds", "date", "command", "machine", "total_evaluation_time_seconds")}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return strip(json.loads(json_file.read_text()))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        os.environ["XDG_CACHE_HOME"] = str(self.folder / "cache")
        os.environ["TMPDIR"] = "/tmp"  # Open MPI's session folder wants a short path

    def succeed(self, ranks: int, *args) -> str:
        done = lieq(ranks, *args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def refuse(self, ranks: int, status: int, *args) -> str:
        done = lieq(ranks, *args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        lines = own_lines(done)
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]


class Quantize(Case):
    def quantise(self, ranks: int, name: str, budget=("--top", 1)) -> dict[str, bytes]:
        """The files made, a folder "on2" called "one" in them."""
        self.printed = self.succeed(ranks, "quantize", DEMO, "-o", self.folder / name, *budget, *QUICK)
        return {file: content.replace(b"on%d" % ranks, b"one") for file, content in contents(self.folder / name).items()}

    def test_the_bytes_are_those_of_one_process(self):
        expected = self.quantise(0, "one")
        printed = self.printed
        for ranks in (1, 2, 4):
            found = self.quantise(ranks, f"on{ranks}")
            self.assertEqual(list(found), list(expected))
            for file, content in found.items():
                self.assertEqual(content, expected[file], f"{file} of {ranks} ranks")
            times = re.compile(r"it takes about.*|on\d|one")
            self.assertEqual(times.sub("", self.printed), times.sub("", printed), "once, by the first")
        self.assertFalse([f for f in self.folder.iterdir() if "partial" in f.name])

    def test_widths_of_linears_are_those_of_one_process(self):
        """The draft is made by all; the backward pass that shares KL out runs on every rank alike."""
        budget = ("--per", "linear", "--bits", 2.5)
        expected = self.quantise(0, "one", budget)
        self.assertIn(b'"kl-share"', expected["lieq.json"])
        found = self.quantise(2, "on2", budget)
        self.assertEqual(list(found), list(expected))
        for file, content in found.items():
            self.assertEqual(content, expected[file], file)

    def test_resumes_with_other_ranks(self):
        """A rank that is killed ends all; mpirun names it. The same command on fewer or more ranks goes on."""
        expected = self.quantise(0, "q")
        shutil.rmtree(self.folder / "q")
        command = ["quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK]
        for turn, ranks in enumerate((4, 2)):
            running = subprocess.Popen(words(ranks, *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while len(list(self.folder.glob("q.partial/layer-*"))) < 2 + 3 * turn and running.poll() is None:
                time.sleep(0.01)
            ps = subprocess.run(["ps", "-o", "pid=", "--ppid", str(running.pid)], capture_output=True, text=True).stdout.split()
            os.kill(int(ps[-1]), signal.SIGKILL)
            _, told = running.communicate(timeout=60)
            self.assertNotEqual(running.returncode, 0)
            self.assertRegex(told, r"rank \d with PID")
            self.assertFalse((self.folder / "q").exists())
        done = lieq(1, *command)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("going on after layer", done.stderr)
        self.assertEqual(contents(self.folder / "q"), expected)

    def test_the_first_rank_s_disk_is_full(self):
        """It alone writes: all end with its line, nothing has the output's name, and the same command goes on."""
        disk = self.folder / "disk"
        small_disk.mount(self, disk, 64 << 20)
        command = ["quantize", DEMO, "-o", disk / "q", "--top", 1, *QUICK]
        self.succeed(0, *command)
        expected = contents(disk / "q")
        shutil.rmtree(disk / "q")
        running = subprocess.Popen(words(2, *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not list(disk.glob("q.partial/layer-*")) and running.poll() is None:
            time.sleep(0.01)
        small_disk.fill(disk / "filler")
        printed, told = running.communicate(timeout=120)
        self.assertEqual(running.returncode, 1, told)
        lines = own_lines(subprocess.CompletedProcess(command, 1, printed, told))
        self.assertEqual(len(lines), 1, told)
        self.assertRegex(lines[0], r"disk/q\.partial/.*No space left on device")
        self.assertFalse((disk / "q").exists())
        (disk / "filler").unlink()
        done = lieq(2, *command)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("going on after layer", done.stderr)
        self.assertEqual(contents(disk / "q"), expected)
        self.assertEqual([path.name for path in disk.iterdir()], ["q"])

    def test_what_fails_is_told_once(self):
        self.assertEqual(self.refuse(3, 2, "quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK),
                         "lieq: quantising: found 3 ranks, expected a power of two of them: 1, 2, 4, 8, ...")
        self.assertIn("nowhere", self.refuse(2, 1, "quantize", self.folder / "nowhere", "-o", self.folder / "q", "--top", 1, *QUICK))
        self.assertIn("--no-such-option", self.refuse(2, 2, "quantize", DEMO, "-o", self.folder / "q", "--no-such-option"))
        (self.folder / "q").mkdir()
        self.assertIn("exists", self.refuse(2, 2, "quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK))

    def test_a_rank_that_fails_alone_is_named(self):
        """Rank 1 finds another model under the name: of one command line, each process sees its own folder."""
        script = self.folder / "start"
        script.write_text('#!/bin/sh\ncd "$1/$OMPI_COMM_WORLD_RANK" && shift && exec "$@"\n')
        script.chmod(0o755)
        for rank in "01":
            shutil.copytree(DEMO, self.folder / rank / "model")
        (self.folder / "1/model/model.safetensors").unlink()
        done = subprocess.run([*MPIRUN, "-n", "2", script, self.folder, LIEQ, "-t", "1", "quantize", "model", "-o", "q", *map(str, QUICK)],
                              capture_output=True, text=True, timeout=120)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex("\n".join(own_lines(done)), r"^lieq: rank 1 of 2 \(\S+\): model: found neither model.safetensors [^\n]*$")


class Scores(Case):
    def json_of(self, ranks: int, *args):
        output = self.folder / "r.json"
        output.unlink(missing_ok=True)
        self.printed = self.succeed(ranks, *args, "-o", output)
        return without_times(output)

    def compare(self, many: tuple[int, ...], *args):
        expected = self.json_of(0, *args)
        for ranks in many:
            self.assertEqual(self.json_of(ranks, *args), expected, f"{ranks} ranks")
        return expected

    def test_perplexity(self):
        self.compare((3, 4), "eval", DEMO, "--text", HELD, "--window", 512, "--chunks", 13)

    def test_diagnosis(self):
        scores = self.compare((2, 3), "diagnose", DEMO, "--score", "lieq", "--per-bucket", 12, "--draws", 2, *CALIB)
        self.assertIn("perplexity_drop", scores["layers"][0])

    def test_sensitivity(self):
        self.compare((2, 3), "diagnose", DEMO, "--sensitivity", 2, "--sensitivity", 4, "--per-bucket", 2, "--draws", 1,
                     "--calib", HELD, "--calib-windows", 4, "--calib-window", 64)

    def test_verbs_without_ranks_refuse(self):
        line = self.refuse(2, 2, "inspect", DEMO)
        self.assertEqual(line, "lieq: inspect: found 2 ranks, expected one: only diagnose, quantize, eval, sweep share work out")
        self.assertIn("12 of hidden_size 256", self.succeed(1, "inspect", DEMO))

    def test_instruction_sets_that_differ_are_refused(self):
        script = self.folder / "start"
        script.write_text('#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && export LIEQ_ISA=ssse3\nexec "$@"\n')
        script.chmod(0o755)
        done = subprocess.run([*MPIRUN, "-n", "2", script, LIEQ, "eval", DEMO, "--text", HELD], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(own_lines(done)), 1, done.stderr)
        self.assertIn("on rank 1", own_lines(done)[0])


class Sweep(Case):
    def sweep(self, ranks: int, name: str, *args):
        self.printed = self.succeed(ranks, "sweep", DEMO, "-o", self.folder / name, "--top", "0..3", "--methods", "rtn,gptq",
                                    "--text", HELD, "--window", 64, "--chunks", 2, "--calib", HELD, "--calib-windows", 4,
                                    "--calib-window", 64, "--sweeps", 1, *args)
        return without_times(self.folder / name / "results.json")

    def test_cells_are_those_of_one_process(self):
        expected = self.sweep(0, "one")
        self.assertEqual(len(expected["cells"]), 8)
        for ranks in (2, 3):
            self.assertEqual(self.sweep(ranks, f"on{ranks}"), expected)
            self.assertFalse((self.folder / f"on{ranks}/work").exists())
        for cell in ("on2/cells", "on3/original.json"):
            path = self.folder / cell
            removed = sorted(path.iterdir())[::2] if path.is_dir() else [path]
            for file in removed:
                file.unlink()
        self.assertEqual(self.sweep(3, "on2"), expected, "goes on with another number of ranks")


if __name__ == "__main__":
    unittest.main(verbosity=2)
