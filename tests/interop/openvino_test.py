"""OpenVINO GenAI loads our GGUF files of 4 bits and writes text that begins as lieq's.

Its reader repacks blocks and it computes in other types, so texts part at near ties, which it does not show."""

import os
import subprocess

import interop

interop.needs("openvino", "openvino_genai")

import openvino_genai

PROMPT = "And it came to pass, that"


def texts_of_exports(folder):
    for grid in ("sym", "asym"):
        out, _ = interop.export("gguf", interop.quantized_demo(folder, grid, [4]), folder)
        pipe = openvino_genai.LLMPipeline(str(out), "CPU")
        text = str(pipe.generate(PROMPT, max_new_tokens=24, do_sample=False, apply_chat_template=False))
        ours = subprocess.run([os.environ["LIEQ"], "run", str(out), "-p", PROMPT, "-n", "24", "--ignore-eos"],
                              capture_output=True, text=True, check=True).stdout.removeprefix(PROMPT).rstrip("\n")
        common = os.path.commonprefix([text, ours])
        print(f"{out.name}: {text!r}; lieq {ours!r}: the first {len(common)} characters are equal")
        assert len(common) >= 12, (text, ours)


interop.main([texts_of_exports])
