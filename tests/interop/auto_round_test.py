"""AutoRound's folders in each of its packings, and ours of GPTQ packing in AutoRound's kernels.

A layer's weights are what it makes of the unit matrix; its kernels multiply codes and scales in half precision, so that
is lieq's exact weight rounded once.
"""

import interop

interop.needs("auto-round", "auto_round", "transformers", "safetensors", "numpy")

import json

import auto_round
import awq_layout
import torch
import transformers
from auto_round_extension.torch import qlinear_torch, qlinear_torch_zp
from safetensors.torch import load_file

LAYERS = 2  # AutoRound takes its time


def weights_in_use(folder, tensors, module):
    """[out, in] float32, in the kernel that the folder's packing asks for."""
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    if config.get("packing_format") == "auto_round:auto_awq":  # what it makes of an asymmetric grid of 4 bits
        arrays = {name: tensor.numpy() for name, tensor in tensors.items() if name.startswith(module + ".")}
        weights = awq_layout.dequantized(arrays, module, config["group_size"])
        return torch.from_numpy(weights).half().float().numpy()
    qweight, scales = tensors[module + ".qweight"], tensors[module + ".scales"]
    groups, outputs = scales.shape
    inputs = tensors[module + ".g_idx"].numel() if module + ".g_idx" in tensors else columns(module)
    stored_whole = config.get("packing_format") == "auto_round" or config.get("checkpoint_format") == "gptq_v2"
    kernel = qlinear_torch if stored_whole else qlinear_torch_zp
    linear = kernel.QuantLinear(qweight.shape[0] * 32 // inputs, inputs // groups, inputs, outputs, False)
    for name in ("qweight", "qzeros", "scales"):
        getattr(linear, name).copy_(tensors[f"{module}.{name}"])
    linear.post_init()
    with torch.no_grad():
        return linear(torch.eye(inputs, dtype=torch.float16)).float().T.numpy()


def columns(module):
    config = json.loads((interop.DEMO / "config.json").read_text())
    if module.endswith("down_proj"):
        return config["intermediate_size"]
    return config["num_attention_heads"] * config["head_dim"] if module.endswith("o_proj") else config["hidden_size"]


def compare(folder, count):
    ours, tensors = interop.lieq_weights(folder), {}
    for file in folder.glob("*.safetensors"):
        tensors.update(load_file(file))
    modules = [name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight")]
    assert len(modules) == count, (folder, len(modules), count)
    theirs = {}
    for module in modules:
        theirs[module + ".weight"] = weights_in_use(folder, tensors, module)
        halves = torch.from_numpy(ours[module + ".weight"]).half().float().numpy()
        interop.expect_equal(f"{folder.name}: {module}", halves, theirs[module + ".weight"])
    print(f"{folder.parent.name}: {count} modules equal")
    return theirs


def quantized(folder, name, form, layers=None, **scheme):
    source = interop.short_demo(folder, LAYERS)
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    out = folder / name
    rounder = auto_round.AutoRound(model, tokenizer, iters=0, disable_opt_rtn=True, layer_config=layers or {},
                                   device_map="cpu", **scheme)
    rounder.quantize_and_save(str(out), format=form)
    config = list(out.rglob("config.json"))[0]
    return config.parent


def folders_of_auto_round(folder):
    for form, symmetric, bits in (("auto_round", False, 4), ("auto_gptq", True, 4), ("auto_round:auto_gptq", True, 2)):
        name = f"{form.replace(':', '-')}-{bits}"
        out = quantized(folder, name, form, bits=bits, group_size=32, sym=symmetric)
        interop.expect_same_perplexity(out, compare(out, LAYERS * 7), folder / (name + "-dense"))


def mixed_folder_of_auto_round(folder):
    layers = {"model.layers.1.mlp.up_proj": {"bits": 4, "group_size": 32},
              "model.layers.0.self_attn.q_proj": {"bits": 16}}
    out = quantized(folder, "mixed", "auto_round:auto_gptq", layers, bits=2, group_size=64, sym=True)
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "auto-round" and config["extra_config"], config
    compare(out, LAYERS * 7 - 1)


def our_gptq_folders(folder):
    for grid, target in (("sym", "gptq"), ("skew", "gptq_v2"), ("asym", "gptq_v2")):
        out, _ = interop.export(target, interop.quantized_demo(folder, grid, [2, 4, 8, 4]), folder)
        compare(out, 12 * 7)


interop.main([our_gptq_folders, folders_of_auto_round, mixed_folder_of_auto_round])
