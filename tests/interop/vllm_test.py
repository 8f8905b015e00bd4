"""vLLM on a CPU runs our uniform folders of 4 bits: greedy text is lieq's up to a near tie."""

import os

import interop

interop.needs("vllm", "vllm")

import subprocess

PROMPTS = ["And it came to pass, that", "In the beginning"]
NEW_TOKENS = 16
NEAR_TIE = 0.3  # nats; vLLM multiplies in bfloat16

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiling takes minutes

import vllm


def ours_after(model, prompt):
    done = subprocess.run([os.environ["LIEQ"], "run", str(model), "-p", prompt, "-n", str(NEW_TOKENS), "--ignore-eos"],
                          capture_output=True, text=True, check=True)
    return done.stdout.removeprefix(prompt).removesuffix("\n")


def texts_of_exports(folder):
    for target, grid in (("gptq", "sym"), ("compressed-tensors", "sym"), ("awq", "asym")):
        out, _ = interop.export(target, interop.quantized_demo(folder, grid, [4]), folder)
        engine = vllm.LLM(str(out), dtype="bfloat16", max_model_len=128, enforce_eager=True, seed=0)
        how = vllm.SamplingParams(temperature=0, max_tokens=NEW_TOKENS, ignore_eos=True, logprobs=2)
        for prompt, answer in zip(PROMPTS, engine.generate(PROMPTS, how), strict=True):
            ours, said = ours_after(out, prompt), ""
            for id, likely in zip(answer.outputs[0].token_ids, answer.outputs[0].logprobs, strict=True):
                best = sorted((one.logprob for one in likely.values()), reverse=True)
                text = likely[id].decoded_token
                if not ours.startswith(said + text):
                    assert best[0] - best[1] < NEAR_TIE, f"{out.name}: {said + text!r}, lieq {ours!r}: {best}"
                    break
                said += text
            print(f"{out.name}: {prompt!r}: {len(said)} of {len(ours)} characters equal")
        del engine


interop.main([texts_of_exports])
