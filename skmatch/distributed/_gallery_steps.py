"""What a worker does with a part of a gallery of pairs: Arrow in, Arrow out.

Each row of a gallery has a number. A table of rows holds, besides their fields, what is
around them as lists: ``near`` of (other, similarities) and ``spread`` of (other,
score). A table of pairs holds ``left`` and ``right``, the numbers of their rows, the
features of their texts as bytes, and what is known of their scores: ``s0``, ... by each
embedder, ``p0``, ... of each level and ``q0``, ... of each level, propagated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from skmatch.distributed._steps import Read, pack, split_rows, unpack
from skmatch.graph import KnownPropagation
from skmatch.matchers import GalleryParts
from skmatch.pairs import (
    Level,
    PairIndices,
    WordCounts,
    describe_part,
    find_words,
    score_part,
    sort_words,
)
from skmatch.search import count_rows_with, inner_products, keep_rarest
from skmatch.search import neighbors_in_part as find_neighbors
from skmatch.titles import plain_text


def name_batch(
    batch: pa.RecordBatch, parts: GalleryParts, read: Read
) -> pa.RecordBatch:
    """Add ``key``, which equal rows have in common: as a gallery knows copies."""
    titles, fields = parts.read(read(batch))
    keys = [plain_text(title) for title in titles]
    if fields.ndim == 2:
        keys = [repr((key, *row)) for key, row in zip(keys, fields, strict=True)]
    return batch.append_column("key", pa.array(keys, pa.string()))


def encode_batch(
    batch: pa.RecordBatch, parts: GalleryParts, read: Read
) -> pa.RecordBatch:
    """Add the embeddings of each row, ``e0``, ..., its words and what they are."""
    titles = parts.read(read(batch))
    words = [sorted(set(find_words(title))) for title in titles.titles]
    same = [sort_words(find_words(title)) for title in titles.titles]
    for number, rows in enumerate(parts.model.describer.embed(titles.titles)):
        batch = batch.append_column(f"e{number}", _pack_rows(rows))
    batch = batch.append_column("words", pa.array(words, pa.list_(pa.string())))
    return batch.append_column("same", pa.array(same, pa.string()))


def count_batches(
    batches: Iterable[pa.RecordBatch], widths: list[int | None]
) -> Iterator[pa.RecordBatch]:
    """Yield how many rows have each column of each embedding, as bytes, once."""
    counts = [np.zeros(width or 0, np.int64) for width in widths]
    for batch in batches:
        for number, width in enumerate(widths):
            if width is not None:
                rows = _unpack_rows(batch.column(f"e{number}"), width)
                counts[number] += count_rows_with(rows)
    yield pa.RecordBatch.from_pylist(
        [{f"e{n}": each.tobytes() for n, each in enumerate(counts)}]
    )


def neighbors_batches(
    batches: Iterable[pa.RecordBatch],
    parts: GalleryParts,
    widths: list[int | None],
    counts: list[NDArray[np.int64]],
) -> Iterator[pa.RecordBatch]:
    """Yield the nearest rows of each row among those of another block.

    Rows come sorted by ``first`` and ``second``, the two blocks that are compared, and
    tell which of them is their own, ``block``.
    """
    n_nearest = parts.model.describer.n_candidates + 1  # each is its own nearest
    for table in split_rows(batches, ["first", "second"]):
        table = table.sort_by("row")  # of equally similar ones come the first
        row = table.column("row").to_numpy()
        block = table.column("block").to_numpy()
        compared = (table.column(name)[0].as_py() for name in ("first", "second"))
        is_of = {number: np.flatnonzero(block == number) for number in compared}
        ways = {(min(is_of), max(is_of)), (max(is_of), min(is_of))}
        for number, width in enumerate(widths):
            X = _unpack_rows(table.column(f"e{number}"), width)
            for one, other in sorted(ways):
                rows, others = X[is_of[one]], X[is_of[other]]
                if width is not None:
                    rows = keep_rarest(rows, counts[number])
                a, b, similarity = find_neighbors(rows, others, n_nearest)
                columns = {
                    "embedder": np.full(len(a), number, np.int32),
                    "row": row[is_of[one]][a],
                    "other": row[is_of[other]][b],
                    "similarity": similarity.astype(np.float32),
                }
                yield from pa.table(columns).to_batches()


def describe_pairs(
    pairs: pa.Table, rows: pa.Table, parts: GalleryParts, read: Read, n_titles: int,
    widths: list[int | None],
) -> pa.Table:  # fmt: skip
    """Add to pairs the features of their texts, and their similarities.

    Rows have ``counts``, a list of (word, n) of how many rows have each of their words,
    and ``n_same``, how many have the same words.
    """
    rows, indices = _sort(rows, pairs)
    titles = parts.read(read(rows))
    words, n_with = _flatten(rows.column("counts"), ["word", "n"])[1]
    counts = WordCounts(
        n_titles,
        _counter(words.to_pylist(), n_with.to_pylist()),
        _counter(rows.column("same").to_pylist(), rows.column("n_same").to_pylist()),
    )
    features = describe_part(parts.model, *titles, counts, indices)
    pairs = pairs.append_column("features", pack(features))
    for number, width in enumerate(widths):
        X = _unpack_rows(rows.column(f"e{number}"), width)
        similarities = inner_products(X, X, *indices)
        pairs = pairs.append_column(f"s{number}", pa.array(similarities, pa.float32()))
    return pairs


def score_pairs(
    pairs: pa.Table, rows: pa.Table, parts: GalleryParts, read: Read, number: int
) -> pa.Table:
    """Add to pairs what a level says, and how the one before has been propagated."""
    rows, indices = _sort(rows, pairs)
    titles = parts.read(read(rows))
    names = [
        name for name in pairs.column_names if name[0] == "s" and name[1:].isdigit()
    ]
    similarities = _graphs(rows.column("near"), names)[1]
    nothing = KnownPropagation(csr_array((0, 0), dtype=np.float32))
    levels = [
        Level(_values(pairs, f"p{n}"), _values(pairs, f"q{n}"), nothing, nothing)
        for n in range(number - 1)
    ]
    if number:
        columns, (graph,) = _graphs(rows.column("spread"), ["score"])
        around = KnownPropagation(graph)
        right = pairs.column("right").to_numpy()
        column = np.searchsorted(columns, right)
        column[~np.isin(right, columns)] = -1  # around no row
        propagated = around.at(indices.left, column)
        last = _values(pairs, f"p{number - 1}")
        levels.append(Level(last, propagated, around, around))
        pairs = pairs.append_column(
            f"q{number - 1}", pa.array(propagated, pa.float32())
        )
    said = score_part(
        parts.model, *titles, indices, unpack(pairs.column("features")),
        [_values(pairs, name) for name in names], similarities, levels,
    )  # fmt: skip
    return pairs.append_column(f"p{number}", pa.array(said, pa.float32()))


def spread_rows(
    rows: pa.Table, parts: GalleryParts, rows_per_part: int, is_last: bool
) -> pa.Table:
    """Return what a level says around the rows of a part, propagated: (row, other).

    Rows have ``kept``, a list of (other, score); those of other parts are there for
    what they have a say in.
    """
    part = rows.column("part")[0].as_py()
    row = rows.column("row").to_numpy()
    lengths, (other, scores) = _flatten(rows.column("kept"), ["other", "score"])
    other, scores = other.to_numpy(), scores.to_numpy()
    names = np.union1d(row, other)
    left = np.searchsorted(names, np.repeat(row, lengths))
    graph = _largest(
        left, np.searchsorted(names, other), scores, len(names), len(names)
    )
    own = np.searchsorted(names, row[row // rows_per_part == part])
    spread = parts.propagate(graph, own, is_last).tocoo()
    left, right = (names[side] for side in spread.coords)
    score = pa.array(spread.data, pa.float32())
    return pa.table({"row": left, "other": right, "score": score})


def _counter(names: list[str], counts: list[int]) -> Counter[str]:
    """Return a Counter of names that each have a count."""
    return Counter(dict(zip(names, counts, strict=True)))


def _sort(rows: pa.Table, pairs: pa.Table) -> tuple[pa.Table, PairIndices]:
    """Return rows by their number, and which of them those of pairs are."""
    rows = rows.sort_by("row").combine_chunks()
    number = rows.column("row").to_numpy()
    sides = (pairs.column(side).to_numpy() for side in ("left", "right"))
    return rows, PairIndices(*(np.searchsorted(number, side) for side in sides))


def _values(table: pa.Table, name: str) -> NDArray[np.float32]:
    return table.column(name).to_numpy()


def _graphs(
    lists: pa.ChunkedArray, names: list[str]
) -> tuple[NDArray[np.int64], list[csr_array]]:
    """Return what is around rows: the numbers of the columns, and a graph a score."""
    lengths, (other, *scores) = _flatten(lists, ["other", *names])
    columns, column = np.unique(other.to_numpy(), return_inverse=True)
    row = np.repeat(np.arange(len(lists)), lengths)
    shape = len(lists), len(columns)
    return columns, [_largest(row, column, each.to_numpy(), *shape) for each in scores]


def _largest(
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    scores: NDArray[np.float32],
    n_rows: int,
    n_columns: int,
) -> csr_array:
    """Return a graph; of a pair that is there more than once, the largest score."""
    order = np.lexsort((scores, column, row))
    row, column, scores = row[order], column[order], scores[order]
    is_last = np.ones(len(row), bool)
    is_last[:-1] = (np.diff(row) != 0) | (np.diff(column) != 0)
    n_before = np.append(0, np.bincount(row[is_last], minlength=n_rows).cumsum())
    kept = scores[is_last], column[is_last].astype(np.int32), n_before
    return csr_array(kept, shape=(n_rows, n_columns))


def _flatten(
    lists: pa.ChunkedArray, names: list[str]
) -> tuple[NDArray[np.intp], list[pa.Array]]:
    """Return how many items each list has, and the fields of all items."""
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    items = lists.flatten()
    return lengths, [items.field(name) for name in names]


def _pack_rows(rows: Any) -> pa.Array:
    """Return unit rows as bytes; of sparse ones, their columns, then their values."""
    if not issparse(rows):
        return pack(rows)
    rows = csr_array(rows)
    columns, values, ends = rows.indices.astype(np.int32), rows.data, rows.indptr
    packed = [
        columns[start:stop].tobytes() + values[start:stop].tobytes()
        for start, stop in pairwise(ends)
    ]
    return pa.array(packed, pa.binary())


def _unpack_rows(packed: pa.ChunkedArray, width: int | None) -> Any:
    """Return the rows of :func:`_pack_rows`; `width` is None of dense ones."""
    if width is None:
        return unpack(packed)
    rows = [np.frombuffer(each, np.int32) for each in packed.to_pylist()]
    n_each = np.array([len(row) // 2 for row in rows], np.int64)
    empty = [np.empty(0, np.int32)]
    columns = np.concatenate(empty + [row[: len(row) // 2] for row in rows])
    values = np.concatenate(empty + [row[len(row) // 2 :] for row in rows])
    arrays = values.view(np.float32), columns, np.append(0, n_each.cumsum())
    return csr_array(arrays, shape=(len(rows), width))
