#!/usr/bin/env python3
"""A GGUF file in another of llama.cpp's mixes of types (llama_model_quantize, weights that are quantised already allowed):
files to compare the speed of engines with, not their quality.

    llama_requantize.py SOURCE.gguf OUT.gguf MIX --lib LIBRARY [-t THREADS]     MIX: Q2_K, Q3_K_M, Q4_K_M, Q5_K_M, Q6_K, IQ4_NL, IQ4_XS

LIBRARY as for llama_bench.py.
"""
import argparse
import ctypes
import os

from llama_bench import open_library

MIXES = {"Q2_K": 10, "Q3_K_M": 12, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30}


class Head(ctypes.Structure):
    """The first fields of llama_model_quantize_params, and room for the others."""
    _fields_ = [("threads", ctypes.c_int32), ("mix", ctypes.c_int32), ("output_type", ctypes.c_int32),
                ("embedding_type", ctypes.c_int32), ("allow_requantize", ctypes.c_bool), ("rest", ctypes.c_uint8 * 1024)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("mix", choices=MIXES)
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("--lib", required=True)
    args = parser.parse_args()
    lib = open_library(args.lib)
    lib.llama_model_quantize_default_params.restype = Head
    lib.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Head)]
    lib.llama_model_quantize.restype = ctypes.c_uint32
    params = lib.llama_model_quantize_default_params()
    params.threads, params.mix, params.allow_requantize = args.threads, MIXES[args.mix], True
    if lib.llama_model_quantize(args.source.encode(), args.out.encode(), ctypes.byref(params)) != 0:
        raise SystemExit(f"{args.source}: {args.lib} cannot make {args.mix} of it")


if __name__ == "__main__":
    main()
