"""A Parquet file of pairs that match, which is whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.persistence import replace_file

_PAIRS_PER_BLOCK = 2**20


class MatchingPairs(NamedTuple):
    """Pairs of rows that match, and their scores."""

    left: NDArray[np.integer[Any]]  # (n_pairs,)
    right: NDArray[np.integer[Any]]  # (n_pairs,)
    scores: NDArray[np.float32]  # (n_pairs,)


def check_target(target: Any) -> Path:
    """Return the path of a file to write; raise if it cannot be one."""
    path = Path(target)
    if path.is_dir():
        raise ValueError(f"target={target!r} is a folder; expected the path of a file.")
    if path.exists() and not path.is_file():
        raise ValueError(f"target={target!r} is no file that can be replaced.")
    if not path.parent.is_dir():
        raise ValueError(
            f"target={target!r} is in no folder; expected {path.parent} to be one."
        )
    return path


def write_pairs(
    path: Path, blocks: Iterator[MatchingPairs], left_ids: Any, right_ids: Any
) -> int:
    """Write pairs by the ids of their rows; return how many there are.

    Without ids the rows of a side have their numbers. A file that was there stays until
    this one is whole.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = [pa.int64() if ids is None else ids.type for ids in (left_ids, right_ids)]
    schema = pa.schema(
        [("left", types[0]), ("right", types[1]), ("score", pa.float32())]
    )
    n_pairs = 0

    def write(file: Any) -> None:
        nonlocal n_pairs
        with pq.ParquetWriter(file, schema) as writer:
            for left, right, scores in blocks:
                for start in range(0, len(left), _PAIRS_PER_BLOCK):
                    rows = slice(start, start + _PAIRS_PER_BLOCK)
                    sides = [pa.array(side[rows], pa.int64()) for side in (left, right)]
                    columns = [
                        side if ids is None else ids.take(side)
                        for side, ids in zip(sides, (left_ids, right_ids), strict=True)
                    ]
                    columns.append(pa.array(scores[rows]))
                    writer.write_table(pa.table(columns, schema=schema))
                n_pairs += len(left)

    replace_file(path, write)
    return n_pairs
