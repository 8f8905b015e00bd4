"""AutoRound's folders in each of its packings, and ours of GPTQ packing in AutoRound's kernels.

A layer's weights are what it makes of the unit matrix; its kernels multiply codes and scales in half precision, so that
is lieq's exact weight rounded once.
"""

import interop

interop.needs("auto-round", "auto_round", "transformers", "safetensors", "numpy")

import json

import auto_round
import torch
import transformers

MIXED = [2, 4, 4, 2, 2, 4, 2, 2, 4, 2, 2, 8]


def loaded(folder):
    config = transformers.AutoRoundConfig(backend="auto_round:torch")
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16, device_map="cpu",
                                                             quantization_config=config).eval()


def weights_in_use(model):
    """[out, in] of every module with codes, float32."""
    found = {}
    for name, module in model.named_modules():
        if hasattr(module, "qweight"):
            inputs = getattr(module, "infeatures", None) or module.in_features
            with torch.no_grad():
                found[name + ".weight"] = module(torch.eye(inputs, dtype=torch.float16)).float().T.numpy()
    return found


def compare(folder, count):
    model, ours = loaded(folder), interop.lieq_weights(folder)
    theirs = weights_in_use(model)
    assert len(theirs) == count, (folder, len(theirs), count)
    for name, weights in theirs.items():
        halves = torch.from_numpy(ours[name]).half().float().numpy()
        interop.expect_equal(f"{folder.name}: {name}", halves, weights)


def quantized(folder, name, form, layers=None, **scheme):
    model = transformers.AutoModelForCausalLM.from_pretrained(interop.DEMO, dtype=torch.float16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(interop.DEMO)
    out = folder / name
    rounder = auto_round.AutoRound(model, tokenizer, iters=0, disable_opt_rtn=True, layer_config=layers or {},
                                   device_map="cpu", **scheme)
    rounder.quantize_and_save(str(out), format=form)
    config = list(out.rglob("config.json"))[0]
    return config.parent


def folders_of_auto_round(folder):
    for form in ("auto_gptq", "auto_round:auto_gptq", "auto_round", "auto_awq"):
        for symmetric in (True, False):
            name = form.replace(":", "-") + ("-sym" if symmetric else "-asym")
            compare(quantized(folder, name, form, bits=4, group_size=32, sym=symmetric), 12 * 7)
    for bits in (2, 3, 8):
        compare(quantized(folder, f"{bits}", "auto_round:auto_gptq", bits=bits, group_size=64, sym=True), 12 * 7)


def mixed_folder_of_auto_round(folder):
    layers = {"model.layers.3.mlp.up_proj": {"bits": 4, "group_size": 32}, "model.layers.5.self_attn.q_proj": {"bits": 16}}
    out = quantized(folder, "mixed", "auto_round:auto_gptq", layers, bits=2, group_size=64, sym=True)
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "auto-round" and config["extra_config"], config
    compare(out, 12 * 7 - 1)


def our_gptq_folders(folder):
    out, _ = interop.export("gptq", interop.quantized_demo(folder, "sym", [4]), folder)
    compare(out, 12 * 7)


interop.main([folders_of_auto_round, mixed_folder_of_auto_round, our_gptq_folders])
