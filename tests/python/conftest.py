"""What the tests of the Python package share. LIEQ names the command to compare with."""

import json
import os
import pathlib
import subprocess

import pytest

import lieq

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HELD_OUT = str(SOURCE / "demo/heldout.txt")
#: A quantisation of the demo model that takes seconds, in Python's words and in the command's.
SMALL = {"calibration": HELD_OUT, "calibration_windows": 4, "calibration_window": 64, "sweeps": 1, "text": HELD_OUT,
         "text_window": 128, "text_chunks": 4}
SMALL_WORDS = ["--calib", HELD_OUT, "--calib-windows", "4", "--calib-window", "64", "--sweeps", "1", "--text", HELD_OUT,
               "--window", "128", "--chunks", "4"]


def command(*words):
    """Output of the command lieq."""
    program = os.environ.get("LIEQ", str(pathlib.Path(lieq.__file__).parent / "bin/lieq"))
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path):
    return json.loads(pathlib.Path(path).read_text())


@pytest.fixture(scope="session")
def demo():
    return lieq.demo()


@pytest.fixture(scope="session")
def model(demo):
    return lieq.Model.load(demo)


@pytest.fixture(scope="session")
def quantized(demo, tmp_path_factory):
    """The record of a small quantisation."""
    return lieq.quantize(demo, tmp_path_factory.mktemp("quantized") / "small", top=1, **SMALL)
