"""Features of many pairs, of which a block is in memory at a time.

What describes pairs is parts, side by side: arrays, rows in a file, or columns that are
computed when they are read. Of each part some rows are read, in rising order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, Protocol
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

_PAIRS_PER_BLOCK = 2**17
Rows = slice | NDArray[np.intp]
_LARGEST_IN_MEMORY = 2**29  # bytes


class Part(Protocol):
    """Columns of features of all pairs."""

    def __getitem__(self, rows: Rows, /) -> NDArray[Any]:
        """Return the features of some pairs: (n_rows, n_columns)."""
        ...


class FileRows:
    """Rows of float32 in a file without a name, which goes with this object."""

    def __init__(self, n_columns: int) -> None:
        self.n_columns = n_columns
        self._file = TemporaryFile(prefix="skmatch-")  # noqa: SIM115
        finalize(self, self._file.close)

    def append(self, block: NDArray[np.float32]) -> None:
        """Write further rows."""
        self._file.seek(0, os.SEEK_END)
        block.tofile(self._file)

    def __getitem__(self, rows: Rows) -> NDArray[np.float32]:
        """Read some rows, by way of all from the first to the last of them."""
        if not isinstance(rows, slice):
            start, stop = (rows[0], rows[-1] + 1) if len(rows) else (0, 0)
            return self[int(start) : int(stop)][rows - start]
        start, stop = rows.start or 0, rows.stop
        row_bytes = 4 * self.n_columns
        self._file.seek(start * row_bytes)
        n_values = -1 if stop is None else (stop - start) * self.n_columns
        values = np.fromfile(self._file, np.float32, n_values)
        return values.reshape(-1, self.n_columns)


def store(blocks: Iterator[NDArray[np.float32]], n_rows: int) -> Part:
    """Keep blocks of features in memory, or in a file if that would be too much."""
    first = next(blocks)
    if 4 * n_rows * first.shape[1] <= _LARGEST_IN_MEMORY:
        return np.concatenate([first, *blocks])
    rows = FileRows(first.shape[1])
    for block in chain([first], blocks):
        rows.append(np.ascontiguousarray(block))
    return rows


def join_rows(first: Part, others: Part, n_others: int) -> Part:
    """Return features of further pairs below others; if these are a file, it grows."""
    if not isinstance(first, FileRows):
        return np.concatenate([first[:], others[:]])
    for rows in list_blocks(n_others):
        first.append(np.ascontiguousarray(others[rows]))
    return first


def list_blocks(n_rows: int) -> list[slice]:
    """Return the blocks that rows are read in; there is one even of no rows."""
    starts = range(0, max(1, n_rows), _PAIRS_PER_BLOCK)
    return [slice(start, min(start + _PAIRS_PER_BLOCK, n_rows)) for start in starts]


def read(parts: Sequence[Part], rows: Rows) -> NDArray[np.float32]:
    """Return the features of some pairs, of all parts: (n_rows, n_features)."""
    return np.column_stack([part[rows] for part in parts])


def read_all(parts: Sequence[Part], rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the features of many pairs, block by block: (n_rows, n_features)."""
    blocks = list_blocks(len(rows))
    return np.concatenate([read(parts, rows[block]) for block in blocks])
