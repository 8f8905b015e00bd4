"""Progress, warnings, threads and Ctrl-C."""

import hashlib
import io
import pathlib
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest
from conftest import HELD_OUT, SMALL

import lieq
from lieq import progress

EVALUATION = {"text": HELD_OUT, "window": 64, "chunks": 40}


def test_a_callable_hears_of_each_stage(model):
    heard = []
    lieq.evaluate(model, progress=lambda *said: heard.append(said), **EVALUATION)
    assert heard[0] == ("perplexity", 0, 40) and heard[-1] == ("perplexity", 40, 40)


def test_what_a_callable_raises_ends_the_work(model):
    def refuse(what, done, total):
        raise RuntimeError("enough")
    with pytest.raises(RuntimeError, match="enough"):
        lieq.evaluate(model, progress=refuse, **EVALUATION)


def test_a_callable_may_use_the_model(model):
    seen = []
    lieq.evaluate(model, progress=lambda *said: seen.append(model.logits([1, 2]).shape), **EVALUATION)
    assert set(seen) == {(2, 4096)}


def test_bars_are_shown_on_a_terminal_only(monkeypatch):
    assert progress.resolve(None) is None  # pytest's standard error is no terminal
    assert progress.resolve(False) is None
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    bars = progress.resolve(None)
    for done in range(3):
        bars("layers", done, 2)
    bars("perplexity", 0, 5)
    bars.close()
    assert "layers" in terminal.getvalue() and "perplexity" in terminal.getvalue()
    with pytest.raises(TypeError, match="progress: found 3"):
        lieq.check(lieq.demo(), progress=3)


def test_other_threads_run_meanwhile(model):
    """Without the GIL, a thread of Python counts while a text is scored."""
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0.001)
    thread = threading.Thread(target=count)
    thread.start()
    begin = time.monotonic()
    lieq.evaluate(model, **EVALUATION)
    seconds = time.monotonic() - begin
    done.set()
    thread.join()
    assert counted[0] > 5, f"counted to {counted[0]} in {seconds:.2f} s"


def test_several_threads_share_a_model(model):
    ids = [list(range(n, n + 20)) for n in range(6)]
    expected = [model.logits(one) for one in ids]
    found = [None] * len(ids)

    def work(i):
        found[i] = model.logits(ids[i])
    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(ids))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((a == b).all() for a, b in zip(found, expected))


def test_warnings_are_pythons(demo, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in pathlib.Path(demo).iterdir():
        if file.name != "config.json":
            (folder / file.name).symlink_to(file)
    (folder / "config.json").write_text((pathlib.Path(demo) / "config.json").read_text().replace(
        "{", '{"some_unknown_key": 3,', 1))
    with pytest.warns(lieq.Warning, match="some_unknown_key"):
        lieq.Model.load(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(lieq.Warning, match="some_unknown_key"):
            lieq.Model.load(folder)


SCRIPT = """
import logging, sys, lieq
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
def tell(what, done, total):
    print(what, done, flush=True)
try:
    lieq.quantize(lieq.demo(), sys.argv[1], top=1, progress=tell, **eval(sys.argv[2]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_and_the_same_call_goes_on(quantized, tmp_path):
    call = [sys.executable, "-c", SCRIPT, str(tmp_path / "made"), repr(SMALL)]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("quantising layers 2"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read().splitlines()
    assert process.wait() == 0 and rest[-1] == "interrupted", rest
    assert not (tmp_path / "made").exists() and (tmp_path / "made.partial").exists()
    again = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any("going on after layer" in line for line in again), again
    files = [hashlib.sha256((pathlib.Path(folder) / "model.safetensors").read_bytes()).hexdigest()
             for folder in (tmp_path / "made", quantized.output)]
    assert files[0] == files[1]


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "lieq", "--version"], capture_output=True, text=True)
    assert done.stdout.split() == ["lieq", lieq.__version__]
    done = subprocess.run([sys.executable, "-m", "lieq", "inspect", "/nowhere"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("lieq: /nowhere")


ALARMED = """
import signal, lieq
model = lieq.Model.load(lieq.demo())
ids = list(range(200))
expected = model.logits(ids)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(20):
    assert (model.logits(ids) == expected).all()
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_signals_may_come_at_any_moment():
    """Also while a product of oneDNN has moved the stack pointer into a buffer of its own (base/signal_stack.h)."""
    done = subprocess.run([sys.executable, "-c", ALARMED], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
