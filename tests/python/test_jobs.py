"""Jobs give what the command gives, as records."""

import dataclasses
import hashlib
import pathlib

import pytest
from conftest import HELD_OUT, SMALL, SMALL_WORDS, command, read

import lieq
from lieq import records

SCORES = {"texts": HELD_OUT, "per_bucket": 4}
SCORE_WORDS = ["--text", HELD_OUT, "--per-bucket", "4"]


def without(data, *names):
    return {key: value for key, value in data.items() if key not in names}


@pytest.fixture(scope="module")
def scores(demo):
    return lieq.diagnose(demo, **SCORES)


def test_diagnosis_is_that_of_the_command(demo, scores, tmp_path):
    command("diagnose", demo, "-o", tmp_path / "scores.json", *SCORE_WORDS)
    assert records.plain(scores) == read(tmp_path / "scores.json")
    assert lieq.LayerScores.load(tmp_path / "scores.json") == scores


def test_a_loaded_model_is_diagnosed_as_its_file(model, scores):
    assert lieq.diagnose(model, **SCORES) == scores


def test_a_plan_is_that_of_the_command(scores, tmp_path):
    scores.save(tmp_path / "scores.json")
    command("allocate", tmp_path / "scores.json", "--bits", "2.5", "-o", tmp_path / "plan.json")
    plan = lieq.allocate(scores, bits=2.5)
    assert records.plain(plan) == read(tmp_path / "plan.json")
    assert lieq.allocate(str(tmp_path / "scores.json"), bits=2.5) == plan
    assert lieq.allocate(scores, bits=2.5, rank=None) == lieq.allocate(scores, bits=2.5, rank="score") == plan
    assert lieq.BitPlan.load(tmp_path / "plan.json") == plan
    with pytest.raises(lieq.UsageError, match="budget: found 2, expected one of"):
        lieq.allocate(scores, bits=2.5, top=1)


def test_broken_scores_are_named(scores):
    broken = dataclasses.replace(scores, layers=scores.layers[:-1])
    with pytest.raises(lieq.FormatError, match="LayerScores"):
        lieq.allocate(broken, top=1)
    with pytest.raises(lieq.NotFoundError):
        lieq.allocate("no-such-scores.json", top=1)
    with pytest.raises(TypeError, match="expected one of"):
        records.build("Budget", {"kind": "top", "values": 1})


def test_quantising_gives_the_bytes_of_the_command(demo, quantized, tmp_path):
    command("quantize", demo, "-o", tmp_path / "made", "--top", "1", *SMALL_WORDS)
    files = [hashlib.sha256((pathlib.Path(folder) / "model.safetensors").read_bytes()).hexdigest()
             for folder in (tmp_path / "made", quantized.output)]
    assert files[0] == files[1]
    assert quantized.records[1].kl > 0 and quantized.plan.reached.code_bits < 2.2
    assert quantized.embed is None or quantized.embed.bits == 8


def test_a_plan_made_by_hand_is_kept_to(demo, scores, tmp_path):
    plan = lieq.allocate(scores, top=1)
    for layer in plan.layers:
        layer.bits = 4 if layer.layer < 2 else 2
    made = lieq.quantize(demo, tmp_path / "made", plan=plan, method="rtn", **{**SMALL, "sweeps": 0})
    assert [one.bits for one in made.plan.layers][:3] == [4, 4, 2]
    assert lieq.Model.load(made.output).layer_bits[:3] == [4.0, 4.0, 2.0]


def test_refining_says_what_it_gained(demo, quantized, tmp_path):
    made = lieq.quantize(demo, tmp_path / "made", top=1, refine=True, refine_steps=2, **SMALL)
    assert quantized.refined is None and made.refined["kl"] <= made.refined["kl_start"]
    assert made.provenance["refine"]


def test_refining_afterwards_is_refining(demo, tmp_path):
    made = lieq.quantize(demo, tmp_path / "made", bits=2, choices=[2], method="rtn", **SMALL)
    whole = lieq.quantize(demo, tmp_path / "whole", bits=2, choices=[2], method="rtn", refine=True, refine_steps=2, **SMALL)
    refined = lieq.refine(demo, made.output, tmp_path / "refined", steps=2, **without(SMALL, "sweeps"))
    assert refined.refined == whole.refined and refined.provenance["from"]["made"] == read(tmp_path / "made/lieq.json")
    weights = [(pathlib.Path(one.output) / "model.safetensors").read_bytes() for one in (whole, refined)]
    assert weights[0] == weights[1]


def test_texts_are_evaluated_as_by_the_command(demo, model, quantized, tmp_path):
    words = ["--text", HELD_OUT, "--window", "256", "--chunks", "4"]
    command("eval", demo, quantized.output, *words, "-o", tmp_path / "eval.json")
    found = lieq.evaluate([model, quantized.output], text=HELD_OUT, window=256, chunks=4)
    for one, other in zip(found.texts, read(tmp_path / "eval.json")):
        assert without(records.plain(one), "seconds", "model") == without(other, "seconds", "model")


def test_tasks_are_evaluated_as_by_the_command(demo, tmp_path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "piqa.jsonl").write_text("\n".join(
        f'{{"goal": "To pass number {i},", "sol1": "go on.", "sol2": "and the people stay where they are.", "label": {i % 2}}}'
        for i in range(6)))
    command("eval", demo, "--tasks", "piqa", "--tasks-dir", folder, "-o", tmp_path / "eval.json")
    results = lieq.evaluate(demo, tasks=["piqa"], tasks_dir=folder).tasks[0]
    expected = read(tmp_path / "eval.json")["results"]["piqa"]
    assert results.task("piqa").metrics["acc"].value == expected["acc,none"]
    assert results.harness["results"]["piqa"] == expected
    with pytest.raises(KeyError):
        results.task("mmlu")


def test_a_quantised_model_writes(quantized):
    smoke = quantized.smoke_test
    assert [one.kind for one in smoke.answers] == ["prose"] * 2 + ["code"] * 2  # the demo has no chat template
    assert smoke.failed == quantized.provenance["smoke_test"]["failed"]
    assert quantized.further == [] and quantized.provenance["texts"][0]["kl"] == pytest.approx(quantized.records[1].kl)
    source, = quantized.calibration["sources"]
    assert source["windows"] == 4 and source["source"] == quantized.calibration["source"]


def test_exports_and_engines(quantized, tmp_path):
    made, = lieq.export(quantized.output, "gguf", output=tmp_path / "small.gguf")
    assert made.target == "gguf" and made.bytes == (tmp_path / "small.gguf").stat().st_size
    assert lieq.Model.load(made.output).format == "GGUF"
    answers = lieq.check(made.output)
    assert answers.some_engine_loads and answers.facts["container"] == "gguf"
    with pytest.raises(lieq.UsageError, match="exists already"):
        lieq.export(quantized.output, ["gguf"], output=tmp_path / "small.gguf")


def test_frames(scores, quantized):
    pandas = pytest.importorskip("pandas")
    frame = scores.frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame.index) == list(range(12))
    assert frame.loc[3, "score"] == scores.layers[3].score
    assert list(quantized.frame().index) == [one.model for one in quantized.records]
    assert quantized.plan.frame()["bits"].sum() == 4 + 11 * 2


def test_defaults_are_those_of_the_command(demo):
    for words in ("sweeps: int = 4", "group_size: int = 64", "grid: typing.Literal['sym', 'skew', 'asym', 'half', "
                  "'q2_k', 'q3_k', 'q4_k'] = 'skew'", "calibration: str | os.PathLike[str] = 'builtin,self'",
                  "per: typing.Literal['layer', 'fused', 'linear'] | None = None"):
        assert words in lieq.quantize.__doc__
    with pytest.raises(TypeError, match="unexpected keyword argument 'sweep'"):
        lieq.quantize(demo, "never", sweep=3)
