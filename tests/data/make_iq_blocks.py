#!/usr/bin/env python3
"""Writes iq_blocks.safetensors: random blocks of the IQ, TQ and MXFP4 types and what the `gguf` package (0.19) decodes
from them: TYPE.raw U8 [3, bytes], TYPE.deq F32 [3, weights]."""

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from safetensors.numpy import save_file

TYPES = "IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4".split()
SCALE_AT = {"TQ1_0": 52, "TQ2_0": 64}  # else the block opens with its half-precision scale
random = np.random.default_rng(7)
tensors = {}
for name in TYPES:
    kind = GGMLQuantizationType[name]
    _, size = GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (3, size), dtype=np.uint8)
    if name == "MXFP4":
        raw[:, 0] = [120, 0, 1]
    elif name == "IQ1_M":
        raw[:, 55] &= 0x3F  # the highest bits of the scale: keeps it finite
    else:
        at = SCALE_AT.get(name, 0)
        raw[:, at : at + 2] = np.array([0.0123, -1.5, 6e-8], dtype=np.float16).view(np.uint8).reshape(3, 2)
    tensors[name + ".raw"] = raw
    tensors[name + ".deq"] = quants.dequantize(raw, kind).astype(np.float32)
save_file(tensors, Path(__file__).resolve().parent / "iq_blocks.safetensors")
