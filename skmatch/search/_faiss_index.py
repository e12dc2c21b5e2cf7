"""Rows in a faiss index: the catalogue as it is, or any index that faiss can make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skmatch.search._equal_rows import EqualRows, expand_pairs
from skmatch.search._recall import Recall, interval
from skmatch.search._similarities import Pairs, join, rerank, rounding
from skmatch.search._unit_rows import Embeddings

if TYPE_CHECKING:
    import faiss

# faiss takes a quarter of a second to import: only when it is used.

# The factory strings that are allowed: what faiss makes of others may end the
# interpreter (HNSW0) or not end itself (NSG0).
_LINKS = range(2, 513)  # of a row in HNSW
_N = "[1-9][0-9]{0,8}"
_CODE = f"(Flat|SQ(4|6|8|fp16|bf16)|PQ{_N}(x[4-8]|x4fs)?)"
_FACTORY = re.compile(f"HNSW{_N}|(IVF{_N}(_HNSW{_N})?,)?{_CODE}(,RFlat)?")
_DESCRIPTION = (
    "HNSWm or [IVFn[_HNSWm],]CODE[,RFlat], where CODE is Flat, SQ4, SQ6, SQ8, SQfp16, "
    f"SQbf16, PQk, PQkxb or PQkx4fs, m is from {_LINKS[0]} to {_LINKS[-1]}, and b from "
    "4 to 8"
)
# faiss leaves BLAS for batches with rows * dimensions < 128,000, and is 6 times slower.
_ROWS_PER_SEARCH = 4096
_FIRST_K = 32
_LARGEST_K_OF_GPUS = 2048


def flat_index(rows: Embeddings) -> faiss.IndexFlatIP:
    """Put rows into an index that keeps them as they are."""
    import faiss

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    return index


def rows_of(index: faiss.IndexFlatIP) -> Embeddings:
    """Return the rows of a flat index, without a copy."""
    import faiss

    values = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return values.reshape(index.ntotal, index.d)


def check_factory(factory: str) -> None:
    """Raise if a factory string is none of those that are allowed."""
    links = re.findall("HNSW([0-9]+)", factory)
    if not _FACTORY.fullmatch(factory) or any(int(n) not in _LINKS for n in links):
        raise ValueError(
            f"index={factory!r}; expected 'auto', 'exact', 'cells' or a faiss factory "
            f"string: {_DESCRIPTION}."
        )


def make_index(rows: Embeddings, factory: str, equal: EqualRows | None = None) -> Any:
    """Train the index of a factory string, and add each of several equal rows once."""
    import faiss

    check_factory(factory)
    equal = EqualRows(rows) if equal is None else equal
    try:
        for n_cells in re.findall("IVF([0-9]+)", factory):
            if int(n_cells) > len(rows):  # faiss makes room for all of them first
                raise RuntimeError("there are fewer rows than cells.")
        index = faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        for part in _parts(index):
            _train_silently(part)
        index.train(rows)
        index.add(equal.without_copies(rows))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"index={factory!r}; expected 'auto', 'exact', 'cells' or a faiss factory "
            f"string that fits {rows.shape[0]} rows of {rows.shape[1]} columns: {error}"
        ) from error
    return index


def _parts(index: Any) -> Iterator[Any]:
    """Yield an index and those that it is made of."""
    import faiss

    index = faiss.downcast_index(index)
    yield index
    if hasattr(index, "base_index"):  # of RFlat
        yield from _parts(index.base_index)


def _train_silently(index: Any) -> None:
    """Let k-means print nothing about few rows, and leave out what no search uses."""
    for trained in ("cp", "pq.cp"):
        with suppress(AttributeError):
            attrgetter(trained)(index).min_points_per_centroid = 1
    if hasattr(index, "do_polysemous_training"):  # for Hamming distances; 20 s
        index.do_polysemous_training = False


def clone_index(index: Any) -> Any:
    """Return a copy of an index, whose parameters may be changed."""
    import faiss

    return faiss.clone_index(index)


def tune_index(
    index: Any,
    equal: EqualRows,
    sample: Embeddings,
    pairs: Pairs,
    catalogue: Embeddings,
    threshold: float,
    target: float,
) -> Recall:
    """Double nprobe or efSearch until a sample's pairs are found; return the recall."""
    effort, n_rows = 1, len(catalogue)
    wanted = pairs[0] * n_rows + pairs[1]
    while True:
        is_tuned = _set_effort(index, effort)
        row, column, _ = find_indexed(index, equal, sample, catalogue, threshold)
        n_missed = int((~np.isin(wanted, row * n_rows + column)).sum())
        recall = interval(len(wanted), n_missed, np.bincount(pairs[0]))
        if recall.low >= target or not n_missed or not is_tuned or effort >= n_rows:
            return recall
        effort *= 2


def find_indexed(
    index: Any,
    equal: EqualRows,
    left: Embeddings,
    right: Embeddings | None,
    threshold: float,
) -> Pairs:
    """Return the pairs at or above the threshold that an index of `right` finds.

    With `right` None, of `left`, as (smaller, larger). `equal` are the equal rows of
    what is indexed. Rows that are equal to one another are found whatever the index is:

    1. Search each of several equal rows once.
    2. Add the pairs of equal rows. Of rows among themselves an index may find a pair
       from one side only: take it from either.
    3. Return the pairs of all rows that are equal to those of a pair.
    """
    catalogue = left if right is None else right
    ours = equal if right is None else EqualRows(left)
    queries = ours.without_copies(left)
    found = search_index(index, equal, queries, catalogue, threshold)
    query, group = equal.find(catalogue, queries)
    same = rerank(queries, catalogue, query, equal.first[group], threshold)
    row, column, similarity = join([*found, same])
    column = np.searchsorted(equal.first, column)  # the group
    if right is None:
        row, column = np.minimum(row, column), np.maximum(row, column)
    once = np.unique(row * len(equal) + column, return_index=True)[1]
    return expand_pairs(ours, equal, (row[once], column[once], similarity[once]))


def search_index(
    index: Any,
    equal: EqualRows,
    queries: Embeddings,
    catalogue: Embeddings,
    threshold: float,
) -> Iterator[Pairs]:
    """Yield the pairs of queries and indexed rows at or above the threshold.

    The number of neighbours grows until the last one of a row is below the threshold.
    GPUs search, if a build of faiss for them is installed, up to the number of
    neighbours that they can give.
    """
    bound = threshold - rounding(queries.shape[1])
    on_gpus = _copy_to_gpus(index)
    for start in range(0, max(1, len(queries)), _ROWS_PER_SEARCH):
        rows: NDArray[np.intp] = np.arange(
            start, min(start + _ROWS_PER_SEARCH, len(queries))
        )
        k = _FIRST_K
        while len(rows):
            k = min(4 * k, index.ntotal)
            found_by = index if k > _LARGEST_K_OF_GPUS else on_gpus
            similarities, neighbours = found_by.search(queries[rows], k)
            is_open = (similarities[:, -1] >= bound) & (k < index.ntotal)
            hit = (similarities >= bound) & (neighbours >= 0) & ~is_open[:, None]
            row, rank = hit.nonzero()
            indexed = equal.first[neighbours[row, rank]]
            yield rerank(queries, catalogue, rows[row], indexed, threshold)
            rows = rows[is_open]


def _copy_to_gpus(index: Any) -> Any:
    """Return a copy of an index on the GPUs that there are, or else the index."""
    import faiss

    if not faiss.get_num_gpus():
        return index
    try:
        return faiss.index_cpu_to_all_gpus(index)
    except RuntimeError:  # such as HNSW, which is for CPUs only
        return index


def _set_effort(index: Any, effort: int) -> bool:
    """Set how much of an index is searched; tell whether it has such a parameter."""
    import faiss

    for name in ("nprobe", "efSearch"):
        try:
            faiss.ParameterSpace().set_index_parameter(index, name, effort)
        except RuntimeError:
            continue
        return True
    return False
