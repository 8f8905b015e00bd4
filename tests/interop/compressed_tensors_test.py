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
from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationConfig, QuantizationScheme, apply_quantization_config
from compressed_tensors.quantization.utils import calculate_qparams
from compressed_tensors.utils.match import match_targets
from safetensors.torch import load_file

LAYERS = 4  # of folders that the package makes
MIXED = [2, 4, 4, 2, 2, 4, 2, 2, 4, 2, 2, 8]


def loaded(folder, dtype):
    """Decompressed by the package's hook at the first use. Not by transformers' own `dequantize=True`: up to 5.24 that
    takes the first group's scheme for every module, and so reads mixed widths wrongly."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    with torch.no_grad():
        model(torch.tensor([interop.TOKENS[:1]]))
    return model.state_dict()


def loaded_dense(folder, dtype):
    """transformers' `dequantize=True`: for folders of one group; the way that also takes packed zero points."""
    how = transformers.CompressedTensorsConfig(dequantize=True)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, quantization_config=how).state_dict()


def unpacked(folder):
    """Every module unpacked by the package, its scheme found by the package."""
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    schemes = {target: QuantizationScheme.model_validate(group)
               for group in config["config_groups"].values() for target in group["targets"]}
    tensors, linear = load_file(folder / "model.safetensors"), torch.nn.Linear(1, 1)
    state = {name: tensor for name, tensor in tensors.items() if ".weight_" not in name}
    for name in tensors:
        if not name.endswith(".weight_packed"):
            continue
        module = name.removesuffix(".weight_packed")
        local = {key.removeprefix(module + "."): value
                 for key, value in tensors.items() if key.startswith(module + ".")}
        scheme = schemes[match_targets(module, linear, schemes)[0]]
        state[module + ".weight"] = PackedQuantizationCompressor.decompress(local, scheme)["weight"]
    return state


def logits_in_float32(folder, state):
    config = transformers.AutoConfig.from_pretrained(folder)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    dense = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    missing, _ = dense.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=False)
    assert set(missing) <= {"lm_head.weight"}, missing
    dense.tie_weights()
    with torch.no_grad():
        return dense(torch.tensor([interop.TOKENS])).logits[0].numpy()


def compare_weights(name, state, weights, dtype):
    for key, exact in weights.items():
        rounded = torch.from_numpy(exact).to(dtype)
        interop.expect_equal(f"{name}: {key}", state[key].to(dtype).float().numpy(), rounded.float().numpy())


def exports(folder):
    for grid, bits in (("sym", MIXED), ("skew", MIXED), ("asym", MIXED), ("asym", [4])):
        source = interop.quantized_demo(folder, grid, bits)
        out, record = interop.export("compressed-tensors", source, folder)
        assert record["exact_tensors"] == record["tensors"], record
        weights, state = interop.lieq_weights(out), unpacked(out)
        compare_weights(out.name, state, weights, torch.float16)
        if grid == "sym":
            compare_weights(f"{out.name} in transformers", loaded(out, torch.float16), weights, torch.float16)
        if bits == [4]:
            compare_weights(f"{out.name} in transformers", loaded_dense(out, torch.float16), weights, torch.float16)
        logits = logits_in_float32(out, state)
        interop.expect_close(f"{out.name}: logits, and lieq's of the source", logits, interop.lieq_logits(source), 2e-2)


def dense_exports(folder):
    for grid in ("half", "skew"):
        source = interop.quantized_demo(folder, grid, MIXED)
        out, _ = interop.export("hf-fp16", source, folder)
        state = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float16).state_dict()
        compare_weights(grid, state, interop.lieq_weights(source), torch.float16)
        logits = logits_in_float32(out, state)
        interop.expect_close(f"{out.name}: logits, and lieq's of the same", logits, interop.lieq_logits(out), 1e-4)
        interop.expect_close(f"{out.name}: logits, and lieq's of the source", logits, interop.lieq_logits(source), 2e-2)


def quantized_by_the_package(folder, source, dtype, groups):
    """A folder whose modules were rounded from their extremes with the package's own functions."""
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
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
    source = interop.short_demo(folder, LAYERS)
    cases = {
        "w4-sym": {"group_0": scheme(["Linear"], 4, 64, True)},
        "w4-asym": {"group_0": scheme(["Linear"], 4, 32, False)},
        "w8-channel": {"group_0": scheme(["Linear"], 8, None, True)},
        "w3-asym-channel": {"group_0": scheme(["Linear"], 3, None, False)},
        "mixed": {"group_0": scheme(["re:.*layers\\.(0|3)\\..*"], 4, 64, True),
                  "group_1": scheme(["re:.*layers\\.(1|2)\\..*proj"], 2, 32, False)},
    }
    for name, groups in cases.items():
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            out = folder / f"{name}-{dtype}".replace("torch.", "")
            quantized_by_the_package(out, source, dtype, groups)
            compare_weights(out.name, unpacked(out), interop.lieq_weights(out), dtype)
        weights = {key: tensor.float().numpy() for key, tensor in unpacked(out).items() if key.endswith(".weight")}
        interop.expect_same_perplexity(out, weights, folder / (name + "-dense"))
    config = json.loads((folder / "mixed-float16/config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "compressed-tensors" and len(config["config_groups"]) == 2, config
    exact = folder / "w4-asym-float32"
    interop.expect_close("logits of the package's own folder", logits_in_float32(exact, unpacked(exact)),
                         interop.lieq_logits(exact), 1e-4)


interop.main([exports, dense_exports, folders_of_the_package])
