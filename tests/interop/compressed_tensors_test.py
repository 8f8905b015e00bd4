"""transformers with compressed-tensors reads our folders, and lieq those that the package makes.

The package multiplies in the scales' own type, so what it unpacks is lieq's exact weight rounded to that type.
"""

import json
import shutil

import interop

interop.needs("compressed-tensors", "compressed_tensors", "transformers", "safetensors", "numpy")

import torch
import transformers
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config
from compressed_tensors.quantization.utils import calculate_qparams
from transformers.utils.quantization_config import CompressedTensorsConfig

MIXED = [2, 4, 4, 2, 2, 4, 2, 2, 4, 2, 2, 8]


def loaded(folder, dtype, packed=True):
    extra = {"quantization_config": CompressedTensorsConfig(run_compressed=False)} if packed else {}
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **extra).eval()


def logits_in_float32(model):
    with torch.no_grad():
        return model.float()(torch.tensor([interop.TOKENS])).logits[0].numpy()


def compare_weights(name, model, weights, dtype):
    state = model.state_dict()
    for key, exact in weights.items():
        rounded = torch.from_numpy(exact).to(dtype)
        interop.expect_equal(f"{name}: {key}", state[key].to(dtype).float().numpy(), rounded.float().numpy())


def exports(folder):
    for grid in ("sym", "skew", "asym"):
        source = interop.quantized_demo(folder, grid, MIXED)
        out, record = interop.export("compressed-tensors", source, folder)
        assert record["exact_tensors"] == record["tensors"], record
        model = loaded(out, torch.float16)
        compare_weights(grid, model, interop.lieq_weights(out), torch.float16)
        halves, _ = interop.export("hf-fp16", source, folder)
        logits = logits_in_float32(model)
        interop.expect_close(f"{grid}: logits, and lieq's of the weights as F16", logits, interop.lieq_logits(halves), 1e-3)
        interop.expect_close(f"{grid}: logits, and lieq's of the source", logits, interop.lieq_logits(source), 2e-2)


def dense_exports(folder):
    for grid in ("half", "skew"):
        source = interop.quantized_demo(folder, grid, MIXED)
        out, _ = interop.export("hf-fp16", source, folder)
        model = loaded(out, torch.float16, packed=False)
        compare_weights(grid, model, interop.lieq_weights(source), torch.float16)
        interop.expect_close(f"{grid}: logits of hf-fp16", logits_in_float32(model), interop.lieq_logits(out), 1e-4)


def quantized_by_the_package(folder, dtype, groups):
    """A folder whose modules were rounded from their extremes with the package's own functions."""
    model = transformers.AutoModelForCausalLM.from_pretrained(interop.DEMO, dtype=dtype)
    config = QuantizationConfig(config_groups=groups, ignore=["lm_head"], format="pack-quantized",
                                quantization_status="frozen")
    apply_quantization_config(model, config)
    for module in model.modules():
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is None or scheme.weights is None:
            continue
        args, weight = scheme.weights, module.weight.data
        parts = weight.unflatten(1, (-1, args.group_size or weight.shape[1]))
        scale, zero = calculate_qparams(parts.amin(2), parts.amax(2), args)
        module.weight_scale.data.copy_(scale)
        if getattr(module, "weight_zero_point", None) is not None:
            module.weight_zero_point.data.copy_(zero)
    compressor = ModelCompressor.from_pretrained_model(model, quantization_format="pack-quantized")
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(interop.DEMO / file, folder)


def scheme(targets, bits, group_size, symmetric):
    return {"targets": targets, "weights": {"num_bits": bits, "type": "int", "symmetric": symmetric,
                                            "strategy": "group" if group_size else "channel", "group_size": group_size}}


def folders_of_the_package(folder):
    cases = {
        "w4-sym": {"group_0": scheme(["Linear"], 4, 64, True)},
        "w4-asym": {"group_0": scheme(["Linear"], 4, 32, False)},
        "w8-channel": {"group_0": scheme(["Linear"], 8, None, True)},
        "w3-asym-channel": {"group_0": scheme(["Linear"], 3, None, False)},
        "mixed": {"group_0": scheme(["re:.*layers\\.(0|3|11)\\..*"], 4, 64, True),
                  "group_1": scheme(["re:.*layers\\.(1|2|4|5|6|7|8|9|10)\\..*proj"], 2, 32, False)},
    }
    for name, groups in cases.items():
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            out = folder / f"{name}-{dtype}".replace("torch.", "")
            quantized_by_the_package(out, dtype, groups)
            model = loaded(out, dtype)
            compare_weights(out.name, model, interop.lieq_weights(out), dtype)
    config = json.loads((folder / "mixed-float16/config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "compressed-tensors", config
    interop.expect_close("logits of the package's own folder", logits_in_float32(loaded(folder / "w4-sym-float32", torch.float32)),
                         interop.lieq_logits(folder / "w4-sym-float32"), 1e-4)


interop.main([exports, dense_exports, folders_of_the_package])
