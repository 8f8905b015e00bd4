#!/usr/bin/env python3
"""What llama.cpp's llama-bench measures, for installations that have its library alone.

    llama_bench.py -m MODEL.gguf [-t THREADS] [-p 512] [-n 128] [-r 5] [-o json] --lib LIBRARY

LIBRARY: any build of libllama, such as that in the npm package @node-llama-cpp/linux-x64 (one library for each kind of
CPU beside it, of which the best is taken) or the extension module of the PyPI package xllamacpp. Prompts are decoded in
one batch, new tokens one by one, each with a warm-up before it; no sampling. Prints the fields of llama-bench's JSON
that compare_engines.py reads.
"""
import argparse
import ctypes
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/interop"))
import llama_library  # noqa: E402


class Session:
    def __init__(self, args):
        self.lib = lib = llama_library.open_library(args.lib)
        params = lib.llama_model_default_params()
        start = time.perf_counter()
        self.model = lib.llama_model_load_from_file(args.model.encode(), params)
        self.load_seconds = time.perf_counter() - start
        if not self.model:
            raise SystemExit(f"{args.model}: {args.lib} cannot load it")
        params = lib.llama_context_default_params()
        head = ctypes.cast(ctypes.pointer(params), ctypes.POINTER(ctypes.c_uint32))
        head[0], head[1] = args.prompt + args.new, 2048  # n_ctx, n_batch; n_ubatch stays 512
        self.context = lib.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"{args.model}: {args.lib} makes no context")
        lib.llama_set_n_threads(self.context, args.threads, args.threads)
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        text = ctypes.create_string_buffer(256)
        lib.llama_model_desc(self.model, text, len(text))
        self.description, self.size = text.value.decode(), lib.llama_model_size(self.model)

    def decode(self, count):
        tokens = (ctypes.c_int32 * count)(*[random.randrange(self.vocab) for _ in range(count)])
        if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(tokens, count)) != 0:
            raise SystemExit("llama_decode failed")
        self.lib.llama_synchronize(self.context)

    def rate(self, prompt, new):
        """Tokens per second of one prompt, or of new tokens one by one."""
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), False)
        start = time.perf_counter()
        if prompt:
            self.decode(prompt)
        for _ in range(new):
            self.decode(1)
        return (prompt + new) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--new", type=int, default=128)
    parser.add_argument("-r", "--repetitions", type=int, default=5)
    parser.add_argument("-o", "--output", choices=["json"], default="json")
    parser.add_argument("--lib", required=True)
    args = parser.parse_args()
    session = Session(args)
    results = []
    for prompt, new in ((args.prompt, 0), (0, args.new)):
        if prompt + new == 0:
            continue
        session.rate(prompt, min(new, 1))
        rates = [session.rate(prompt, new) for _ in range(args.repetitions)]
        results.append({"model_type": session.description, "model_size": session.size, "n_prompt": prompt, "n_gen": new,
                        "load_seconds": session.load_seconds, "avg_ts": sum(rates) / len(rates), "samples_ts": rates})
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
