"""MLX and lieq read each other's folders: the same weights bit for bit, the same logits in float32."""

import json

import interop

interop.needs("mlx", "mlx_lm", "safetensors", "numpy")

import mlx.core as mx
import mlx_lm
import mlx_lm.utils
import numpy

MIXED = [2, 4, 4, 2, 2, 4, 2, 2, 4, 2, 2, 4]


def unpack(words, bits, columns):
    """Codes of a dense little-endian stream along each row."""
    stream = numpy.unpackbits(words.view(numpy.uint8), axis=1, bitorder="little")
    fields = stream[:, : columns * bits].reshape(words.shape[0], columns, bits)
    return (fields * (1 << numpy.arange(bits))).sum(axis=2).astype(numpy.float32)


def as_float32(array):
    return numpy.array(array.astype(mx.float32))


def stored_weights(folder):
    """scale * code + bias in float32, of every tensor of a folder."""
    arrays = {}
    for file in sorted(folder.glob("model*.safetensors")):
        arrays.update(mx.load(str(file)))
    weights = {}
    for name, array in arrays.items():
        if name.endswith((".scales", ".biases")):
            continue
        module = name.removesuffix(".weight")
        if module + ".scales" not in arrays:
            weights[name] = as_float32(array)
            continue
        scales, biases = as_float32(arrays[module + ".scales"]), as_float32(arrays[module + ".biases"])
        config = json.loads((folder / "config.json").read_text())
        groups, words = scales.shape[1], numpy.array(array)
        columns = expected_columns(config, module)
        codes = unpack(words, words.shape[1] * 32 // columns, columns)
        repeat = columns // groups
        weights[name] = numpy.repeat(scales, repeat, axis=1) * codes + numpy.repeat(biases, repeat, axis=1)
    return weights


def expected_columns(config, module):
    if module.endswith("down_proj"):
        return config["intermediate_size"]
    if module.endswith("o_proj"):
        return config["num_attention_heads"] * config["head_dim"]
    return config["hidden_size"]


def mlx_logits(folder):
    model, _ = mlx_lm.load(str(folder))
    model.set_dtype(mx.float32)
    return model, as_float32(model(mx.array([interop.TOKENS]))[0])


def compare_weights(folder):
    ours, theirs = interop.lieq_weights(folder), stored_weights(folder)
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    for name in ours:
        interop.expect_equal(f"{folder.name}: {name}", ours[name], theirs[name])


def exports_of_all_grids(folder):
    for grid in ("half", "skew", "sym", "asym"):
        source = interop.quantized_demo(folder, grid, MIXED)
        out, record = interop.export("mlx", source, folder)
        compare_weights(out)
        model, logits = mlx_logits(out)
        widths = [layer.mlp.up_proj.bits for layer in model.layers]
        assert widths == MIXED, widths
        interop.expect_close(f"{grid}: logits of MLX and lieq, same folder", logits, interop.lieq_logits(out), 1e-4)
        # What rounding to half precision cost: -scale * zero, norms and embedding.
        interop.expect_close(f"{grid}: logits of MLX and of the source", logits, interop.lieq_logits(source), 2e-2)
        print(f"{grid}: largest difference of a weight {record['largest_difference']:.1e}")


def text_of_an_export(folder):
    out, _ = interop.export("mlx", interop.quantized_demo(folder, "half", [4]), folder)
    model, tokenizer = mlx_lm.load(str(out))
    text = mlx_lm.generate(model, tokenizer, prompt="The", max_tokens=16)
    assert text.strip(), "expected text"


def folders_of_mlx(folder):
    for bits in (2, 3, 4, 5, 6, 8):
        for dtype in ("float16", "bfloat16", "float32"):
            out = folder / f"{bits}-{dtype}"
            mlx_lm.convert(str(interop.DEMO), mlx_path=str(out), quantize=True, q_bits=bits, q_group_size=64,
                           dtype=dtype)
            compare_weights(out)
    interop.expect_close("logits of MLX's own folder", mlx_logits(folder / "4-float16")[1],
                         interop.lieq_logits(folder / "4-float16"), 1e-4)


def mixed_folder_of_mlx(folder):
    def widths(path, module):
        if "o_proj" in path:
            return False
        return {"group_size": 32, "bits": 8} if "down_proj" in path else {"group_size": 128, "bits": 4}

    out = folder / "mixed"
    mlx_lm.convert(str(interop.DEMO), mlx_path=str(out), quantize=True, quant_predicate=widths, dtype="bfloat16")
    compare_weights(out)


interop.main([exports_of_all_grids, text_of_an_export, folders_of_mlx, mixed_folder_of_mlx])
