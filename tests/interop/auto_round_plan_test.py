"""A plan written for AutoRound: it takes the arguments, and the folder it makes has the plan's widths."""

import json

import interop

interop.needs("auto-round", "auto_round", "transformers", "safetensors")

import auto_round
import torch
import transformers
from safetensors import safe_open

WIDTHS = [2, 4, 8, 2, 3, 16, 2, 2, 4, 2, 2, 8]
INPUTS = {"self_attn.q_proj": "hidden_size", "mlp.down_proj": "intermediate_size"}


def the_arguments_give_the_widths(folder):
    plan = json.loads(interop.lieq("plan", "auto-round", 64, *WIDTHS))
    model = transformers.AutoModelForCausalLM.from_pretrained(interop.DEMO, dtype=torch.float16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(interop.DEMO)
    rounder = auto_round.AutoRound(model, tokenizer, iters=0, disable_opt_rtn=True, device_map="cpu", sym=True, **plan)
    rounder.quantize_and_save(str(folder / "quantised"), format="auto_round:auto_gptq")
    (file,) = (folder / "quantised").rglob("model.safetensors")
    config = json.loads((file.parent / "config.json").read_text())
    with safe_open(file, "np") as tensors:
        names = set(tensors.keys())
        for l, bits in enumerate(WIDTHS):
            for linear, size in INPUTS.items():
                module = f"model.layers.{l}.{linear}"
                if bits == 16:
                    assert module + ".weight" in names, module
                    continue
                words = tensors.get_slice(module + ".qweight").get_shape()[0]
                groups = tensors.get_slice(module + ".scales").get_shape()[0]
                assert (words * 32 / config[size], config[size] / groups) == (bits, 64), (module, words, groups)


interop.main([the_arguments_give_the_widths])
