#!/usr/bin/env python3
"""llama.cpp (xllamacpp) loads our GGUF files, Q2_0 beside Q4_0 and Q2_K beside Q4_K, and writes what lieq writes.

Both round activations to 8 bits, each in its own way, so a near tie may fall otherwise: texts may part only where
llama.cpp's own two best tokens are within NEAR_TIE nats."""

import json
import os
import pathlib
import subprocess
import tempfile

from interop import DEMO, needs

needs("llama-cpp", "xllamacpp")
import xllamacpp  # noqa: E402

PROMPTS = ("And it came to pass, that", "In the beginning", "The old man said")
NEW_TOKENS = 64
NEAR_TIE = 0.3


def lieq(*words):
    done = subprocess.run([os.environ["LIEQ"], *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"lieq {' '.join(map(str, words))}: {done.stderr.strip()}"
    return done.stdout


def answer(server, prompt):
    """The tokens llama.cpp writes, as pairs of text and the distance of its two best, in nats."""
    body = {"prompt": prompt, "n_predict": NEW_TOKENS, "temperature": 0, "top_k": 1, "n_probs": 2, "cache_prompt": False,
            "ignore_eos": True}
    reply = server.handle_completions(body)
    reply = reply if isinstance(reply, dict) else json.loads(reply)
    tokens = []
    for token in reply["choices"][0]["logprobs"]["content"]:
        best = [one["logprob"] for one in token["top_logprobs"]]
        tokens.append((token["token"], best[0] - best[1] if len(best) > 1 else float("inf")))
    return tokens


def check(file):
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = 256
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.warmup = False
    server = xllamacpp.Server(params)
    whole = 0
    for prompt in PROMPTS:
        ours = lieq("run", file, "-p", prompt, "-n", NEW_TOKENS, "--ignore-eos").removesuffix("\n").removeprefix(prompt)
        said = ""
        for text, distance in answer(server, prompt):
            if not ours.startswith(said + text):
                assert distance < NEAR_TIE, f"{file.name}: {prompt!r}: {said + text!r}, lieq {ours!r}, {distance:.2f} nats apart"
                break
            said += text
        whole += said == ours
    print(f"{file.name}: {whole} of {len(PROMPTS)} texts equal over {NEW_TOKENS} tokens, the others up to a near tie")


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    short = ("--calib", DEMO / "heldout.txt", "--calib-windows", 8, "--calib-window", 128, "--sweeps", 1, "--top", 2)
    lieq("quantize", DEMO, "-o", folder / "skew", *short, "--to", "gguf")
    check(folder / "skew.gguf")
    lieq("quantize", DEMO, "-o", folder / "k.gguf", "--grid", "q2_k", *short)
    check(folder / "k.gguf")
    lieq("export", DEMO, "--to", "gguf", "--embed", "q8_0", "-o", folder / "dense.gguf")
    check(folder / "dense.gguf")
