"""The plug-in of lm-evaluation-harness, against lieq eval on the same items."""

import json
import subprocess
import sys

import lm_eval
import pytest
from conftest import HELD_OUT, command, read
from lm_eval.api.instance import Instance

import lieq
import lieq.lm_eval

PIQA = [{"goal": f"To pass the {n} cities of the land,", "sol1": "go up with the people.",
         "sol2": "and it came to pass that they were many.", "label": n % 2} for n in range(12)]
TASK = """task: own_piqa
dataset_path: json
dataset_kwargs: {{data_files: {{validation: "{file}"}}}}
output_type: multiple_choice
validation_split: validation
doc_to_text: "Question: {{{{goal}}}}\\nAnswer:"
doc_to_target: label
doc_to_choice: "{{{{[sol1, sol2]}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""


@pytest.fixture(scope="module")
def wrapped(demo):
    return lieq.lm_eval.LieqLM(demo)


def requests(kind, *arguments):
    return [Instance(request_type=kind, doc={}, arguments=one, idx=n) for n, one in enumerate(arguments)]


def test_the_command_gives_the_numbers_of_lieq_eval(demo, tmp_path):
    (tmp_path / "piqa.jsonl").write_text("\n".join(map(json.dumps, PIQA)))
    (tmp_path / "own_piqa.yaml").write_text(TASK.format(file=tmp_path / "piqa.jsonl"))
    command("eval", demo, "--tasks", "piqa", "--tasks-dir", tmp_path, "-o", tmp_path / "ours.json")
    subprocess.run([sys.executable, "-m", "lieq.lm_eval", "--model", "lieq", "--model_args", f"pretrained={demo}",
                    "--include_path", tmp_path, "--tasks", "own_piqa", "--output_path", tmp_path / "theirs.json"],
                   check=True, capture_output=True, text=True)
    theirs = read(next(tmp_path.glob("theirs*.json")))["results"]["own_piqa"]
    ours = read(tmp_path / "ours.json")["results"]["piqa"]
    for metric in ("acc,none", "acc_norm,none", "acc_stderr,none", "acc_norm_stderr,none"):
        assert theirs[metric] == pytest.approx(ours[metric], abs=1e-12), metric


def test_log_likelihoods_are_those_of_transformers(demo, wrapped):
    reference = lm_eval.api.registry.get_model("hf")(pretrained=demo, dtype="float32", device="cpu")
    pairs = [("And it came", " to pass"), ("", "In the beginning"), ("The king said ", "unto them")]
    ours, theirs = (model.loglikelihood(requests("loglikelihood", *pairs), disable_tqdm=True)
                    for model in (wrapped, reference))
    for one, other in zip(ours, theirs):
        assert one[0] == pytest.approx(other[0], abs=1e-2) and one[1] == other[1]
    texts = [(open(HELD_OUT).read()[:6000],), ("A short text.",)]
    ours, theirs = (model.loglikelihood_rolling(requests("loglikelihood_rolling", *texts), disable_tqdm=True)
                    for model in (wrapped, reference))
    assert ours == pytest.approx(theirs, rel=1e-4)
    ask = ("And it came to pass, that", {"until": ["\n", ", and"], "max_gen_toks": 24, "do_sample": False})
    ours, theirs = (model.generate_until(requests("generate_until", ask), disable_tqdm=True)
                    for model in (wrapped, reference))
    assert ours == theirs


def test_rolling_log_likelihood_is_lieq_evals_perplexity(demo, wrapped, tmp_path):
    text = open(HELD_OUT).read()[:6000]
    (tmp_path / "text.txt").write_text(text)
    record = lieq.evaluate(demo, text=tmp_path / "text.txt", protocol="lm-eval").texts[0]
    found, = wrapped.loglikelihood_rolling(requests("loglikelihood_rolling", (text,)), disable_tqdm=True)
    assert found == pytest.approx(-record.nll * record.num_tokens, rel=1e-9)
