#!/usr/bin/env python3
"""Runs the same tests in lieq, llama.cpp and ik_llama.cpp in turn, on one machine, and prints the ratios.

    compare_engines.py --lieq build/lieq/cli/lieq --lieq-model MODEL ["MODEL --embed-bits 4" ...]
        --llama-bench PATH --llama-model A.gguf ["A.gguf --repack 0" ...]
        --ik-bench PATH --ik-model A.gguf ["A.gguf -rtr 1" ...]

A model may be followed by further options of its program, all in one argument. Every round runs each entry once, so a
busy spell of the machine meets all of them; the best round of each counts. Peers are judged by the best of their entries.
--cpu-time is for machines that do other work: with one thread, it counts tokens per second of CPU time, as the difference
of runs with one and with three repetitions, so that loading and warming up cancel out.
"""
import argparse
import json
import os
import resource
import shlex
import subprocess
import sys


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


class Entry:
    def __init__(self, engine, program, text):
        self.engine, self.program = engine, program
        self.model, *self.options = shlex.split(text)
        self.name = " ".join([os.path.basename(os.path.normpath(self.model)), *self.options])
        self.best = {"prompt": 0.0, "decode": 0.0}
        self.samples = {"prompt": [], "decode": []}
        self.details = {}

    def command(self, args, prompt, new, repetitions):
        sizes = ["-t", str(args.threads), "-p", str(prompt), "-n", str(new), "-r", str(repetitions)]
        if self.engine == "lieq":
            return [self.program, "bench", self.model, *sizes, "--json", *self.options]
        return [self.program, "-m", self.model, *sizes, "-o", "json", *self.options]

    def measure_cpu_time(self, args):
        def cpu_seconds(*test):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run(self.command(args, *test))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

        for test, prompt, new in (("prompt", args.prompt, 0), ("decode", 0, args.new)):
            seconds = cpu_seconds(prompt, new, 3) - cpu_seconds(prompt, new, 1)
            self.samples[test].append(2 * (prompt + new) / max(seconds, 1e-9))
            self.best[test] = sorted(self.samples[test])[len(self.samples[test]) // 2]  # differences err both ways: the median

    def measure(self, args):
        if args.cpu_time:
            return self.measure_cpu_time(args)
        record = run(self.command(args, args.prompt, args.new, 1))
        if self.engine == "lieq":
            record = record[0]
            rates = {test: record[f"{test}_tokens_per_second"]["best"] for test in self.best}
            self.details = {key: record[key] for key in ("linear_true_bits", "decode_bytes_per_token", "read_bandwidth",
                                                         "decode_share_of_bandwidth", "load_seconds", "memory")}
        else:
            rates = {"prompt" if test["n_prompt"] else "decode": test["avg_ts"] for test in record}
            self.details = {"model_type": record[0]["model_type"], "model_size": record[0]["model_size"]}
        for test, rate in rates.items():
            self.best[test] = max(self.best[test], rate)


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown CPU")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for engine, program in (("lieq", "--lieq"), ("llama", "--llama-bench"), ("ik", "--ik-bench")):
        parser.add_argument(program, dest=f"{engine}_program", default="lieq" if engine == "lieq" else None)
        parser.add_argument(f"--{engine}-model", dest=f"{engine}_models", nargs="+", default=[])
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--new", type=int, default=128)
    parser.add_argument("-r", "--rounds", type=int, default=3)
    parser.add_argument("--cpu-time", action="store_true", help="tokens per second of CPU time, with one thread")
    parser.add_argument("-o", "--output", help="write the results as JSON")
    args = parser.parse_args()
    if args.cpu_time:
        args.threads = 1

    names = {"lieq": "lieq", "llama": "llama.cpp", "ik": "ik_llama.cpp"}
    entries = [Entry(engine, getattr(args, f"{engine}_program"), text) for engine in names
               for text in getattr(args, f"{engine}_models")]
    for entry in entries:
        if entry.program is None:
            parser.error(f"--{entry.engine}-model needs --{entry.engine}-bench")
    for number in range(args.rounds):
        for entry in entries:
            print(f"round {number + 1} of {args.rounds}: {names[entry.engine]} {entry.name}", file=sys.stderr)
            entry.measure(args)

    unit = "tokens per second of CPU time, median" if args.cpu_time else "tokens/s, best"
    print(f"{cpu_name()}, {args.threads} threads, prompt {args.prompt}, {args.new} new tokens, {unit} of {args.rounds}\n")
    print("| engine | model | prompt | decode |\n|---|---|---:|---:|")
    for entry in entries:
        print(f"| {names[entry.engine]} | {entry.name} | {entry.best['prompt']:.1f} | {entry.best['decode']:.1f} |")
    print()
    ratios = {}
    for ours in (entry for entry in entries if entry.engine == "lieq"):
        for engine in ("llama", "ik"):
            theirs = [entry for entry in entries if entry.engine == engine]
            if not theirs:
                continue
            ratio = {test: ours.best[test] / max(max(entry.best[test] for entry in theirs), 1e-9) for test in ours.best}
            ratios.setdefault(ours.name, {})[names[engine]] = ratio
            print(f"{ours.name} / best of {names[engine]}: prompt {ratio['prompt']:.2f}, decode {ratio['decode']:.2f}")
        if ours.details.get("decode_share_of_bandwidth"):
            print(f"{ours.name}: decoding reads {ours.details['decode_bytes_per_token'] * 1e-6:.1f} MB a token, "
                  f"{100 * ours.best['decode'] * ours.details['decode_bytes_per_token'] / ours.details['read_bandwidth']:.0f} % of "
                  f"{ours.details['read_bandwidth'] * 1e-9:.1f} GB/s")
    if args.output:
        with open(args.output, "w") as file:
            json.dump({"cpu": cpu_name(), "threads": args.threads, "prompt": args.prompt, "new": args.new, "rounds": args.rounds, "cpu_time": args.cpu_time,
                       "entries": [{"engine": names[e.engine], "model": e.name, "best": e.best, **e.details} for e in entries],
                       "ratios": ratios}, file, indent=2)


if __name__ == "__main__":
    main()
