#!/usr/bin/env python3
"""What `llama-quantize --pure` makes of a GGUF file's transformer linears; embedding and head stay as they are.

  bench/llama_quantize.py SOURCE.gguf OUT.gguf --ggml libggml-base.so --imatrix FILE.dat [--type q2_k]
                          [--layer-type 0=q4_k,27=q4_k] [--layers 4]

Every weight is dequantised and given to ggml_quantize_chunk with its row of the importance matrix (bench/imatrix.cc
writes one), as llama.cpp does. Needs numpy and gguf, and any build of libggml-base with its symbols, such as the one in
the npm package @node-llama-cpp/linux-x64.
"""

import argparse
import ctypes
import re
import struct
from pathlib import Path

import gguf
import numpy as np
from gguf import quants

LINEAR = re.compile(r"blk\.(\d+)\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight$")


def read_imatrix(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    (entries,), at, found = struct.unpack_from("<i", data), 4, {}
    for _ in range(entries):
        (length,) = struct.unpack_from("<i", data, at)
        name = data[at + 4 : at + 4 + length].decode()
        at += 4 + length
        calls, count = struct.unpack_from("<ii", data, at)
        found[name] = np.frombuffer(data, "<f4", count, at + 8) / np.float32(calls)
        at += 8 + 4 * count
    return found


class Quantiser:
    def __init__(self, library: Path) -> None:
        self.chunk = ctypes.CDLL(str(library)).ggml_quantize_chunk
        self.chunk.restype = ctypes.c_size_t
        self.chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]

    def __call__(self, weight: np.ndarray, kind: gguf.GGMLQuantizationType, importance: np.ndarray) -> np.ndarray:
        rows, cols = weight.shape
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if cols % block:
            raise SystemExit(f"{kind.name}: found rows of {cols}, expected a multiple of {block}")
        weight, importance = np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(importance, np.float32)
        packed = np.empty((rows, cols // block * size), np.uint8)
        self.chunk(int(kind), weight.ctypes.data, packed.ctypes.data, 0, rows, cols, importance.ctypes.data)
        return packed


def copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for field in reader.fields.values():
        if field.name == gguf.Keys.General.ARCHITECTURE or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ggml", type=Path, required=True)
    parser.add_argument("--imatrix", type=Path, required=True)
    parser.add_argument("--type", default="q2_k")
    parser.add_argument("--layer-type", default="", help="layers that get another type")
    parser.add_argument("--layers", type=int, default=1 << 30, help="quantise the first so many only")
    options = parser.parse_args()
    quantise, imatrix = Quantiser(options.ggml), read_imatrix(options.imatrix)
    others = dict(part.split("=") for part in options.layer_type.split(",") if part)

    reader = gguf.GGUFReader(options.source)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    writer = gguf.GGUFWriter(options.out, architecture)
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        match = LINEAR.match(tensor.name)
        if not match or int(match[1]) >= options.layers:
            plain = tensor.tensor_type in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=None if plain else tensor.tensor_type)
            continue
        kind = gguf.GGMLQuantizationType[others.get(match[1], options.type).upper()]
        weight = quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, quantise(weight, kind, imatrix[tensor.name]), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
