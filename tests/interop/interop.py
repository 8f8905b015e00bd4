"""What the interop scripts share: finding an engine's Python, lieq's tool, and comparing arrays.

An engine is a Python with its packages. LIEQ_ENGINE_<NAME> names one (LIEQ_ENGINE_MLX=/path/to/python); without it
<folder>/<name>/bin/python is tried, the folder being LIEQ_ENGINES or ~/.cache/lieq/engines, where `setup` puts them.
A test whose engine is not there exits with 77 after one line that says so.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
SOURCE = pathlib.Path(os.environ.get("LIEQ_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
DEMO = SOURCE / "demo"
TOKENS = [(t * t * 37 + 11) % 4096 for t in range(48)]  # any ids serve: what is compared is arithmetic


def engines_folder():
    return pathlib.Path(os.environ.get("LIEQ_ENGINES", pathlib.Path.home() / ".cache/lieq/engines"))


def needs(engine, *modules):
    """Goes on in the engine's Python, in which `modules` can be imported, or skips the test."""
    named = os.environ.get("LIEQ_ENGINE_" + engine.upper().replace("-", "_"))
    python = pathlib.Path(named) if named else engines_folder() / engine / "bin/python"
    if not python.exists():
        print(f"skipped: engine {engine} is not at {python} (tests/interop/setup {engine} installs it)")
        sys.exit(SKIPPED)
    # A virtual environment's python is a link: what tells them apart is the path, not the file.
    if os.environ.get("LIEQ_IN_ENGINE") != str(python):
        os.environ["LIEQ_IN_ENGINE"] = str(python)
        os.execv(python, [str(python), *sys.argv])
    for module in modules:
        try:
            __import__(module)
        except ImportError as error:
            print(f"skipped: engine {engine} at {python} lacks {module}: {error}")
            sys.exit(SKIPPED)


def lieq(*words, expect=0):
    """Runs interop_tool; its output."""
    done = subprocess.run([os.environ["INTEROP_TOOL"], *map(str, words)], capture_output=True, text=True)
    assert done.returncode == expect, f"interop_tool {' '.join(map(str, words))}: {done.stderr.strip()}"
    return done.stdout


def version_of(package):
    import importlib.metadata
    return importlib.metadata.version(package)


def quantized_demo(folder, grid, bits, group=64, model=DEMO):
    """The demo model rounded onto a grid, one width a layer; `bits` may be one for all."""
    out = folder / f"{model.name}-{grid}-{'-'.join(map(str, bits))}"
    if not out.exists():
        lieq("quantize", model, out, grid, group, *bits)
    return out


def start_folder(out, config):
    """A model folder to which only the weights are missing, with the demo's tokenizer."""
    out.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DEMO / file, out)
    (out / "config.json").write_text(json.dumps(config))


def llama_demo(folder):
    """The demo model without what makes it a Qwen3: a Llama, whose rows of q and k some files hold in another order."""
    from safetensors.numpy import save_file
    out = folder / "llama"
    if out.exists():
        return out
    config = json.loads((DEMO / "config.json").read_text())
    start_folder(out, config | {"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    weights = {name: array for name, array in lieq_weights(DEMO).items()
               if not name.endswith(("q_norm.weight", "k_norm.weight"))}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    return out


def short_demo(folder, layers):
    """The demo model's first layers, for tools that take their time."""
    from safetensors.torch import load_file, save_file
    out = folder / f"demo-{layers}-layers"
    if out.exists():
        return out
    config = json.loads((DEMO / "config.json").read_text())
    start_folder(out, config | {"num_hidden_layers": layers, "max_window_layers": layers})
    kept = {name: tensor for name, tensor in load_file(DEMO / "model.safetensors").items()
            if "layers." not in name or int(name.split(".")[2]) < layers}
    save_file(kept, out / "model.safetensors", metadata={"format": "pt"})
    return out


def export(target, model, folder):
    """What an export made, and its record."""
    out = folder / f"{model.name}.gguf" if target == "gguf" else folder / f"{model.name}-{target}"
    return out, json.loads(lieq("export", target, model, out))


def arrays(verb, model, *words):
    """Weights or logits of a model as lieq has them, float32 arrays by name."""
    from safetensors.numpy import load_file
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "arrays.safetensors"
        lieq(verb, model, file, *words)
        return load_file(file)


def lieq_weights(model):
    return arrays("weights", model)


def lieq_logits(model):
    return arrays("logits", model, *TOKENS)["logits"]


def perplexity(model, text=DEMO / "heldout.txt", window=256, chunks=8, activations="fp32"):
    """By lieq, over the first windows of a text."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "eval.json"
        words = ("eval", model, "--text", text, "-c", window, "--chunks", chunks, "--activations", activations,
                 "-o", file)
        done = subprocess.run([os.environ["LIEQ"], *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, f"lieq {' '.join(map(str, words))}: {done.stderr.strip()}"
        return json.loads(file.read_text())[0]["perplexity"]


def dense_copy(model, weights, out):
    """The model of a folder in float32: `weights` by name, what is not among them as lieq reads it."""
    import numpy
    from safetensors.numpy import save_file
    config = json.loads((model / "config.json").read_text())
    config.pop("quantization_config", None)
    start_folder(out, config)
    # save_file writes the memory behind a transposed view.
    all_weights = {name: numpy.ascontiguousarray(w) for name, w in (lieq_weights(model) | weights).items()}
    save_file(all_weights, out / "model.safetensors", metadata={"format": "pt"})
    return out


def expect_same_perplexity(model, weights, dense):
    """Of a folder as lieq reads it, and of the weights that its own tool makes of it, written to `dense`."""
    found, expected = perplexity(model), perplexity(dense_copy(model, weights, dense))
    assert abs(found / expected - 1) < 1e-4, f"{model}: perplexity {found}, expected {expected}"
    print(f"{model.name}: perplexity {found:.4f}, of its tool's dequantised weights {expected:.4f}")


def expect_equal(name, found, expected):
    import numpy
    assert found.shape == expected.shape, f"{name}: shape {found.shape}, expected {expected.shape}"
    wrong = numpy.flatnonzero(found.ravel() != expected.ravel())
    assert wrong.size == 0, (f"{name}: {wrong.size} of {found.size} differ, the first at {wrong[0]}: "
                             f"{found.ravel()[wrong[0]]}, expected {expected.ravel()[wrong[0]]}")


def expect_close(name, found, expected, bound):
    """bound: of the largest difference, as a share of the standard deviation of `expected`."""
    import numpy
    off = float(numpy.abs(found - expected).max() / expected.std())
    assert off <= bound, f"{name}: off by {off:.2e} standard deviations, expected at most {bound:.0e}"
    print(f"{name}: off by at most {off:.1e} standard deviations")


def main(tests):
    """Runs functions that take an empty folder, or those that the command line names."""
    assert "INTEROP_TOOL" in os.environ, "INTEROP_TOOL: not set, expected the path of interop_tool"
    for test in [test for test in tests if not sys.argv[1:] or test.__name__ in sys.argv[1:]]:
        with tempfile.TemporaryDirectory() as folder:
            test(pathlib.Path(folder))
        print(f"passed: {test.__name__}")
