#!/usr/bin/env python3
"""How much faster several ranks are, measured, and what more of them would be, by a model.

    ranks.py measure LIEQ MODEL TEXT [--ranks 1 2 4] [-o ranks.json]
    ranks.py predict ranks.json [--hosts 1 2 4 8 16 32 64] [--gbit 10 100] [--rate GMAC/s of a host]

measure: each job with one thread a rank. Two speed-ups: of the clock, which counts only where every rank has a core of its
own and nobody else computes, and of the CPU time of the busiest rank, which others on the machine disturb less (it includes
what exchanging costs the CPU, not what waiting for the network would).

predict: multiply-adds and bytes of one layer, as lieq/pipeline/estimate.cc counts the work; the rate comes from the
measured run on one rank, and what the model says of the others is shown beside what was measured.
"""
import argparse
import json
import math
import re
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe"]
WINDOWS, WINDOW, CHUNKS = 16, 512, 16  # of the text that is fitted to, and scored


def jobs(model, text, folder):
    calibration = ["--calib", text, "--calib-windows", WINDOWS, "--calib-window", WINDOW]
    return {
        "diagnose": ["diagnose", model, "--score", "lieq", "--per-bucket", 24, "--draws", 1, *calibration],
        "eval": ["eval", model, "--text", text, "--window", WINDOW, "--chunks", 4 * CHUNKS],
        "quantize": ["quantize", model, "-o", folder / "q", "--bits", 2, "--embed-bits", 16, *calibration],
    }


def run(lieq, ranks, job, folder):
    shutil.rmtree(folder / "q", ignore_errors=True)
    words = [*MPIRUN, "-n", ranks, lieq, "-t", 1, *job]
    start = time.monotonic()
    # One process is measured from outside, several by what the program says of itself.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(list(map(str, words if ranks > 1 else words[len(MPIRUN) + 2:])), capture_output=True, text=True)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):  # 3: made but worse than ten times the original
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = {"ranks": ranks, "seconds": seconds, "busiest_cpu": cpu, "sent": 0, "waited": 0}
    told = re.search(r"ranks, [\d.]+ to ([\d.]+) s of CPU each; the first sent ([\d.]+) MB, got [\d.]+ MB and waited ([\d.]+) s", done.stderr)
    if told:
        row.update(busiest_cpu=float(told[1]), sent=1e6 * float(told[2]), waited=float(told[3]))
    elif ranks > 1:
        raise SystemExit(f"{lieq}: told nothing of its ranks:\n{done.stderr}")
    return row


def measure(args):
    results = {"model": str(args.model), "jobs": {}}
    results["shape"] = shape_of(json.loads(subprocess.run([args.lieq, "inspect", str(args.model), "--json"], capture_output=True, text=True, check=True).stdout))
    with tempfile.TemporaryDirectory() as folder:
        for name, job in jobs(args.model, args.text, Path(folder)).items():
            rows = results["jobs"][name] = [run(args.lieq, ranks, job, Path(folder)) for ranks in args.ranks]
            for row in rows:
                print(f"{name:9} {row['ranks']:3} ranks: {row['seconds']:7.1f} s, {rows[0]['seconds'] / row['seconds']:5.2f}x; "
                      f"busiest {row['busiest_cpu']:7.1f} s of CPU, {rows[0]['busiest_cpu'] / row['busiest_cpu']:5.2f}x; "
                      f"sent {row['sent'] / 1e6:8.1f} MB", flush=True)
    if args.output:
        args.output.write_text(json.dumps(results, indent=2) + "\n")


@dataclass
class Shape:
    """Of a model and of the text it is fitted to."""
    layers: int
    hidden: int
    q: int
    kv: int
    inner: int
    vocab: int
    tokens: int = WINDOWS * WINDOW
    window: int = WINDOW
    scored: int = WINDOW

    def linears(self):
        """[out, in] of each."""
        h, q, kv, m = self.hidden, self.q, self.kv, self.inner
        return [(q, h), (kv, h), (kv, h), (h, q), (m, h), (m, h), (h, m)]

    def sets(self):
        """Of the linears that share inputs: in, rows of the cross products."""
        h = self.hidden
        return [(h, h), (self.q, h), (h, h), (self.inner, h)]

    def weights(self):
        return sum(out * n for out, n in self.linears())


LLAMA_8B = Shape(layers=32, hidden=4096, q=4096, kv=1024, inner=14336, vocab=128256, tokens=128 * 2048, window=2048, scored=4 * 2048)


def shape_of(inspected):
    heads, size = inspected["num_attention_heads"], inspected["head_dim"]
    return {"layers": inspected["num_hidden_layers"], "hidden": inspected["hidden_size"], "q": heads * size,
            "kv": inspected["num_key_value_heads"] * size, "inner": inspected["intermediate_size"], "vocab": inspected["vocab_size"]}


LEAVES = 64  # at most, of quantize/window_tree.cc
TILE = 96    # rows, of quantize/row_shares.h


def layer_work(s, ranks, sweeps=4, group=64):
    """Multiply-adds of the busiest rank in one layer: windows, rows, and what every rank does alike."""
    h, q, m = s.hidden, s.q, s.inner
    windows = s.tokens // s.window
    leaves = max(16, min(LEAVES, 2 ** int(math.log2(max(1, s.tokens / 2048)))))
    # Ranks carry whole leaves, leaves are whole windows.
    own = math.ceil(windows / min(ranks, leaves)) if windows >= min(ranks, leaves) else 1
    token = 2 * (s.weights() + q * s.window) + 0.55 * (2 * h * h + q * q + m * m) + 2 * h * h + 2 * h * (q + m)
    carried = own * s.window * token
    rows = same = 0
    for k, (out, n) in enumerate(s.linears()):
        gains = k not in (3, 6)
        fit = out * n * (0.5 * n + (1.5 + 2.5 * sweeps) * n + 250 * sweeps + 1.5 * group * (30 + 6 * sweeps) + 1.2 * n + 2.5 * n)
        rows += fit + (out * n * n if gains else 0)
        same += 0.4 * out * n * n if gains else 0
    tiles = sum(math.ceil(out / TILE) for out, _ in s.linears())
    rows *= math.ceil(tiles / ranks) / tiles
    same += 1.25 * sum(n ** 3 for n, _ in s.sets()) + 1500 * s.weights()
    return carried, rows, same


def layer_bytes(s, ranks, group=64):
    """That one rank sends in one layer: sums there and back, and its rows to each of the others."""
    if ranks == 1:
        return 0
    sums = sum(4 * (n * (n + 1) / 2 + rows * n) for n, rows in s.sets())
    fitted = sum(out * n * (1 + 8 / group) for out, n in s.linears())
    return 2 * sums * (ranks - 1) / ranks + fitted * (ranks - 1) / ranks


def seconds_of(s, ranks, rate, gbit):
    """Of a whole quantisation; without a network (0): the work alone."""
    once = 3 * s.scored * (s.layers * s.weights() + s.vocab * s.hidden) + 1500 * s.layers * s.weights()  # the first rank, at the end
    sent = layer_bytes(s, ranks) / (gbit * 1e9 / 8) if gbit else 0
    return s.layers * (sum(layer_work(s, ranks)) / rate + sent) + once / rate


def predict(args):
    measured = json.loads(args.results.read_text())
    own, rows = Shape(**measured["shape"]), measured["jobs"]["quantize"]
    rate = seconds_of(own, 1, 1, 0) / rows[0]["busiest_cpu"]
    print(f"{measured['model']}: {rate / 1e9:.1f} * 10^9 multiply-adds a second and thread, from the run on one rank")
    for row in rows[1:]:
        says = seconds_of(own, row["ranks"], rate, 0)
        print(f"  {row['ranks']} ranks: {row['busiest_cpu']:.1f} s of CPU, the model says {says:.1f}; "
              f"sent {row['sent'] / 1e6:.0f} MB, the model says {own.layers * layer_bytes(own, row['ranks']) / 1e6:.0f}")
    host = args.rate * 1e9
    s = LLAMA_8B
    print(f"\nLlama-3.1-8B, {s.tokens} tokens, hosts of {args.rate} * 10^9 multiply-adds a second:")
    print("| hosts | GB sent a host and layer |" + "".join(f" minutes at {g} Gb/s | speed-up | efficiency |" for g in args.gbit))
    print("| --- | --- |" + " --- | --- | --- |" * len(args.gbit))
    for hosts in args.hosts:
        cells = f"| {hosts} | {layer_bytes(s, hosts) / 1e9:.2f} |"
        for gbit in args.gbit:
            taken, alone = seconds_of(s, hosts, host, gbit), seconds_of(s, 1, host, gbit)
            cells += f" {taken / 60:.1f} | {alone / taken:.1f} | {100 * alone / taken / hosts:.0f} % |"
        print(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    m = verbs.add_parser("measure")
    m.add_argument("lieq"), m.add_argument("model", type=Path), m.add_argument("text", type=Path)
    m.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    m.add_argument("-o", "--output", type=Path)
    m.set_defaults(run=measure)
    p = verbs.add_parser("predict")
    p.add_argument("results", type=Path)
    p.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    p.add_argument("--gbit", type=int, nargs="+", default=[10, 100])
    p.add_argument("--rate", type=float, default=500)
    p.set_defaults(run=predict)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
