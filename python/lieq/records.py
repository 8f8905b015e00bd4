"""The plain records that lieq's functions exchange: dataclasses whose fields are those of the JSON files that the
command lieq reads and writes."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import types
import typing
from dataclasses import dataclass, field


@dataclass
class ModelFacts:
    """What tells one model from another."""
    name: str
    architecture: str
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    parameters: int


@dataclass
class ScoreOptions:
    """How scores were made."""
    score: str
    normalize: str
    geometry_input: str
    compute: str
    alpha: float
    beta: float
    gamma: float
    top_k: int
    draws: int
    seed: int
    passages: int
    per_bucket: int


@dataclass
class SensitivityOptions:
    """How sensitivities were measured."""
    text: str
    text_hash: str
    window: int
    fit_tokens: int
    tokens: int
    method: str
    grid: str
    group_size: int
    sweeps: int
    running: str | None = None  #: the quantised model whose other layers ran; None: the original's


@dataclass
class KlShareOptions:
    """How LinearShare.kl_share was measured: in a draft, the model quantised with little care."""
    kl: float  #: of the draft, nats per token
    text: str
    text_hash: str
    method: str
    grid: str
    fit_tokens: int
    tokens: int
    bits: int
    group_size: int
    sweeps: int


@dataclass
class CellScores:
    """The metrics of every layer on the passages of one corpus and length."""
    corpus: str
    bucket: str
    passages: int
    tokens: int
    compactness: list[float]
    energy_gain: list[float]
    perplexity: float | None = None
    perplexity_drop: list[float] | None = None
    rho_compactness: float | None = None
    rho_energy_gain: float | None = None


@dataclass
class LinearShare:
    """A linear, or several that lie in one tensor."""
    weights: int
    kl_share: float  #: nats per token: what rounding it adds to the KL of the draft, to first order


@dataclass
class LayerScore:
    """One layer: metrics, their normalised values, the score, and the rank it gives (1: the most important)."""
    layer: int
    weights: int
    compactness: float
    energy_gain: float
    compactness_normalised: float
    energy_gain_normalised: float
    score: float
    rank: int
    perplexity_drop: float | None = None
    perplexity_drop_normalised: float | None = None
    sensitivity: dict[int, float] | None = None  #: by width: KL in nats per token when this layer alone is quantised
    linears: dict[str, LinearShare] | None = None  #: by module name within the layer, such as "self_attn.v_proj"


class _Savable:
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the JSON file that the command lieq reads."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(plain(self), file, indent=2)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "typing.Self":
        """Reads such a file."""
        with open(path, encoding="utf-8") as file:
            return build(cls.__name__, json.load(file))


@dataclass
class LayerScores(_Savable):
    """What diagnose() measured about each layer: scores.json."""
    model: ModelFacts
    options: ScoreOptions
    cells: list[CellScores]
    layers: list[LayerScore]
    warnings: list[str]
    sensitivity: SensitivityOptions | None = None
    kl_shares: KlShareOptions | None = None

    def frame(self):
        """A pandas frame, a row for each layer."""
        return _frame(self.layers).set_index("layer")


@dataclass
class Budget:
    """What a plan may spend."""
    kind: str
    value: float


@dataclass
class PlanSize:
    """What a plan costs."""
    code_bits: float
    true_bits: float
    bytes: float
    compression: float
    unspent_bits: float


@dataclass
class LinearPlan:
    """A linear, or several that lie in one tensor, whose width is not that of the rest of its layer."""
    bits: int
    weights: int


@dataclass
class LayerPlan:
    """The width of one layer, and why."""
    layer: int
    bits: int
    weights: int
    reason: str
    linears: dict[str, LinearPlan] | None = None  #: by module name within the layer, such as "self_attn.v_proj"


@dataclass
class BitPlan(_Savable):
    """How wide each layer's codes are to be: plan.json. layers[l].bits may be changed; `reached` is computed anew."""
    model: ModelFacts
    ranking: str
    budget: Budget
    choices: list[int]
    group_size: int
    rest_bits: float
    reached: PlanSize
    layers: list[LayerPlan]
    k_blocks: bool | None = None  #: codes lie in K blocks of GGUF

    def frame(self):
        """A pandas frame, a row for each layer."""
        return _frame(self.layers).set_index("layer")


@dataclass
class EvalRecord:
    """Perplexity of one model on one text; with a reference model also the distance to it."""
    model: str
    text: str
    protocol: str
    compute: str
    window: int
    num_tokens: int
    nll: float
    perplexity: float
    perplexity_stderr: float
    code_bits: float
    true_bits: float
    file_bytes: int
    seconds: float
    stride: int | None = None
    kl: float | None = None
    kl_stderr: float | None = None
    kl_p99: float | None = None
    top1: float | None = None
    top1_stderr: float | None = None
    word_perplexity: float | None = None
    byte_perplexity: float | None = None
    bits_per_byte: float | None = None
    word_perplexity_stderr: float | None = None
    byte_perplexity_stderr: float | None = None
    bits_per_byte_stderr: float | None = None


@dataclass
class Metric:
    value: float
    std_error: float | None
    higher_is_better: bool


@dataclass
class TaskRecord:
    """A task, or a group, which is a mean over tasks."""
    name: str
    alias: str
    version: float
    output_type: str
    num_fewshot: int | None
    original: int
    effective: int
    metrics: dict[str, Metric]
    children: list[str]


@dataclass
class PairedDifference:
    """The difference of a model to the reference on the same questions."""
    difference: float
    std_error: float | None
    p_value: float


@dataclass
class TaskResults:
    """All tasks of one model; `harness` is the layout that lm-evaluation-harness writes."""
    model: str
    path: str
    compute: str
    code_bits: float
    true_bits: float
    parameters: int
    file_bytes: int
    max_length: int
    batch_size: int
    limit: float
    date: float
    seconds: float
    reference: str
    tasks: list[TaskRecord]
    perplexities: list[EvalRecord]
    differences: dict[str, PairedDifference]
    harness: dict[str, typing.Any]

    def task(self, name: str) -> TaskRecord:
        """Raises KeyError where there is none of this name."""
        for one in self.tasks:
            if one.name == name:
                return one
        raise KeyError(name)


@dataclass
class Evaluation:
    """One record a model: of a text `texts`, of tasks `tasks`."""
    texts: list[EvalRecord]
    tasks: list[TaskResults]

    def frame(self):
        """A pandas frame: a row for each model of a text, or for each model, task and metric."""
        if not self.tasks:
            return _frame(self.texts).dropna(axis="columns", how="all").set_index("model")
        rows = [{"model": results.model, "task": task.name, "metric": name, "value": metric.value,
                 "std_error": metric.std_error}
                for results in self.tasks for task in results.tasks for name, metric in task.metrics.items()]
        return _frame(rows).set_index(["model", "task", "metric"])


@dataclass
class TensorDifference:
    largest_difference: float
    largest_value: float


@dataclass
class ExportRecord:
    """What an export made, and how it differs from its source."""
    target: str
    source: str
    output: str
    files: dict[str, int]
    bytes: int
    tensors: int
    exact_tensors: int
    largest_difference: float
    largest_embedding_difference: float
    differences: dict[str, TensorDifference]


@dataclass
class EngineAnswer:
    """What one engine does with a model."""
    engine: str
    loads: bool
    note: str
    source: str
    date: str
    run: str
    since: str | None = None
    speed: str | None = None
    proved: str | None = None
    proved_with: str | None = None


@dataclass
class CheckRecord:
    """Which engines load a model."""
    model: str
    facts: dict[str, typing.Any]
    engines: list[EngineAnswer]

    @property
    def some_engine_loads(self) -> bool:
        return any(one.loads for one in self.engines)

    def frame(self):
        """A pandas frame, a row for each engine."""
        return _frame(self.engines).set_index("engine")


@dataclass
class GridComparison:
    """What the other grid would have given."""
    grid: str
    other: str
    ratio: float
    every: int


@dataclass
class EmbedTrial:
    """What rounding embedding and head cost."""
    bits: int
    perplexity: float
    stored_perplexity: float
    taken: bool


@dataclass
class SmokeAnswer:
    """A greedy continuation by both models, and the share of its 4-grams that came before in it."""
    kind: str
    prompt: str
    original: str
    made: str
    original_repeats: float
    made_repeats: float


@dataclass
class SmokeTest:
    """What the quantised model writes beside the original; the shares are means."""
    original_repeats: float
    made_repeats: float
    failed: bool  #: it repeats itself much more than the original
    answers: list[SmokeAnswer]


@dataclass
class QuantizeRecord:
    """A quantised model: the comparison with the original on held-out text, and how it came about."""
    records: list[EvalRecord]
    further: list[EvalRecord]  #: the same on the second text, on the third, ...
    smoke_test: SmokeTest
    text: str
    window: int
    plan: BitPlan
    calibration: dict[str, typing.Any]
    comparison: GridComparison | None
    embed: EmbedTrial | None
    refined: dict[str, typing.Any] | None
    embedding_note: str
    output: str
    format: str
    exports: list[ExportRecord]
    warning: str | None
    provenance: dict[str, typing.Any] = field(repr=False)

    def frame(self):
        """A pandas frame: the original and the model made, on every text."""
        return _frame(self.records + self.further).dropna(axis="columns", how="all").set_index("model")


def plain(record: typing.Any) -> dict[str, typing.Any]:
    """A record as it lies in its JSON file: fields that are None are left out."""
    def without_none(pairs):
        return {key: value for key, value in pairs if value is not None}
    return dataclasses.asdict(record, dict_factory=without_none)


def build(name: str, data: dict[str, typing.Any]) -> typing.Any:
    """The record of this module called `name`, from the fields in `data`."""
    return _made(getattr(sys.modules[__name__], name), data)


def _made(kind, data):
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        unknown = data.keys() - hints.keys()
        if unknown:
            raise TypeError(f"{kind.__name__}: found the field {sorted(unknown)[0]!r}, expected one of {sorted(hints)}")
        return kind(**{key: _made(hints[key], value) for key, value in data.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if data is None else _made(arguments[0], data)
    if origin is list:
        return [_made(arguments[0], one) for one in data]
    if origin is dict:
        return {arguments[0](key): _made(arguments[1], value) for key, value in data.items()}
    return data


def _frame(rows):
    try:
        import pandas
    except ImportError as error:
        raise ImportError("frame(): pandas is not installed; the record itself needs none") from error
    return pandas.DataFrame(rows)
