#!/usr/bin/env python3
"""llama.cpp (xllamacpp) loads our GGUF files, Q2_0 beside Q4_0 and K blocks of two widths, and says what lieq says.

Greedy texts, an answer of its chat server, and the perplexity of 2,000 tokens. Both round activations to 8 bits, each
in its own way (lieq in groups of 64, llama.cpp in its blocks of 32 or 256), so a near tie may fall otherwise: texts may
part only where llama.cpp's own two best tokens are within NEAR_TIE nats.

The demo model is always tried; SmolLM2-135M-Instruct where LIEQ_TEST_MODELS is a folder that has it. Files named as
arguments are tried instead of both: llama_cpp_test.py FILE.gguf...
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from interop import DEMO, needs, perplexity

needs("llama-cpp", "xllamacpp", "numpy")
import llama_library  # noqa: E402
import xllamacpp  # noqa: E402

PROMPTS = ("And it came to pass, that", "In the beginning", "The old man said")
QUESTION = "Name three colours."
NEW_TOKENS = 64
NEAR_TIE = 0.3
WINDOW, WINDOWS = 250, 8
MOST_APART = 0.01  # of perplexity


def lieq(*words):
    done = subprocess.run([os.environ["LIEQ"], *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"lieq {' '.join(map(str, words))}: {done.stderr.strip()}"
    return done.stdout


def served(file):
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = 256
    params.n_parallel = 1
    params.cpuparams.n_threads = 1  # its threads spin while they wait, which hurts where others compute
    params.warmup = False
    return xllamacpp.Server(params)


def tokens_of(reply):
    """Pairs of text and the distance of the two best, in nats."""
    reply = reply if isinstance(reply, dict) else json.loads(reply)
    pairs = []
    for token in reply["choices"][0]["logprobs"]["content"]:
        best = [one["logprob"] for one in token["top_logprobs"]]
        pairs.append((token["token"], best[0] - best[1] if len(best) > 1 else float("inf")))
    return pairs


def is_whole(place, tokens, ours):
    """Whether all tokens are lieq's text; if not, they part at a near tie."""
    said = ""
    for text, distance in tokens:
        if not ours.startswith(said + text):
            assert distance < NEAR_TIE, f"{place}: {said + text!r}, lieq {ours!r}, {distance:.2f} nats apart"
            return False
        said += text
    return said == ours


def check_texts(file, server):
    whole = 0
    for prompt in PROMPTS:
        body = {"prompt": prompt, "n_predict": NEW_TOKENS, "temperature": 0, "top_k": 1, "n_probs": 2,
                "cache_prompt": False, "ignore_eos": True}
        ours = lieq("run", file, "-p", prompt, "-n", NEW_TOKENS, "--ignore-eos").removesuffix("\n")
        whole += is_whole(f"{file.name}: {prompt!r}", tokens_of(server.handle_completions(body)),
                          ours.removeprefix(prompt))
    print(f"{file.name}: {whole} of {len(PROMPTS)} texts equal over {NEW_TOKENS} tokens, the others up to a near tie")


def check_chat(file, server):
    """The template as llama.cpp applies it and as lieq does."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": NEW_TOKENS, "temperature": 0, "top_k": 1,
            "logprobs": True, "top_logprobs": 2, "cache_prompt": False}
    ours = lieq("chat", file, "-p", QUESTION, "-n", NEW_TOKENS, "--temp", 0).strip()
    tokens = [(text, distance) for text, distance in tokens_of(server.handle_chat_completions(body)) if text]
    said = "".join(text for text, _ in tokens).strip()
    assert said, f"{file.name}: no answer"
    whole = said == ours or is_whole(f"{file.name}: chat", tokens, ours)
    print(f"{file.name}: answer {said[:60]!r}: {'equal' if whole else 'equal up to a near tie'}")


def check_perplexity(file, library):
    text = (DEMO / "heldout.txt").read_text()
    theirs, predicted = llama_library.perplexity(library, file, text, WINDOW, WINDOWS)
    ours = perplexity(file, window=WINDOW, chunks=WINDOWS, activations="int8")
    exact = perplexity(file, window=WINDOW, chunks=WINDOWS, activations="fp32")
    print(f"{file.name}: perplexity of {predicted} tokens: llama.cpp {theirs:.4f}, lieq {ours:.4f} "
          f"({ours / theirs - 1:+.3%}), with exact activations {exact:.4f} ({exact / theirs - 1:+.3%})")
    assert abs(ours / theirs - 1) < MOST_APART, (file, theirs, ours)


def check(file, chats=False):
    check_perplexity(file, llama_library.open_library(llama_library.find_xllamacpp()))
    server = served(file)
    check_texts(file, server)
    if chats:
        check_chat(file, server)


def demo_models(folder):
    short = ("--calib", DEMO / "heldout.txt", "--calib-windows", 8, "--calib-window", 128, "--sweeps", 1, "--top", 2)
    lieq("quantize", DEMO, "-o", folder / "skew", *short, "--to", "gguf")
    lieq("quantize", DEMO, "-o", folder / "linears", *short, "--per", "linear", "--to", "gguf")
    lieq("quantize", DEMO, "-o", folder / "k.gguf", "--grid", "q2_k", *short)
    lieq("export", DEMO, "--to", "gguf", "--embed", "q8_0", "-o", folder / "dense.gguf")
    for name in ("skew", "linears", "k", "dense"):
        check(folder / f"{name}.gguf")


def smollm2(folder):
    source = pathlib.Path(os.environ.get("LIEQ_TEST_MODELS", "")) / "SmolLM2-135M-Instruct"
    if not os.environ.get("LIEQ_TEST_MODELS") or not source.exists():
        print("skipped: SmolLM2-135M-Instruct is not in LIEQ_TEST_MODELS")
        return
    short = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 512, "--sweeps", 0,
             "--no-correction", "--no-refit", "--no-gains", "--chunks", 1)
    lieq("quantize", source, "-o", folder / "smollm2", "--top", 15, "--embed-bits", 8, *short, "--to", "gguf")
    check(folder / "smollm2.gguf", chats=True)


if sys.argv[1:]:
    for name in sys.argv[1:]:
        check(pathlib.Path(name), chats=True)
else:
    for test in (demo_models, smollm2):
        with tempfile.TemporaryDirectory() as name:
            test(pathlib.Path(name))
