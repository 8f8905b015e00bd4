#!/usr/bin/env python3
"""A GGUF file in another of llama.cpp's mixes of types (llama_model_quantize, weights that are quantised already allowed):
files to compare the speed of engines with, not their quality.

    llama_requantize.py SOURCE.gguf OUT.gguf MIX --lib LIBRARY [-t THREADS]     MIX: Q2_K, Q3_K_M, Q4_K_M, Q5_K_M, Q6_K, IQ4_NL, IQ4_XS

LIBRARY as for llama_bench.py.
"""
import argparse
import os

from llama_bench import llama_library

MIXES = {"Q2_K": 10, "Q3_K_M": 12, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("mix", choices=MIXES)
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("--lib", required=True)
    args = parser.parse_args()
    library = llama_library.open_library(args.lib)
    llama_library.quantize(library, args.source, args.out, MIXES[args.mix], threads=args.threads)


if __name__ == "__main__":
    main()
