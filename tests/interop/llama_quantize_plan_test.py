"""A plan written for llama-quantize: libllama's function takes the patterns, and the file it makes has the types."""

import re

import interop

interop.needs("llama-cpp", "gguf", "numpy")

import gguf
import llama_library

WIDTHS = [2, 4, 8, 2, 3, 16, 2, 2, 4, 2, 2, 8]
TYPES = {2: "Q2_K", 3: "Q3_K", 4: "Q4_K", 8: "Q8_0", 16: "F16"}
MOSTLY_Q2_K = 10  # llama_ftype
LINEAR = re.compile(r"blk\.(\d+)\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight$")


def find_library():
    folder = interop.engines_folder() / "llama-cpp/node_modules/@node-llama-cpp"
    found = sorted(folder.glob("*/bins/*/libllama.*")) + sorted(folder.glob("*/bins/*/libllama.so*"))
    return next((file for file in found if "common" not in file.name), None)


def the_patterns_give_the_types(folder):
    plan = interop.lieq("plan", "llama-quantize", 64, *WIDTHS)
    # As llama-quantize reads --tensor-type-file: words, each NAME=TYPE.
    overrides = [(name, gguf.GGMLQuantizationType[kind.upper()])
                 for name, kind in (word.split("=") for word in plan.split())]
    source, _ = interop.export("gguf", interop.DEMO, folder)
    out = folder / "quantised.gguf"
    llama_library.quantize(library, source, out, MOSTLY_Q2_K, overrides)
    found = 0
    for tensor in gguf.GGUFReader(out).tensors:
        if match := LINEAR.match(tensor.name):
            assert tensor.tensor_type.name == TYPES[WIDTHS[int(match[1])]], (tensor.name, tensor.tensor_type)
            found += 1
    assert found == 7 * len(WIDTHS), found


file = find_library()
if not file:
    print("skipped: @node-llama-cpp/linux-x64 is not beside llama-cpp (tests/interop/setup llama-cpp installs it)")
    raise SystemExit(interop.SKIPPED)
library = llama_library.open_library(file)
interop.main([the_patterns_give_the_types])
