"""AWQ's GEMM layout in numpy, written from its description."""

import numpy

ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the output that each nibble of a word holds, the lowest first


def pack(fields):
    """[rows, outputs] below 16 to [rows, outputs / 8] words."""
    rows, outputs = fields.shape
    nibbles = fields.reshape(rows, outputs // 8, 8)[:, :, ORDER].astype(numpy.uint32)
    return (nibbles << (4 * numpy.arange(8, dtype=numpy.uint32))).sum(axis=2).astype(numpy.uint32).view(numpy.int32)


def unpack(words):
    nibbles = (words.view(numpy.uint32)[:, :, None] >> (4 * numpy.arange(8, dtype=numpy.uint32))) & 15
    fields = numpy.empty_like(nibbles)
    fields[:, :, ORDER] = nibbles
    return fields.reshape(words.shape[0], -1).astype(numpy.float32)


def dequantized(tensors, module, group):
    codes, zeros = unpack(tensors[module + ".qweight"]), unpack(tensors[module + ".qzeros"])
    scales = tensors[module + ".scales"].astype(numpy.float32)
    return ((codes - zeros.repeat(group, axis=0)) * scales.repeat(group, axis=0)).T
