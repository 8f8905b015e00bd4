#!/usr/bin/env python3
"""What large models take in time and memory: measured on their first layers, added up, beside what the program estimates.

    scale.py measure LIEQ FOLDER -o scale.json [--shapes qwen3-4b qwen3-8b llama-3.1-8b] [--jobs ...] [--threads 2]
    scale.py table scale.json

measure: makes each shape with one layer and with more (tools/random_model.py), runs the jobs on these, removes them. What
scale.json holds already is not run again, so it can be stopped. Time is seconds of CPU of all threads: others on the machine
disturb it less than the clock. Of exports and runs, much of which is one thread's, it is the clock's. Memory is what the
process has beside mapped files (RssAnon), and all it ever had (VmHWM).
Estimates are those of all stages that a run tells of; a stage that takes neither seconds nor much memory is not told of.
That for the whole model is that of `lieq quantize --dry-run` on a folder of the whole shape, whose weights are
holes in files.

table: a job's cost is a + b * layers (the perplexity drop: b * layers * (layers + 1) / 2 and c * layers); of quantising
a + layers * (b + c * tokens), which two runs with one layer and different tokens tell apart. Its memory grows with tokens,
not with layers, so that it is not added up: what two layers take stands there.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tools"))
from random_model import SHAPES  # noqa: E402

TOOL = Path(__file__).parent.parent / "tools/random_model.py"
WINDOW, FEW, MORE = 1024, 2, 6  # tokens of a calibration window, and how many of them
WHOLE = (24, 2048)  # windows of quantising by default
BITS = 2
TEXT = "The river ran past the town, and nobody knew where it came from. " * 1500
UNITS = {"s": 1, "min": 60, "h": 3600, "kB": 1e3, "MB": 1e6, "GB": 1e9}
NUMBER = r"([\d.]+) (s|min|h)"
SAYS = re.compile(rf"takes about {NUMBER}(?:,| and) ([\d.]+) (kB|MB|GB) of memory")


def calibration(windows, window=WINDOW):
    return ["--calib", "builtin", "--calib-windows", windows, "--calib-window", window]


def quantising(recipe, model, out, windows, bits=BITS):
    return ["quantize", model, "-o", out, "--recipe", recipe, "--bits", bits, "--embed-bits", 8, *calibration(windows)]


# name -> (layers it is run on, whether it reads the quantised model, its words)
def jobs(model, packed, folder):
    text = folder / "text.txt"
    return {
        "diagnose, geometry": ([1, 2], ["diagnose", model, *calibration(FEW), "--per-bucket", 4]),
        "diagnose, perplexity drop": ([1, 2, 3], ["diagnose", model, *calibration(FEW), "--score", "lieq", "--per-bucket", 4, "--draws", 1]),
        "quantize, RTN": ([1, 2], quantising("paper-rtn", model, packed, FEW)),
        "quantize, plain GPTQ": ([1, 2], quantising("paper-gptq", model, folder / "out", FEW)),
        "quantize, plain GPTQ, more tokens": ([1], quantising("paper-gptq", model, folder / "out", MORE)),
        "quantize, all steps": ([1, 2], quantising("lieq", model, folder / "out", FEW)),
        "quantize, widths of linears": ([1, 2], [*quantising("lieq", model, folder / "out", FEW, 2.5), "--per", "linear"]),
        "quantize, all steps, more tokens": ([1], quantising("lieq", model, folder / "out", MORE)),
        "eval": ([1, 2], ["eval", model, "--text", text, "--window", 2048, "--chunks", 1]),
        "export to GGUF": ([1, 2], ["export", packed, "--to", "gguf", "-o", folder / "out.gguf"]),
        "export to hf-fp16": ([1, 2], ["export", model, "--to", "hf-fp16", "-o", folder / "out"]),
        "run": ([1, 2], ["run", packed, "-p", "The river", "-n", 32, "--ignore-eos"]),
    }


def watch(words):
    """Runs a command: its output, seconds of CPU and of the clock, peaks of memory."""
    peaks, start = {"VmHWM": 0, "RssAnon": 0}, time.monotonic()
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        os.set_blocking(process.stdout.fileno(), False)
        said = b""
        while True:
            try:
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                    name = line.partition(":")[0]
                    if name in peaks:
                        peaks[name] = max(peaks[name], 1024 * int(line.split()[1]))
            except OSError:
                pass
            said += process.stdout.read() or b""
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.01)
        said += process.stdout.read() or b""
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: made but worse than ten times the original
        raise SystemExit(f"{' '.join(map(str, words))}: {said.decode()[-2000:]}")
    return said.decode(), {"cpu": used.ru_utime + used.ru_stime, "clock": time.monotonic() - start,
                           "resident": peaks["VmHWM"], "beside": peaks["RssAnon"]}


def estimates(said):
    """What the program says before it starts: seconds of the clock and bytes, of all stages it tells of."""
    found = [(float(t) * UNITS[u], float(m) * UNITS[v]) for t, u, m, v in SAYS.findall(said)]
    return {"seconds": sum(s for s, _ in found), "bytes": max(b for _, b in found)} if found else None


def make(shape, layers, out, *more):
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([sys.executable, TOOL, out, "--shape", shape, "--bits", "16", "--layers", str(layers), *more], check=True)


def removed(path):
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def measure(args):
    results = json.loads(args.output.read_text()) if args.output.exists() else {"machine": {}, "runs": []}
    cpu = re.search(r"^Model name: *(.*)", subprocess.run(["lscpu"], capture_output=True, text=True).stdout, re.M)
    results["machine"] = {"cpu": cpu[1] if cpu else "?", "threads": args.threads, "date": time.strftime("%Y-%m-%d")}
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "text.txt").write_text(TEXT)
    program = [args.lieq, "-t", args.threads]

    def has(shape, job, layers):
        return any((run["shape"], run["job"], run["layers"]) == (shape, job, layers) for run in results["runs"])

    def keep(shape, job, layers, run):
        results["runs"].append({"shape": shape, "job": job, "layers": layers, **run})
        args.output.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{shape}, {layers} layers, {job}: {run}", flush=True)

    for shape in args.shapes:
        whole = SHAPES[shape]["num_hidden_layers"]
        model, packed = args.folder / "model", args.folder / "packed"
        for layers in (1, 2, 3):
            wanted = {name: words for name, (on, words) in jobs(model, packed, args.folder).items()
                      if layers in on and name in (args.jobs or [name]) and not has(shape, name, layers)}
            if not wanted:
                continue
            make(shape, layers, model)
            removed(packed)
            if {"run", "export to GGUF"} & set(wanted) and "quantize, RTN" not in wanted:
                watch(program + quantising("paper-rtn", model, packed, FEW))
            for name, words in wanted.items():
                said, run = watch(program + words)
                keep(shape, name, layers, {**run, "says": estimates(said)})
                removed(args.folder / "out")
                removed(args.folder / "out.gguf")
            removed(model)
            removed(packed)
        dry = {name: recipe for name, recipe in (("quantize, plain GPTQ", "paper-gptq"), ("quantize, all steps", "lieq"))
               if name in (args.jobs or [name]) and not has(shape, name, whole)}
        if dry:
            make(shape, whole, model, "--empty")
            for name, recipe in dry.items():
                words = ["quantize", model, "-o", args.folder / "out", "--recipe", recipe, "--bits", BITS, "--embed-bits", 8,
                         *calibration(*WHOLE), "--dry-run"]
                said, _ = watch(program + words)
                keep(shape, name, whole, {"says": estimates(said)})
            removed(model)
    removed(args.folder)


def time_of(job, threads):
    """What of a run tells its time, and by what its estimate, which is the clock's, is to be taken beside it."""
    return ("clock", 1) if job.startswith(("export", "run")) else ("cpu", threads)


class Runs:
    def __init__(self, results, shape):
        self.runs = {(run["job"], run["layers"]): run for run in results["runs"] if run["shape"] == shape}

    def of(self, job, layers, what):
        run = self.runs.get((job, layers))
        return run.get(what) if run else None

    def line(self, job, what, layers):
        """a + b * layers, through the runs with one and with two."""
        one, two = self.of(job, 1, what), self.of(job, 2, what)
        return None if one is None or two is None else one + (two - one) * (layers - 1)

    def drop(self, layers):
        """The same of the perplexity drop, with a square."""
        points = [self.of("diagnose, perplexity drop", n, "cpu") for n in (1, 2, 3)]
        if None in points:
            return None
        step, bend = points[1] - points[0], points[2] - 2 * points[1] + points[0]
        return points[0] + step * (layers - 1) + bend * (layers - 1) * (layers - 2) / 2

    def quantising(self, job, layers, tokens):
        """CPU for a whole model and a whole text."""
        few, more, two = self.of(job, 1, "cpu"), self.of(f"{job}, more tokens", 1, "cpu"), self.of(job, 2, "cpu")
        if None in (few, more, two):
            return None
        token = (more - few) / ((MORE - FEW) * WINDOW)
        return few + (two - few) * (layers - 1) + token * layers * (tokens - FEW * WINDOW)


def hours(seconds):
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def gigabytes(size):
    return "-" if size is None else f"{size / 1e9:.2f} GB"


def off(said, measured):
    return "-" if said is None or not measured else f"{100 * (said / measured - 1):+.0f} %"


def table(args):
    results = json.loads(args.results.read_text())
    threads, machine = results["machine"]["threads"], results["machine"]
    print(f"{machine['cpu']}, {threads} threads, {machine['date']}; seconds of CPU (of exports and runs: of the clock), "
          "memory beside mapped files\n")
    print("| model | job | layers | time | estimate | off | memory | estimate | off |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        runs = Runs(results, shape)
        whole = SHAPES[shape]["num_hidden_layers"]
        for (job, layers), run in runs.runs.items():
            if layers == whole:
                continue
            says = run["says"] or {"seconds": None, "bytes": None}
            kind, times = time_of(job, threads)
            took, said = run.get(kind), None if says["seconds"] is None else times * says["seconds"]
            print(f"| {shape} | {job} | {layers} | {hours(took)} | {hours(said)} | {off(said, took)} | "
                  f"{gigabytes(run['beside'])} | {gigabytes(says['bytes'])} | {off(says['bytes'], run['beside'])} |")
    print("\n| model | job | layers | time, added up | estimate | off | memory, added up | estimate |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        runs = Runs(results, shape)
        whole = SHAPES[shape]["num_hidden_layers"]
        for job in jobs(Path(), Path(), Path()):
            if job.endswith("more tokens") or (job, 1) not in runs.runs:
                continue
            kind, times = time_of(job, threads)
            took, memory = runs.line(job, kind, whole), runs.line(job, "beside", whole)
            if job.endswith("drop"):
                took = runs.drop(whole)
            if job.endswith(("GPTQ", "steps")):
                took, memory = runs.quantising(job, whole, WHOLE[0] * WHOLE[1]), runs.of(job, 2, "beside")
            says = runs.of(job, whole, "says") or {"seconds": None, "bytes": None}
            said = None if says["seconds"] is None else times * says["seconds"]
            print(f"| {shape} | {job} | {whole} | {hours(took)} | {hours(said)} | {off(said, took)} | "
                  f"{gigabytes(memory)} | {gigabytes(says['bytes'])} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    m = verbs.add_parser("measure")
    m.add_argument("lieq"), m.add_argument("folder", type=Path, help="a new one, for models; 20 GB at most")
    m.add_argument("-o", "--output", type=Path, required=True)
    m.add_argument("--shapes", nargs="+", choices=SHAPES, default=["qwen3-4b", "qwen3-8b", "llama-3.1-8b"])
    m.add_argument("--jobs", nargs="+", choices=jobs(Path(), Path(), Path()))
    m.add_argument("--threads", type=int, default=2)
    m.set_defaults(run=measure)
    t = verbs.add_parser("table")
    t.add_argument("results", type=Path)
    t.set_defaults(run=table)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
