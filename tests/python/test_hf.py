"""Models of transformers in memory."""

import numpy
import pytest
import torch
import transformers
from conftest import HELD_OUT

import lieq
import lieq.hf


@pytest.fixture(scope="module")
def pair(demo):
    return (transformers.AutoModelForCausalLM.from_pretrained(demo, dtype=torch.float32),
            transformers.AutoTokenizer.from_pretrained(demo))


def test_a_model_in_memory_is_that_of_its_folder(pair, model):
    held = lieq.hf.from_transformers(*pair)
    ids = pair[1].encode("And it came to pass, that")
    assert held.tokenizer.encode("And it came to pass, that") == ids
    assert held.prefix_token_id == model.prefix_token_id
    numpy.testing.assert_array_equal(held.logits(ids), model.logits(ids))
    with torch.no_grad():
        expected = pair[0](torch.tensor([ids])).logits[0].numpy()
    numpy.testing.assert_allclose(held.logits(ids), expected, atol=2e-3)
    assert (held.format, held.name) == ("memory", "Qwen3ForCausalLM in memory")


def test_it_is_diagnosed_and_evaluated_as_its_folder(pair, model):
    held = lieq.hf.from_transformers(*pair, name=model.name)
    options = {"texts": HELD_OUT, "per_bucket": 4}
    assert lieq.diagnose(held, **options) == lieq.diagnose(model, **options)
    one, other = (lieq.evaluate(each, text=HELD_OUT, window=128, chunks=4).texts[0] for each in (held, model))
    assert one.nll == other.nll


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_where_it_lies(pair, kind, demo):
    half = transformers.AutoModelForCausalLM.from_pretrained(demo, dtype=kind)
    held = lieq.hf.from_transformers(half, pair[1])
    name = "model.layers.0.mlp.down_proj"
    before = held.weight(name)
    numpy.testing.assert_array_equal(before, half.get_submodule(name).weight.detach().float().numpy())
    with torch.no_grad():
        half.get_submodule(name).weight.zero_()
    assert not held.weight(name).any(), "not copied"


def test_what_needs_files_is_refused(pair, tmp_path):
    held = lieq.hf.from_transformers(*pair)
    with pytest.raises(lieq.UsageError, match="in memory, expected a folder"):
        lieq.quantize(held, tmp_path / "never")


def test_broken_weights_are_named(pair, demo):
    broken = transformers.AutoModelForCausalLM.from_pretrained(demo, dtype=torch.float32)
    with torch.no_grad():
        broken.model.layers[3].mlp.up_proj.weight[1, 1] = float("nan")
    with pytest.raises(lieq.NumericalError, match=r"'model.layers.3.mlp.up_proj.weight': found NaN"):
        lieq.hf.from_transformers(broken, pair[1])


def test_a_model_in_training_is_diagnosed_every_few_steps(pair, demo, tmp_path):
    trained = transformers.AutoModelForCausalLM.from_pretrained(demo, dtype=torch.float32)
    ids = pair[1].encode(open(HELD_OUT).read())[:256]
    data = [{"input_ids": ids[n:n + 32], "labels": ids[n:n + 32]} for n in range(0, 256, 32)]
    callback = lieq.hf.diagnosis_callback(pair[1], every=2, texts=HELD_OUT, per_bucket=2)
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=1,
                                               learning_rate=1e-2, report_to=[], save_strategy="no", use_cpu=True,
                                               disable_tqdm=True)
    transformers.Trainer(model=trained, args=arguments, train_dataset=data, callbacks=[callback]).train()
    assert [step for step, _ in callback.scores] == [2, 4]
    first, second = (scores.layers for _, scores in callback.scores)
    assert [one.score for one in first] != [one.score for one in second]
