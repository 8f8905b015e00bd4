"""Models of transformers in memory: a checkpoint is diagnosed while it is trained, and no file is written.

    scores = lieq.diagnose(lieq.hf.from_transformers(model, tokenizer))
"""

from __future__ import annotations

import logging

from lieq._core import Model, diagnose, from_tensors

log = logging.getLogger("lieq")

SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def from_transformers(model, tokenizer, *, name: str | None = None) -> Model:
    """A lieq.Model of a transformers model (a causal language model) and its fast tokenizer.

    Weights are handed over in memory: those of the CPU in float32, float16 or bfloat16 are read where they lie, so call
    this again after a training step; others are copied to the CPU first. Quantising and exporting write files and need
    a folder of save_pretrained.
    """
    model = unwrapped(model)
    name = name or f"{type(model).__name__} in memory"
    tokens = {key: str(getattr(tokenizer, key)) for key in SPECIAL if getattr(tokenizer, key, None) is not None}
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default")
    return from_tensors(name, config=config_of(model, tokenizer), tensors=tensors_of(model),
                        tokenizer=tokenizer.backend_tokenizer.to_str(), chat_template=template, special_tokens=tokens)


def unwrapped(model):
    """The model inside DataParallel, torch.compile and the like."""
    while hasattr(model, "module") or hasattr(model, "_orig_mod"):
        model = getattr(model, "module", None) or model._orig_mod
    return model


def tensors_of(model):
    """The parameters by the names that save_pretrained gives them, on the CPU. A head that is tied is left out."""
    tied = getattr(model.config, "tie_word_embeddings", False)
    return {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()
            if not (tied and key == "lm_head.weight")}


def config_of(model, tokenizer):
    """What would be config.json. The tokens that begin and end a text are the tokenizer's, as they are for a folder."""
    config = model.config.to_dict()
    config["architectures"] = [type(model).__name__]
    generation = getattr(model, "generation_config", None)
    ends = [tokenizer.eos_token_id, *listed(getattr(generation, "eos_token_id", None)),
            *listed(config.get("eos_token_id"))]
    config["bos_token_id"] = tokenizer.bos_token_id
    config["eos_token_id"] = list(dict.fromkeys(one for one in ends if one is not None))
    return {key: value for key, value in config.items() if plain(value)}


def listed(value):
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def plain(value):
    """Whether JSON can hold it; transformers' to_dict also gives types such as torch.dtype."""
    if isinstance(value, dict):
        return all(map(plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def diagnosis_callback(tokenizer, *, every: int, **options):
    """A transformers.TrainerCallback that diagnoses every `every` steps; options are those of lieq.diagnose. The scores
    are kept in its list `scores`, as (step, LayerScores), and logged as lieq/layer_N/score."""
    from transformers import TrainerCallback

    class DiagnosisCallback(TrainerCallback):
        def __init__(self):
            self.scores = []

        def on_step_end(self, args, state, control, model=None, **kwargs):
            if state.global_step % every or not state.is_world_process_zero:
                return
            scores = diagnose(from_transformers(model, tokenizer, name=f"step {state.global_step}"), **options)
            self.scores.append((state.global_step, scores))
            state.log_history.append({"step": state.global_step, **{f"lieq/layer_{one.layer}/score": one.score
                                                                    for one in scores.layers}})
            best = min(scores.layers, key=lambda one: one.rank)
            log.info("step %d: layer %d matters most, score %.4f", state.global_step, best.layer, best.score)

    return DiagnosisCallback()
