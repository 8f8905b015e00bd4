#!/usr/bin/env python3
"""lieq's server beside llama.cpp's, with the same model file, clients and machine, in turns; prints ratios.

    serve.py --lieq build/release/lieq/cli/lieq --model MODEL.gguf [--peer-model OTHER.gguf]
             [--users 1 4 16] [--prompt 256] [--answer 64] [--rounds 3] [--threads N] [--json FILE]

Run it with a Python that has xllamacpp (pip install xllamacpp), which carries llama.cpp's server. Each round and number of
users is one burst: all users send a prompt of their own at the same moment, and read their streams to the end. tokens/s
counts prompts and answers over the time of the burst; "first" is the mean time to the first piece of text. The best round
of each counts. Nothing of a prompt is known to a server beforehand.
"""

import argparse
import http.client
import json
import os
import platform
import random
import re
import subprocess
import sys
import threading
import time
import urllib.parse

WORDS = """time year people way day man thing woman life child world school state family student group country problem hand part
place case week company system program question work government number night point home water room mother area money story
fact month lot right study book eye job word business issue side kind head house service friend father power hour game line
end member law car city community name president team minute idea kid body information back parent face others level office
door health person art war history party result change morning reason research girl guy moment air teacher force""".split()


class Lieq:
    name = "lieq"

    def __init__(self, args, slots, context):
        command = [args.lieq, "-t", str(args.threads), "serve", args.model, "--port", "0", "-np", str(slots), "-c", str(context)]
        self.process = subprocess.Popen([*command, *args.lieq_options.split()], stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"at http://(\S+)", self.process.stdout.readline())[1]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class LlamaCpp:
    """In a process of its own, so that its threads are its own."""

    name = "llama.cpp"

    def __init__(self, args, slots, context):
        command = [sys.executable, __file__, "--llama-server", args.peer_model or args.model, str(args.threads), str(slots),
                   str(context)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if line.startswith("address "):
                self.address = urllib.parse.urlparse(line.split()[1]).netloc
                return
        sys.exit("llama.cpp's server did not start")

    def stop(self):
        self.process.kill()
        self.process.wait()


def run_llama_server(model, threads, slots, context):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
    params.n_parallel = int(slots)
    params.n_ctx = int(slots) * int(context)
    params.n_threads_http = int(slots) + 4
    params.cont_batching = True
    params.warmup = True
    params.hostnames, params.port = ["127.0.0.1"], 0
    server = xllamacpp.Server(params)
    print("address", server.listening_address, flush=True)
    sys.stdin.read()


def post(address, path, body):
    connection = http.client.HTTPConnection(address, timeout=600)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return connection.getresponse()


def ask(address, prompt, answer, start, result):
    start.wait()
    began = time.perf_counter()
    body = {"prompt": prompt, "max_tokens": answer, "temperature": 0, "stream": True, "ignore_eos": True, "cache_prompt": False,
            "stream_options": {"include_usage": True}}
    response = post(address, "/v1/completions", body)
    if response.status != 200:
        raise RuntimeError(f"{address}: {response.status} {response.read()[:300]}")
    first, usage = None, None
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        if first is None and chunk.get("choices") and chunk["choices"][0].get("text"):
            first = time.perf_counter() - began
        usage = chunk.get("usage") or usage
    assert usage["completion_tokens"] == answer and usage["prompt_tokens"] == len(prompt), usage
    result.append((first, time.perf_counter() - began))


def burst(server, prompts, answer):
    """Tokens per second of all together, and the mean time to the first text."""
    start, result = threading.Barrier(len(prompts)), []
    users = [threading.Thread(target=ask, args=(server.address, prompt, answer, start, result)) for prompt in prompts]
    began = time.perf_counter()
    for user in users:
        user.start()
    for user in users:
        user.join()
    seconds = time.perf_counter() - began
    assert len(result) == len(prompts), "some user got no answer"
    return sum(len(prompt) + answer for prompt in prompts) / seconds, sum(first for first, _ in result) / len(result)


def main():
    if sys.argv[1:2] == ["--llama-server"]:
        return run_llama_server(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lieq", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--peer-model", default="")
    parser.add_argument("--lieq-options", default="")
    parser.add_argument("--users", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--answer", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json")
    args = parser.parse_args()
    slots, context = max(args.users), args.prompt + args.answer + 64
    servers = [kind(args, slots, context) for kind in (Lieq, LlamaCpp)]
    rng, records = random.Random(1), []

    def prompt():
        text = " ".join(rng.choice(WORDS) for _ in range(args.prompt))
        ids = json.load(post(servers[0].address, "/tokenize", {"content": text}))["tokens"]
        return ids[: args.prompt]

    try:
        for server in servers:
            burst(server, [prompt()], 4)
        for users in args.users:
            samples = {server.name: [] for server in servers}
            for _ in range(args.rounds):
                prompts = [prompt() for _ in range(users)]
                for server in servers:
                    samples[server.name].append(burst(server, prompts, args.answer))
            records.append({"users": users, "samples": samples})
            best = {name: (max(s[0] for s in some), min(s[1] for s in some)) for name, some in samples.items()}
            (ours, first), (theirs, their_first) = best["lieq"], best["llama.cpp"]
            print(f"{users:3} users: lieq {ours:8.1f} tokens/s, llama.cpp {theirs:8.1f}, ratio {ours / theirs:.2f}; "
                  f"first text after {first:6.2f} s and {their_first:6.2f} s, ratio {first / their_first:.2f}", flush=True)
    finally:
        for server in servers:
            server.stop()
    if args.json:
        record = {"model": args.model, "peer_model": args.peer_model, "prompt": args.prompt, "answer": args.answer,
                  "threads": args.threads, "machine": platform.processor() or platform.machine(), "results": records}
        with open(args.json, "w") as file:
            json.dump(record, file, indent=1)


if __name__ == "__main__":
    main()
