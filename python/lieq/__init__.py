"""Layer-wise mixed 2/4-bit quantization of small language models.

    import lieq
    model = lieq.Model.load(lieq.demo())             # a folder, a .gguf file, or ORG/NAME on the hub
    scores = lieq.diagnose(model)                    # how much each layer matters
    plan = lieq.allocate(scores, top=1)              # which gets how many bits
    made = lieq.quantize(lieq.demo(), "demo-2bit", plan=plan)
    print(lieq.evaluate([lieq.demo(), made.output], text="heldout.txt").frame())

Long work runs without the GIL, shows progress (the argument `progress`), and ends with Ctrl-C.
"""

import pathlib as _pathlib

from lieq._core import (Model, TextStream, Tokenizer, __version__, allocate, check, diagnose, evaluate, export,
                        from_tensors, get_num_threads, quantize, refine, set_num_threads)
from lieq.errors import Error, FormatError, NotFoundError, NumericalError, UnsupportedError, UsageError, Warning
from lieq.matrices import QuantizedMatrix
from lieq.records import BitPlan, CheckRecord, Evaluation, ExportRecord, LayerScores, QuantizeRecord

__all__ = ["BitPlan", "CheckRecord", "Error", "Evaluation", "ExportRecord", "FormatError", "LayerScores", "Model",
           "NotFoundError", "NumericalError", "QuantizeRecord", "QuantizedMatrix", "TextStream", "Tokenizer",
           "UnsupportedError", "UsageError", "Warning", "__version__", "allocate", "check", "demo", "diagnose",
           "evaluate", "export", "from_tensors", "get_num_threads", "quantize", "refine",
           "set_num_threads"]


def demo() -> str:
    """The folder of the demo model, 10.5 million parameters, with a text that it was not trained on: heldout.txt."""
    return str(_pathlib.Path(__file__).parent / "demo")
