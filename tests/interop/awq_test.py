"""AWQ's GEMM layout against a packer and a reader of our own in numpy, written from the layout's description.

No prebuilt AWQ engine runs on a CPU, so the layout itself is what is tested, both ways.
"""

import json
import shutil

import interop

interop.needs("compressed-tensors", "torch", "safetensors", "numpy")

import numpy
import torch
from awq_layout import dequantized, pack
from safetensors.numpy import save_file
from safetensors.torch import load_file

def modules_of(tensors):
    return sorted(name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight"))


def exports(folder):
    for grid in ("sym", "skew", "asym"):
        source = interop.quantized_demo(folder, grid, [4])
        out, _ = interop.export("awq", source, folder)
        tensors = {name: tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
                   for name, tensor in load_file(out / "model.safetensors").items()}
        ours = interop.lieq_weights(source)
        modules = modules_of(tensors)
        assert len(modules) == 12 * 7, modules
        for module in modules:
            interop.expect_equal(f"{grid}: {module}", dequantized(tensors, module, 64), ours[module + ".weight"])
        config = json.loads((out / "config.json").read_text())["quantization_config"]
        assert config["quant_method"] == "awq" and config["bits"] == 4 and config["group_size"] == 64, config


def folders_of_others(folder):
    random = numpy.random.default_rng(1)
    for group in (32, 64, 128):
        out = folder / str(group)
        out.mkdir()
        for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(interop.DEMO / file, out)
        expected, tensors = {}, {}
        for name, array in load_file(interop.DEMO / "model.safetensors").items():
            if not name.endswith("_proj.weight"):
                tensors[name] = array.to(torch.float16).numpy()
                continue
            module, (outputs, inputs) = name.removesuffix(".weight"), array.shape
            codes = random.integers(0, 16, (inputs, outputs))
            zeros = random.integers(0, 16, (inputs // group, outputs))
            scales = (random.random((inputs // group, outputs)) * 0.02).astype(numpy.float16)
            tensors[module + ".qweight"], tensors[module + ".qzeros"] = pack(codes), pack(zeros)
            tensors[module + ".scales"] = scales
            levels = codes.astype(numpy.float32) - zeros.repeat(group, axis=0)
            expected[name] = (levels * scales.astype(numpy.float32).repeat(group, axis=0)).T
        save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((out / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": group,
                                         "zero_point": True, "modules_to_not_convert": None}
        (out / "config.json").write_text(json.dumps(config))
        ours = interop.lieq_weights(out)
        for name, weights in expected.items():
            interop.expect_equal(f"g{group}: {name}", ours[name], weights)


interop.main([exports, folders_of_others])
