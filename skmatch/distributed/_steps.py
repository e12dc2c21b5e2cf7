"""What a worker does with batches of rows, each by itself: Arrow in, Arrow out.

Nothing here knows of an engine: what maps batches and sorts rows by a key can run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import issparse

from skmatch.search import (
    Partitions,
    PartRows,
    assign_rows,
    join_part,
    limit_threads,
    probe_sample,
    unit_rows,
)

_PAIRS_PER_BATCH = 2**16
Read = Callable[[Any], Any]  # columns of a batch -> X, as an estimator takes it


def embed_batch(batch: pa.RecordBatch, embedder: Any, read: Read) -> pa.RecordBatch:
    """Embed the titles of a batch.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        ``id``; ``order``, an int64 of each row, all different; and what `read` reads.
    embedder : transformer
        Fitted, of dense rows.
    read : callable
        Returns the titles of a batch as `embedder` takes them.

    Returns
    -------
    embedded : pyarrow.RecordBatch
        ``id``, ``order`` and ``vector``, the unit embedding as the bytes of float32.

    Raises
    ------
    ValueError
        If the embeddings are sparse.
    """
    vectors = embedder.transform(read(batch))
    if issparse(vectors):
        raise ValueError(
            f"{embedder!r:.100} makes sparse embeddings; expected dense ones, as of a "
            "LSTMTitleEmbedder, or of TruncatedSVD after TF-IDF."
        )
    columns = [batch.column("id"), batch.column("order"), pack(unit_rows(vectors))]
    return pa.RecordBatch.from_arrays(columns, names=["id", "order", "vector"])


def assign_batch(batch: pa.RecordBatch, partitions: Partitions) -> pa.RecordBatch:
    """Return the rows once for each part that they go to.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        ``id``, ``order`` and ``vector``, as of :func:`embed_batch`.
    partitions : Partitions
        As of :func:`plan_partitions`.

    Returns
    -------
    assigned : pyarrow.RecordBatch
        ``id`` and ``vector``; ``part``, int32; ``lives`` and ``home``, what
        :func:`join_batches` has to know of the row.
    """
    order = batch.column("order").to_numpy()
    rows = unpack(batch.column("vector"))
    with limit_threads(1):
        row, *assigned = assign_rows(rows, order, partitions)
    copied = batch.select(["id", "vector"]).take(pa.array(row))
    columns = [*copied.columns, *map(pa.array, assigned)]
    names = ["id", "vector", "part", "lives", "home"]
    return pa.RecordBatch.from_arrays(columns, names=names)


def probe_batch(
    batch: pa.RecordBatch,
    partitions: Partitions,
    sample: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> pa.RecordBatch:
    """Return the margins that pairs with sampled rows need: sampled, margin."""
    order = batch.column("order").to_numpy()
    with limit_threads(1):
        mine, needed = probe_sample(
            unpack(batch.column("vector")), order, *sample, partitions
        )
    columns = [pa.array(mine.astype(np.int64)), pa.array(needed, pa.float32())]
    return pa.RecordBatch.from_arrays(columns, names=["sampled", "margin"])


def join_batches(
    batches: Iterable[pa.RecordBatch], partitions: Partitions
) -> Iterator[pa.RecordBatch]:
    """Yield the pairs of parts of the rows.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        Rows of :func:`assign_batch`, all those of a part one after the other.
    partitions : Partitions
        Those that the rows were assigned by.

    Yields
    ------
    pairs : pyarrow.RecordBatch
        ``left``, ``right``, ids in any order, and ``score``, float32, their cosine
        similarity. No pair comes twice, in whatever batches and on whatever machine.
    """
    with limit_threads(1):
        for rows in split_rows(batches, ["part"]):
            yield from _join(rows, partitions)


def link_batch(
    batch: pa.RecordBatch, matcher: Any, read: Read, catalogue_ids: pa.Array | None
) -> pa.RecordBatch:
    """Match the titles of a batch with the catalogue of a matcher.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        ``id``, and what `read` reads.
    matcher : estimator
        Fitted, with ``transform``.
    read : callable
        Returns the titles of a batch as `matcher` takes them.
    catalogue_ids : pyarrow.Array or None
        The ids of the titles of the catalogue; None numbers them from 0.

    Returns
    -------
    links : pyarrow.RecordBatch
        ``left``, the id of a row; ``right``, that of a title that matches; ``score``,
        float32.
    """
    graph = matcher.transform(read(batch)).tocoo()
    left, right = (pa.array(side.astype(np.int64)) for side in graph.coords)
    columns = [
        batch.column("id").take(left),
        right if catalogue_ids is None else catalogue_ids.take(right),
        pa.array(graph.data, pa.float32()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["left", "right", "score"])


def _join(rows: pa.Table, partitions: Partitions) -> Iterator[pa.RecordBatch]:
    """Yield the pairs of a part."""
    lives = rows.column("lives").to_numpy()
    living, probing = (rows.filter(pa.array(is_side)) for is_side in (lives, ~lives))
    ids = [side.column("id").combine_chunks() for side in (living, probing)]
    part = rows.column("part")[0].as_py()
    found = join_part(part, _read_rows(living), _read_rows(probing), partitions)
    for probes, (a, b, cosines) in found:
        for start in range(0, len(a), _PAIRS_PER_BATCH):
            some = slice(start, start + _PAIRS_PER_BATCH)
            columns = [
                ids[probes].take(pa.array(a[some])),
                ids[0].take(pa.array(b[some])),
                pa.array(cosines[some]),
            ]
            yield pa.RecordBatch.from_arrays(columns, names=["left", "right", "score"])


def split_rows(
    batches: Iterable[pa.RecordBatch], names: list[str]
) -> Iterator[pa.Table]:
    """Yield the rows that are equal in some columns, which come one after the other."""
    kept: list[pa.RecordBatch] = []
    before: list[int] | None = None
    for batch in batches:
        keys = [batch.column(name).to_numpy() for name in names]
        is_other = np.any([np.diff(key) != 0 for key in keys], axis=0)
        starts = [0, *(np.flatnonzero(is_other) + 1).tolist()]
        for start, stop in zip(starts, [*starts[1:], len(batch)], strict=True):
            if start == stop:
                continue
            values = [int(key[start]) for key in keys]
            if kept and values != before:
                yield pa.Table.from_batches(kept)
                kept = []
            kept.append(batch.slice(start, stop - start))
            before = values
    if kept:
        yield pa.Table.from_batches(kept)


def _read_rows(rows: pa.Table) -> PartRows:
    return PartRows(unpack(rows.column("vector")), rows.column("home").to_numpy())


def pack(vectors: NDArray[np.float32]) -> pa.Array:
    """Return vectors as bytes, which cost less to move than lists of numbers."""
    n_bytes = 4 * vectors.shape[1]
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(n_bytes), len(vectors), [None, pa.py_buffer(vectors.tobytes())]
    )
    return fixed.cast(pa.binary())


def unpack(vectors: pa.Array) -> NDArray[np.float32]:
    """Return the vectors that a column holds as bytes.

    Parameters
    ----------
    vectors : pyarrow.Array or pyarrow.ChunkedArray
        ``vector`` of :func:`embed_batch`.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_features), dtype float32
        Unit rows.
    """
    if not len(vectors):
        return np.empty((0, 1), np.float32)
    if isinstance(vectors, pa.ChunkedArray):  # of more bytes than one array can hold
        return np.concatenate([unpack(x) for x in vectors.chunks if len(x)])
    vectors = vectors.cast(pa.binary())
    offsets = np.frombuffer(vectors.buffers()[1], np.int32)
    first, last = offsets[vectors.offset], offsets[vectors.offset + len(vectors)]
    values = np.frombuffer(vectors.buffers()[2], np.uint8)[first:last]
    return values.view(np.float32).reshape(len(vectors), -1)
