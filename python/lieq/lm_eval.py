"""Models of lieq in lm-evaluation-harness.

lm-eval finds models by name in its own list and has no entry point for others, so this module stands before its
command and adds `lieq` to that list:

    python -m lieq.lm_eval --model lieq --model_args pretrained=ORG/NAME --tasks piqa

In Python, `import lieq.lm_eval` makes lm_eval.simple_evaluate(model="lieq", ...) work.
"""

from __future__ import annotations

import lm_eval.models  # noqa: F401  the harness lists its own only while its list is empty
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

import lieq


@register_model("lieq")
class LieqLM(LM):
    """pretrained: a folder, a .gguf file or ORG/NAME. max_length: of an input, in tokens (default: the model's).
    compute: fp32, bf16 or int8. embed_bits: as of lieq.Model.load. threads: default physical cores."""

    def __init__(self, pretrained, batch_size=None, max_batch_size=None, device=None, max_length=None, compute="fp32",
                 embed_bits=None, threads=None, max_gen_toks=256):
        super().__init__()
        if threads:
            lieq.set_num_threads(int(threads))
        self.model = lieq.Model.load(pretrained, embed_bits=embed_bits and int(embed_bits))
        self.batch_size = 0 if batch_size in (None, "auto") else int(batch_size)
        self.max_length = int(max_length or self.model.config["max_position_embeddings"])
        self.compute = compute
        self.max_gen_toks = int(max_gen_toks)

    @property
    def tokenizer_name(self):
        return self.model.name

    def apply_chat_template(self, chat_history, add_generation_prompt=True):
        return self.model.tokenizer.apply_chat_template(chat_history, add_generation_prompt=add_generation_prompt,
                                                        tokenize=False)

    def loglikelihood(self, requests, disable_tqdm=False):
        pairs = [request.args for request in requests]
        scores = self.model.loglikelihood(pairs, batch_size=self.batch_size, max_length=self.max_length,
                                          compute=self.compute, progress=False if disable_tqdm else None)
        for request, score in zip(requests, scores):
            self.cache_hook.add_partial("loglikelihood", request.args, score)
        return scores

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        texts = [request.args[0] for request in requests]
        return self.model.loglikelihood_rolling(texts, max_length=self.max_length, compute=self.compute,
                                                progress=False if disable_tqdm else None)

    def generate_until(self, requests, disable_tqdm=False):
        return [self.answer(*request.args) for request in requests]

    def answer(self, context, options):
        """Greedy unless do_sample says otherwise, as the harness's own models; the context's beginning goes if it is too
        long."""
        new = int(options.get("max_gen_toks", self.max_gen_toks))
        until = options.get("until") or []
        sampling = {key: options[key] for key in ("temperature", "top_p", "top_k") if key in options}
        if not options.get("do_sample", sampling.get("temperature", 0) > 0):
            sampling = {"temperature": 0}
        ids = self.model.tokenizer.encode(context)[-(self.max_length - new):]
        return self.model.generate(ids, max_new_tokens=new, stop=[until] if isinstance(until, str) else until,
                                   compute=self.compute, **sampling).read()


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate
    cli_evaluate()
