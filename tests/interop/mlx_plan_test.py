"""A plan written for MLX: the program runs, and the folder it makes has the plan's widths."""

import json
import subprocess
import sys

import interop

interop.needs("mlx", "mlx_lm")

import mlx_lm

WIDTHS = [2, 4, 8, 2, 3, 16, 2, 2, 4, 2, 2, 8]


def the_program_gives_the_widths(folder):
    program, out = folder / "plan.py", folder / "quantised"
    program.write_text(interop.lieq("plan", "mlx", 64, *WIDTHS))
    subprocess.run([sys.executable, program, interop.DEMO, out], check=True, capture_output=True)
    model, _ = mlx_lm.load(str(out))
    for layer, bits in zip(model.layers, WIDTHS, strict=True):
        for linear in (layer.self_attn.q_proj, layer.self_attn.o_proj, layer.mlp.down_proj):
            found = (getattr(linear, "bits", 16), getattr(linear, "group_size", 64))
            assert found == (bits, 64), (found, bits)
    assert not hasattr(model.model.embed_tokens, "bits")
    assert json.loads((out / "config.json").read_text())["quantization"]["bits"] == 2


interop.main([the_program_gives_the_widths])
