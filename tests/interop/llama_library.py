"""llama.cpp's C interface through ctypes: what its server does not give, logits of a text, quantising by a plan, and for
bench/ its speed.

Works with any shared library that has the symbols: libllama of the npm package @node-llama-cpp/linux-x64, with one
backend library for each kind of CPU beside it, or xllamacpp's extension module, which has no llama_model_quantize.
"""

import ctypes
import glob
import os
import pathlib


class Opaque(ctypes.Structure):
    """Parameters passed by value, larger than in any version: only the first fields are touched."""
    _fields_ = [("words", ctypes.c_uint64 * 128)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
                ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8))]


class TensorOverride(ctypes.Structure):
    _fields_ = [("pattern", ctypes.c_char_p), ("type", ctypes.c_int32)]


class QuantizeParams(ctypes.Structure):
    """llama_model_quantize_params as of 2026; the words after it take what later versions append."""
    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int32), ("output_tensor_type", ctypes.c_int32),
                ("token_embedding_type", ctypes.c_int32), ("allow_requantize", ctypes.c_bool),
                ("quantize_output_tensor", ctypes.c_bool), ("only_copy", ctypes.c_bool), ("pure", ctypes.c_bool),
                ("keep_split", ctypes.c_bool), ("dry_run", ctypes.c_bool), ("imatrix", ctypes.c_void_p),
                ("kv_overrides", ctypes.c_void_p), ("tt_overrides", ctypes.POINTER(TensorOverride)),
                ("prune_layers", ctypes.c_void_p), ("later", ctypes.c_uint64 * 16)]


SIGNATURES = (
    ("llama_model_default_params", Opaque), ("llama_context_default_params", Opaque),
    ("llama_model_load_from_file", ctypes.c_void_p, ctypes.c_char_p, Opaque),
    ("llama_model_free", None, ctypes.c_void_p), ("llama_free", None, ctypes.c_void_p),
    ("llama_init_from_model", ctypes.c_void_p, ctypes.c_void_p, Opaque),
    ("llama_set_n_threads", None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32),
    ("llama_model_get_vocab", ctypes.c_void_p, ctypes.c_void_p),
    ("llama_vocab_n_tokens", ctypes.c_int32, ctypes.c_void_p),
    ("llama_tokenize", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32),
     ctypes.c_int32, ctypes.c_bool, ctypes.c_bool),
    ("llama_model_size", ctypes.c_uint64, ctypes.c_void_p),
    ("llama_model_desc", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
    ("llama_batch_get_one", Batch, ctypes.POINTER(ctypes.c_int32), ctypes.c_int32),
    ("llama_synchronize", None, ctypes.c_void_p),
    ("llama_batch_init", Batch, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32), ("llama_batch_free", None, Batch),
    ("llama_decode", ctypes.c_int32, ctypes.c_void_p, Batch),
    ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), ctypes.c_void_p, ctypes.c_int32),
    ("llama_get_memory", ctypes.c_void_p, ctypes.c_void_p),
    ("llama_memory_clear", None, ctypes.c_void_p, ctypes.c_bool))


def open_library(path):
    folder = os.path.dirname(os.path.abspath(path))
    backends = sorted(glob.glob(os.path.join(folder, "libggml*.so*")))
    shared = [file for file in backends if "cpu" not in os.path.basename(file)]
    for _ in range(2):  # whichever needs the other
        for file in shared:
            try:
                ctypes.CDLL(file, mode=ctypes.RTLD_GLOBAL)
            except OSError:
                pass
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    library.keep_alive = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
    library.llama_log_set(library.keep_alive, None)
    for file in shared:
        load_all = getattr(ctypes.CDLL(file), "ggml_backend_load_all_from_path", None)
        if load_all:
            load_all.argtypes = [ctypes.c_char_p]
            load_all(folder.encode())
            break
    for name, result, *arguments in SIGNATURES:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.llama_backend_init()
    return library


def find_xllamacpp():
    import importlib.util
    folder = pathlib.Path(importlib.util.find_spec("xllamacpp").origin).parent
    return next(folder.glob("xllamacpp*.so"))


def perplexity(library, file, text, window, windows, threads=1):
    """exp of the mean negative log-likelihood of all tokens but the first of each window; and how many."""
    import numpy
    model = library.llama_model_load_from_file(str(file).encode(), library.llama_model_default_params())
    assert model, f"{file}: llama.cpp cannot load it"
    params = library.llama_context_default_params()
    head = ctypes.cast(ctypes.pointer(params), ctypes.POINTER(ctypes.c_uint32))
    head[0] = head[1] = window  # n_ctx, n_batch
    context = library.llama_init_from_model(model, params)
    assert context, f"{file}: llama.cpp makes no context"
    library.llama_set_n_threads(context, threads, threads)
    vocab = library.llama_model_get_vocab(model)
    size, data = library.llama_vocab_n_tokens(vocab), text.encode()
    ids = (ctypes.c_int32 * len(data))()
    count = library.llama_tokenize(vocab, data, len(data), ids, len(data), False, False)
    assert count >= window * windows, f"{file}: {count} tokens, expected {window * windows}"
    batch, loss = library.llama_batch_init(window, 0, 1), 0.0
    for first in range(0, window * windows, window):
        library.llama_memory_clear(library.llama_get_memory(context), True)
        batch.n_tokens = window
        for t in range(window):
            batch.token[t], batch.pos[t], batch.n_seq_id[t], batch.logits[t] = ids[first + t], t, 1, 1
            batch.seq_id[t][0] = 0
        assert library.llama_decode(context, batch) == 0, f"{file}: llama_decode failed"
        for t in range(window - 1):
            row = library.llama_get_logits_ith(context, t)
            logits = numpy.ctypeslib.as_array(row, (size,)).astype(numpy.float64)
            top = logits.max()
            loss += top + numpy.log(numpy.exp(logits - top).sum()) - logits[ids[first + t + 1]]
    library.llama_batch_free(batch)
    library.llama_free(context)
    library.llama_model_free(model)
    predicted = windows * (window - 1)
    return float(numpy.exp(loss / predicted)), predicted


def quantize(library, source, out, file_type, overrides=(), threads=0):
    """llama-quantize's work. overrides: (pattern, ggml type number) as its --tensor-type-file gives them. threads: 0: all
    cores."""
    library.llama_model_quantize_default_params.restype = QuantizeParams
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(QuantizeParams)]
    library.llama_model_quantize.restype = ctypes.c_uint32
    params = library.llama_model_quantize_default_params()
    table = (TensorOverride * (len(overrides) + 1))(*[(name.lower().encode(), kind) for name, kind in overrides])
    params.nthread, params.ftype, params.allow_requantize, params.tt_overrides = threads, file_type, True, table
    status = library.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(params))
    assert status == 0, f"llama_model_quantize: status {status}"
