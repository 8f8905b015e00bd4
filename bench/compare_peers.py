#!/usr/bin/env python3
"""Latency of packed linears of lieq beside llama.cpp and ik_llama.cpp, at the shapes of the paper's Figure 4.

  bench/compare_peers.py LIEQ --llama SOURCE BUILD --ik SOURCE BUILD [--shapes 3072x8192,4096x14336] [--threads N]

SOURCE and BUILD are a peer's source tree and the folder it was built in with shared libraries. bench/peer_matmul.cc is
compiled against each. Programs take turns for some rounds; the best of each counts. For each shape, width and number of
tokens the fastest type of each peer is compared, so a peer may use another type for every number of tokens.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

# Bits of a code -> types of about that width.
LLAMA = {2: ["q2_K"], 4: ["q4_0", "q4_0+repack", "q4_K", "q4_K+repack", "iq4_nl+repack"]}
IK = {2: ["q2_K", "q2_k_r4", "iq2_k", "iq2_k_r4", "iq2_ks"], 4: ["q4_0", "q4_0_r8", "q4_K", "q4_k_r4", "iq4_k", "iq4_ks", "iq4_k_r4"]}


def compile_peer(source: Path, build: Path, target: Path) -> None:
    libraries = sorted(build.rglob("libggml*.so"))
    if not libraries:
        sys.exit(f"{build}: found no libggml*.so, expected a build with shared libraries")
    folders = sorted({library.parent for library in libraries})
    subprocess.run(["c++", "-std=c++20", "-O2", f"-I{source}/ggml/include", Path(__file__).parent / "peer_matmul.cc", *libraries,
                    *(f"-Wl,-rpath,{folder}" for folder in folders), "-o", target], check=True)


def run_peer(program: Path, shape: str, threads: int, seconds: float, tokens: str, types: list[str]) -> list[dict]:
    done = subprocess.run([program, *shape.split("x"), str(threads), str(seconds), tokens, ",".join(types)], check=True,
                          capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_lieq(program: str, shape: str, threads: int, seconds: float, tokens: str, bits: list[int]) -> list[dict]:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([program, "bench", "-t", str(threads), "--shape", shape, "--tokens", tokens, "--seconds", str(seconds),
                        "--bits", ",".join(map(str, bits)), "--inputs", "int8", "--no-dense", "-o", file.name], check=True, capture_output=True)
        return json.loads(Path(file.name).read_text())["records"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lieq")
    parser.add_argument("--llama", nargs=2, type=Path, metavar=("SOURCE", "BUILD"))
    parser.add_argument("--ik", nargs=2, type=Path, metavar=("SOURCE", "BUILD"))
    parser.add_argument("--shapes", default="3072x8192,4096x14336")
    parser.add_argument("--tokens", default="1,4,16,64,256,1024,2048")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each type, number of tokens and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: of all threads, for a busy machine and one thread")
    options = parser.parse_args()
    key = "seconds" if options.clock == "wall" else "cpu_seconds"
    peers = {name: (paths, types) for name, paths, types in (("llama.cpp", options.llama, LLAMA), ("ik_llama.cpp", options.ik, IK)) if paths}
    with tempfile.TemporaryDirectory() as folder:
        for name, (paths, _) in peers.items():
            compile_peer(*paths, Path(folder) / name)
        ratios = []
        for shape in options.shapes.split(","):
            best: dict[tuple, float] = {}
            for _ in range(options.rounds):
                for record in run_lieq(options.lieq, shape, options.threads, options.seconds, options.tokens, [2, 4]):
                    if "bits" in record:
                        note(best, ("lieq", record["bits"], record["tokens"], record["kernel"]), record[key])
                for name, (_, types) in peers.items():
                    for bits in types:
                        for record in run_peer(Path(folder) / name, shape, options.threads, options.seconds, options.tokens, types[bits]):
                            note(best, (name, bits, record["tokens"], record["kernel"]), record[key])
            ratios += report(shape, best, list(peers), [int(t) for t in options.tokens.split(",")])
    print(f"\ngeometric mean of (fastest peer / lieq): {geometric_mean(ratios):.2f}; least {min(ratios):.2f}; "
          f"{options.threads} threads, {options.clock} time, best of {options.rounds} rounds of {options.seconds} s")


def note(best: dict, key: tuple, seconds: float) -> None:
    best[key] = min(best.get(key, math.inf), seconds)


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def report(shape: str, best: dict, peers: list[str], tokens: list[int]) -> list[float]:
    ratios = []
    print(f"\n{shape}\n{'bits':>4} {'tokens':>6} {'lieq ms':>9}" + "".join(f" {name + ' ms':>16} {'type':>14} {'ratio':>6}" for name in peers))
    for bits in (2, 4):
        for count in tokens:
            ours = min(seconds for (who, b, t, _), seconds in best.items() if (who, b, t) == ("lieq", bits, count))
            line, fastest = f"{bits:>4} {count:>6} {1e3 * ours:>9.3f}", math.inf
            for name in peers:
                seconds, kind = min((seconds, kind) for (who, b, t, kind), seconds in best.items() if (who, b, t) == (name, bits, count))
                fastest = min(fastest, seconds)
                line += f" {1e3 * seconds:>16.3f} {kind:>14} {seconds / ours:>6.2f}"
            print(line)
            ratios.append(fastest / ours)
    return ratios


if __name__ == "__main__":
    main()
