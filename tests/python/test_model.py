"""Models, tokenizers, arrays and text."""

import shutil

import numpy
import pytest
from conftest import HELD_OUT, command

import lieq

TEXT = "And it came to pass, that"


def test_tokenizer_turns_text_to_ids_and_back(model):
    tokenizer = model.tokenizer
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.decode(numpy.array(ids)) == TEXT
    assert max(ids) < tokenizer.vocab_size
    assert tokenizer.token_to_id("no such token") is None


def test_logits_are_the_head_over_hidden_states(model):
    ids = model.tokenizer.encode(TEXT)
    logits, hidden = model.logits(ids), model.hidden(ids)
    assert logits.shape == (len(ids), model.config["vocab_size"]) and logits.dtype == numpy.float32
    assert hidden.shape == (len(ids), model.config["hidden_size"])
    numpy.testing.assert_allclose(hidden @ model.weight("lm_head").T, logits, atol=1e-3)
    assert logits.flags.owndata is False, "not copied: the memory is C++'s"


def test_logits_of_a_beginning_do_not_depend_on_what_follows(model):
    ids = model.tokenizer.encode(TEXT)
    numpy.testing.assert_allclose(model.logits(ids)[:3], model.logits(ids[:3]), atol=1e-3)


def test_hidden_states_of_all_layers(model):
    ids = model.tokenizer.encode(TEXT)
    states = model.hidden(ids, all_layers=True)
    layers, width = model.config["num_hidden_layers"], model.config["hidden_size"]
    assert states.shape == (layers + 1, len(ids), width)
    numpy.testing.assert_array_equal(states[0], model.weight("model.embed_tokens")[ids])
    last = states[-1] / numpy.sqrt((states[-1] ** 2).mean(-1, keepdims=True) + model.config["rms_norm_eps"])
    # The final norm is a gain for each feature: the same for all tokens.
    gain = model.hidden(ids) / last
    numpy.testing.assert_allclose(gain, numpy.broadcast_to(gain[:1], gain.shape), rtol=1e-3)


def test_greedy_text_follows_the_logits(model):
    stream = model.generate(TEXT, max_new_tokens=4, compute="fp32")
    text = "".join(stream)
    ids = model.tokenizer.encode(TEXT)
    for token in stream.token_ids:
        assert token == int(model.logits(ids)[-1].argmax())
        ids.append(token)
    assert (stream.end, stream.text, len(stream.token_ids)) == ("length", text, 4)


def test_text_is_that_of_the_command(model):
    expected = command("run", model.path, "-p", TEXT, "-n", "24")
    assert TEXT + model.generate(TEXT, max_new_tokens=24).read() + "\n" == expected
    seeded = ["--temp", "0.8", "--seed", "7"]
    expected = command("run", model.path, "-p", TEXT, "-n", "24", *seeded)
    assert TEXT + model.generate(TEXT, max_new_tokens=24, temperature=0.8, seed=7).read() + "\n" == expected


def test_a_stop_text_ends_it_and_is_left_out(model):
    whole = model.generate(TEXT, max_new_tokens=24).read()
    for stop in (whole[10:13], whole[5], whole[:2]):
        stream = model.generate(TEXT, max_new_tokens=24, stop=["never written", stop])
        assert stream.read() == whole[:whole.index(stop)] and stream.end == "stop"
    # What could have become a stop is written in the end.
    assert model.generate(TEXT, max_new_tokens=24, stop=whole[-2:] + "\0").read() == whole


def test_a_prompt_that_goes_on_runs_what_is_new(model):
    first = model.generate(TEXT, max_new_tokens=8)
    first.read()
    ids = first.prompt_ids + first.token_ids
    del first
    second = model.generate(ids, max_new_tokens=1)
    second.read()
    assert second.prompt_tokens == 1


def test_streams_can_be_left_and_mixed(model):
    a, b = model.generate(TEXT, max_new_tokens=8), model.generate("In the", max_new_tokens=8)
    mixed = [next(a), next(b), next(a)]
    assert model.generate(TEXT, max_new_tokens=8).read().startswith(mixed[0] + mixed[2])
    a.close()
    assert a.end == "cancelled" and list(a) == []


def test_chat_uses_the_template(demo, tmp_path):
    folder = shutil.copytree(demo, tmp_path / "talker")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[answer]{% endif %}")
    model = lieq.Model.load(folder)
    messages = [{"role": "user", "content": "Who came?"}]
    prompt = model.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert prompt == "[user] Who came?\n[answer]"
    stream = model.chat(messages, max_new_tokens=8, temperature=0)
    answer = stream.read()
    assert model.tokenizer.decode(stream.prompt_ids) == prompt
    assert answer == model.chat("Who came?", max_new_tokens=8, temperature=0).read() != ""
    ids = model.tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert ids == stream.prompt_ids
    with pytest.raises(lieq.NotFoundError, match="has no chat template"):
        lieq.Model.load(demo).chat("Hello")


def test_codes_stand_for_the_weights(quantized):
    model = lieq.Model.load(quantized.output)
    assert sorted(set(model.layer_bits)) == [2.0, 4.0]
    for name in (model.linears[0], model.linears[-1]):
        matrix = model.codes(name)
        assert matrix.codes.dtype == numpy.uint8 and matrix.codes.max() < 2**matrix.bits
        assert matrix.scales.shape == (matrix.codes.shape[0], matrix.codes.shape[1] // matrix.group_size)
        numpy.testing.assert_array_equal(matrix.dequantize(), model.weight(name))


def test_dense_weights_have_no_codes(model):
    with pytest.raises(lieq.UnsupportedError, match="q_proj: found BF16, expected codes"):
        model.codes(model.linears[0])
    with pytest.raises(lieq.UsageError, match="found 'q', expected"):
        model.weight("q")


@pytest.mark.parametrize("call, kind, message", [
    (lambda m: m.logits([]), lieq.UsageError, "ids: found 0, expected 1 to max_position_embeddings = 1024"),
    (lambda m: m.logits([4096]), lieq.UsageError, "ids: found 4096, expected 0 to 4095"),
    (lambda m: m.logits("text"), TypeError, "ids: expected a sequence of integers"),
    (lambda m: m.logits([1], computer="fp32"), TypeError, r"logits\(\) got an unexpected keyword argument 'computer'"),
    (lambda m: m.logits([1], compute="fp8"), lieq.UsageError, "compute: found 'fp8', expected fp32, bf16, int8"),
    (lambda m: m.generate("x", top_p=2), lieq.UsageError, "top_p"),
    (lambda m: m.generate("x", seed="s"), TypeError, r"generate\(\): seed: found 's', expected int"),
    (lambda m: m.generate("x", context=5000), lieq.UsageError, "context: found 5000"),
    (lambda m: lieq.Model.load("/nowhere"), lieq.NotFoundError, "/nowhere: no such file or folder"),
    (lambda m: lieq.Model.load(3), TypeError, "path_or_repo: found 3"),
    (lambda m: lieq.set_num_threads(0), lieq.UsageError, "num_threads: found 0"),
])
def test_mistakes_are_one_line(model, call, kind, message):
    with pytest.raises(kind, match=message) as caught:
        call(model)
    assert "\n" not in str(caught.value)


def test_results_do_not_depend_on_threads(model):
    ids = model.tokenizer.encode(open(HELD_OUT).read())[:100]
    expected, before = model.logits(ids), lieq.get_num_threads()
    lieq.set_num_threads(3)
    numpy.testing.assert_array_equal(model.logits(ids), expected)
    lieq.set_num_threads(before)
