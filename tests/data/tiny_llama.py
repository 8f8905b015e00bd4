"""A Llama model of 15,000 weights as a Hugging Face folder and as GGUF, and writers of both formats that check nothing.

Every weight is k/32 with k in -8..7 (linears) or k/64 (embedding, norms), so that F16, Q4_0 with scale 1/32 and Q8_0
with scale 1/64 all hold it exactly: the folder and the GGUF file are the same model. Python 3 standard library only.
"""

import json
import struct

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM = 32, 32, 2, 1, 16
END_OF_TEXT = "<|endoftext|>"
MERGES = [("Ġ", "t"), ("h", "e"), ("Ġ", "a"), ("i", "n"), ("r", "e"), ("o", "n"), ("Ġt", "he"), ("e", "r"),
          ("Ġ", "s"), ("a", "t"), ("Ġ", "w"), ("e", "n"), ("in", "g"), ("o", "u"), ("Ġa", "n")]


def byte_letters():
    """The visible letter of each byte in byte-level BPE, in GPT-2's order of ids."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [b for b in range(256) if b not in visible]
    return [chr(b) for b in visible] + [chr(256 + i) for i in range(len(rest))]


TOKENS = byte_letters() + [a + b for a, b in MERGES] + [END_OF_TEXT]
VOCAB = len(TOKENS)


def config(**changes):
    fields = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "num_hidden_layers": 1, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "vocab_size": VOCAB, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": None, "hidden_act": "silu",
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "torch_dtype": "float16",
        "bos_token_id": VOCAB - 1, "eos_token_id": VOCAB - 1,
    }
    fields.update(changes)
    return json.dumps({k: v for k, v in fields.items() if v != "absent"}, indent=1) + "\n"


def tokenizer_json():
    special = {"id": VOCAB - 1, "content": END_OF_TEXT, "single_word": False, "lstrip": False, "rstrip": False,
               "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
             "vocab": {t: i for i, t in enumerate(TOKENS[:-1])}, "merges": [" ".join(m) for m in MERGES]}
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [special],
                       "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
                       "decoder": byte_level, "model": model}) + "\n"


class Random:
    """Same numbers on every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def weights():
    """name -> (shape, values)"""
    random = Random(11)

    def linear(rows, cols):
        return [rows, cols], [(random.below(16) - 8) / 32 for _ in range(rows * cols)]

    def norm():
        return [HIDDEN], [(48 + random.below(33)) / 64 for _ in range(HIDDEN)]

    layer = "model.layers.0."
    q, kv = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    return {
        "model.embed_tokens.weight": ([VOCAB, HIDDEN], [(random.below(127) - 63) / 64 for _ in range(VOCAB * HIDDEN)]),
        layer + "input_layernorm.weight": norm(),
        layer + "self_attn.q_proj.weight": linear(q, HIDDEN),
        layer + "self_attn.k_proj.weight": linear(kv, HIDDEN),
        layer + "self_attn.v_proj.weight": linear(kv, HIDDEN),
        layer + "self_attn.o_proj.weight": linear(HIDDEN, q),
        layer + "post_attention_layernorm.weight": norm(),
        layer + "mlp.gate_proj.weight": linear(INTERMEDIATE, HIDDEN),
        layer + "mlp.up_proj.weight": linear(INTERMEDIATE, HIDDEN),
        layer + "mlp.down_proj.weight": linear(HIDDEN, INTERMEDIATE),
        "model.norm.weight": norm(),
    }


def encode(dtype, values):
    """Little-endian bytes of numbers that the type holds exactly."""
    if dtype == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return struct.pack("<%d%s" % (len(values), {"F16": "e", "F32": "f", "I32": "i"}[dtype]), *values)


def safetensors(entries, metadata=None):
    """entries: name -> (dtype, shape, bytes), laid out in that order."""
    header, data = {"__metadata__": metadata or {"format": "pt"}}, b""
    for name, (dtype, shape, payload) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(payload)]}
        data += payload
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def hf_entries(tensors):
    return {name: ("F16", shape, encode("F16", values)) for name, (shape, values) in tensors.items()}


# --- GGUF -----------------------------------------------------------------------------------------------------------

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALAR = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
TENSOR_F32, TENSOR_Q4_0, TENSOR_Q8_0 = 0, 2, 8


def string(text):
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def value(kind, content):
    return string(content) if kind == STRING else struct.pack("<" + SCALAR[kind], content)


def key(name, kind, content):
    return string(name) + struct.pack("<I", kind) + value(kind, content)


def array(name, kind, contents):
    return (string(name) + struct.pack("<IIQ", ARRAY, kind, len(contents)) +
            b"".join(value(kind, c) for c in contents))


def info(name, dims, kind, offset):
    """dims: contiguous first."""
    return string(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, offset)


def gguf(keys, infos, data, version=3, num_keys=None, num_tensors=None, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos) if num_tensors is None else num_tensors,
                                 len(keys) if num_keys is None else num_keys)
    head += b"".join(keys) + b"".join(infos)
    return head + b"\0" * (-len(head) % alignment) + data


def q4_0(values):
    blocks = b""
    for i in range(0, len(values), 32):
        codes = [int(v * 32) + 8 for v in values[i:i + 32]]
        blocks += struct.pack("<e", 1 / 32) + bytes(codes[j] | codes[j + 16] << 4 for j in range(16))
    return blocks


def q8_0(values):
    blocks = b""
    for i in range(0, len(values), 32):
        blocks += struct.pack("<e32b", 1 / 64, *(int(v * 64) for v in values[i:i + 32]))
    return blocks


def interleaved(values, cols):
    """llama.cpp's order of the rows of q and k: within a head, row j to 2j and row j + HEAD_DIM / 2 to 2j + 1."""
    rows = [values[i:i + cols] for i in range(0, len(values), cols)]
    out = []
    for head in range(0, len(rows), HEAD_DIM):
        for j in range(HEAD_DIM // 2):
            out += rows[head + j] + rows[head + j + HEAD_DIM // 2]
    return out


GGUF_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def gguf_entries(tensors):
    """GGUF name -> (shape in Hugging Face order, ggml type, bytes)"""
    entries = {}
    for name, (shape, values) in tensors.items():
        inner = name.removeprefix("model.layers.0.")
        gguf_name = ("blk.0." if inner != name else "") + GGUF_NAMES[inner]
        if len(shape) == 1:
            entries[gguf_name] = (shape, TENSOR_F32, encode("F32", values))
        elif gguf_name == "token_embd.weight":
            entries[gguf_name] = (shape, TENSOR_Q8_0, q8_0(values))
        else:
            turned = interleaved(values, shape[1]) if inner[:16] in ("self_attn.q_proj", "self_attn.k_proj") else values
            entries[gguf_name] = (shape, TENSOR_Q4_0, q4_0(turned))
    return entries


def gguf_keys():
    """name -> its bytes"""
    keys = [("general.architecture", STRING, "llama"), ("general.name", STRING, "tiny-llama"),
            ("llama.block_count", U32, 1), ("llama.context_length", U32, 256),
            ("llama.embedding_length", U32, HIDDEN), ("llama.feed_forward_length", U32, INTERMEDIATE),
            ("llama.attention.head_count", U32, HEADS), ("llama.attention.head_count_kv", U32, KV_HEADS),
            ("llama.attention.key_length", U32, HEAD_DIM), ("llama.attention.value_length", U32, HEAD_DIM),
            ("llama.rope.dimension_count", U32, HEAD_DIM), ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            ("llama.rope.freq_base", F32, 10000.0), ("llama.vocab_size", U32, VOCAB),
            ("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "gpt-2"),
            ("tokenizer.ggml.bos_token_id", U32, VOCAB - 1), ("tokenizer.ggml.eos_token_id", U32, VOCAB - 1),
            ("tokenizer.ggml.add_bos_token", BOOL, 0)]
    arrays = [("tokenizer.ggml.tokens", STRING, TOKENS), ("tokenizer.ggml.token_type", I32, [1] * (VOCAB - 1) + [3]),
              ("tokenizer.ggml.merges", STRING, [" ".join(m) for m in MERGES])]
    return {k[0]: key(*k) for k in keys} | {a[0]: array(*a) for a in arrays}


def gguf_file(keys, entries):
    infos, data = [], b""
    for name, (shape, kind, payload) in entries.items():
        infos.append(info(name, shape[::-1], kind, len(data)))
        data += payload + b"\0" * (-len(payload) % 32)
    return gguf(list(keys.values()), infos, data)
