"""A plan written as a recipe of llm-compressor. Its config groups are those of compressed-tensors, which gives every
module its scheme: that is tried here, in the environment of compressed-tensors; llm-compressor itself is asked to read
the recipe where it is installed beside it."""

import interop

interop.needs("compressed-tensors", "compressed_tensors", "transformers", "yaml")

import transformers
import yaml
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config

WIDTHS = [2, 4, 8, 2, 3, 16, 2, 2, 4, 2, 2, 8]
LINEARS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
           "mlp.down_proj")


def the_groups_give_the_widths(folder):
    recipe = yaml.safe_load(interop.lieq("plan", "llm-compressor", 64, *WIDTHS))
    modifier = recipe["quantization_stage"]["quantization_modifiers"]["GPTQModifier"]
    model = transformers.AutoModelForCausalLM.from_pretrained(interop.DEMO)
    apply_quantization_config(model, QuantizationConfig(**modifier, format="pack-quantized"))
    for l, bits in enumerate(WIDTHS):
        for linear in LINEARS:
            scheme = getattr(model.model.layers[l].get_submodule(linear), "quantization_scheme", None)
            found = (scheme.weights.num_bits, scheme.weights.group_size) if scheme else (16, 64)
            assert found == (bits, 64), (l, linear, found)
    assert getattr(model.lm_head, "quantization_scheme", None) is None


def llm_compressor_reads_it(folder):
    try:
        from llmcompressor.recipe import Recipe
    except ImportError as error:
        print(f"skipped: llm-compressor is not installed beside compressed-tensors: {error}")
        return
    file = folder / "recipe.yaml"
    file.write_text(interop.lieq("plan", "llm-compressor", 64, *WIDTHS))
    recipe = Recipe.create_instance(str(file))
    (modifier,) = recipe.modifiers
    assert len(modifier.config_groups) == 4, modifier


interop.main([the_groups_give_the_widths, llm_compressor_reads_it])
