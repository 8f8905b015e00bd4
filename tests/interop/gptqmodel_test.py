"""GPTQModel reads our folders, in its torch kernel, to the same weights; lieq reads those that it makes, GPTQ and AWQ.

Its kernel multiplies codes and scales in half precision, so that is lieq's exact weight rounded once.
"""

import interop

interop.needs("gptqmodel", "gptqmodel", "safetensors", "numpy")

import json
import os

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiling its kernel takes minutes and changes no weight
os.environ["GPTQMODEL_CPU_WORKERS"] = "2"  # with fewer, its default on two cores, it refuses to quantise

import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig

LAYERS = 3  # of folders that GPTQModel makes, which takes its time
MIXED = [2, 4, 8, 4]


def opened(folder, backend=BACKEND.TORCH):
    """In half precision, which the scales are stored in: in bfloat16, its default on CPUs, they would be rounded."""
    return GPTQModel.load(str(folder), device="cpu", backend=backend, dtype=torch.float16)


def dequantized(model):
    """[out, in] float32 by name, of every module that GPTQModel multiplies packed."""
    return {name + ".weight": module.dequantize_weight().T.contiguous().float().numpy()
            for name, module in model.model.named_modules() if hasattr(module, "qweight")}


def compare(folder, model, count):
    theirs, ours = dequantized(model), interop.lieq_weights(folder)
    assert len(theirs) == count, (folder, len(theirs), count)
    for name, weights in theirs.items():
        halves = torch.from_numpy(ours[name]).half().float().numpy()
        interop.expect_equal(f"{folder.name}: {name}", halves, weights)
    print(f"{folder.name}: {count} modules equal")
    return theirs


def our_folders(folder):
    for grid, target in (("sym", "gptq"), ("skew", "gptq_v2"), ("asym", "gptq_v2")):
        out, _ = interop.export(target, interop.quantized_demo(folder, grid, MIXED), folder)
        model = opened(out)
        compare(out, model, 12 * 7)
        logits = model.model(torch.tensor([interop.TOKENS])).logits[0].detach().float().numpy()
        interop.expect_close(f"{out.name}: logits", logits, interop.lieq_logits(out), 2e-2)
        tokens = model.generate("And it came to pass", max_new_tokens=8)[0]
        assert len(tokens) > 8, tokens


def quantized(folder, name, **config):
    source = interop.short_demo(folder, LAYERS)
    model = GPTQModel.load(str(source), QuantizeConfig(**config), device="cpu")
    lines = (interop.DEMO / "heldout.txt").read_text()[:24000]
    model.quantize([lines[at:at + 1000] for at in range(0, len(lines), 1000)], batch_size=1)
    out = folder / name
    model.save(str(out))
    return out


def folders_of_gptqmodel(folder):
    dynamic = {r"+:^model\.layers\.(?:1)\..*": {"bits": 4, "group_size": 32},
               r"+:^model\.layers\.(?:2)\.mlp\..*": {"bits": 8}, r"-:^model\.layers\.0\.self_attn\.q_proj": {}}
    cases = {"uniform": (LAYERS * 7, {"bits": 4, "group_size": 64, "sym": True}),
             "act-order": (LAYERS * 7, {"bits": 4, "group_size": 64, "sym": True, "desc_act": True}),
             "asym-v2": (LAYERS * 7, {"bits": 4, "group_size": 64, "sym": False, "format": "gptq_v2"}),
             "dynamic": (LAYERS * 7 - 1, {"bits": 2, "group_size": 64, "sym": True, "dynamic": dynamic})}
    for name, (count, config) in cases.items():
        out = quantized(folder, name, **config)
        interop.expect_same_perplexity(out, compare(out, opened(out), count), folder / (name + "-dense"))
    written = json.loads((folder / "dynamic/config.json").read_text())["quantization_config"]
    assert written["dynamic"], written


def awq_folder_of_gptqmodel(folder):
    import awq_layout
    from safetensors.torch import load_file
    out = quantized(folder, "awq", quant_method="awq", format="gemm", bits=4, group_size=64)
    tensors = {}
    for file in sorted(out.glob("*.safetensors")):
        tensors.update({name: tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
                        for name, tensor in load_file(file).items()})
    modules = [name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight")]
    assert len(modules) == LAYERS * 7, modules
    ours, theirs = interop.lieq_weights(out), {}
    for module in modules:
        theirs[module + ".weight"] = awq_layout.dequantized(tensors, module, 64)
        interop.expect_equal(f"awq: {module}", ours[module + ".weight"], theirs[module + ".weight"])
    interop.expect_same_perplexity(out, theirs, folder / "awq-dense")


interop.main([our_folders, folders_of_gptqmodel, awq_folder_of_gptqmodel])
