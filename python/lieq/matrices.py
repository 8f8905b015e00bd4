"""Quantised weight matrices as NumPy arrays."""

from __future__ import annotations

import dataclasses
import typing

if typing.TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


@dataclasses.dataclass(eq=False)
class QuantizedMatrix:
    """weight[i, j] = scales[i, g] * (codes[i, j] - zeros[i, g]), or scales[i, g] * codes[i, j] + minima[i, g], where g
    is the group of column j: j // group_size, or g_idx[j]."""

    name: str
    bits: int
    group_size: int
    codes: NDArray[numpy.uint8]  #: [out, in], each below 2**bits
    scales: NDArray[numpy.float16]  #: [out, in / group_size]
    zeros: NDArray[numpy.float32] | None  #: [out, in / group_size], whole or half integers; None beside minima
    minima: NDArray[numpy.float16] | None  #: [out, in / group_size]; None beside zeros
    g_idx: NDArray[numpy.int32] | None  #: [in]; None: groups are consecutive columns

    def dequantize(self) -> NDArray[numpy.float32]:
        """The weights these stand for, [out, in]."""
        import numpy
        groups = numpy.arange(self.codes.shape[1]) // self.group_size if self.g_idx is None else self.g_idx
        codes = self.codes.astype(numpy.float32)
        scales = self.scales.astype(numpy.float32)[:, groups]
        if self.minima is not None:
            return scales * codes + self.minima.astype(numpy.float32)[:, groups]
        return scales * (codes - self.zeros[:, groups])
