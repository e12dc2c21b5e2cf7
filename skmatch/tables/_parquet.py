"""Titles in Parquet files, matched by a fitted matcher."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse, triu, vstack
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar

from skmatch.graph import find_entries
from skmatch.tables._arrow_titles import as_ids, has_names, refuse_mutual
from skmatch.tables._pairs_file import MatchingPairs, check_target, write_pairs
from skmatch.tables._source import Listings, open_listings


def match_parquet(
    matcher: Any,
    source: Any,
    target: Any,
    *,
    columns: str | list[str],
    ids: str | None = None,
    batch_size: int = 2**14,
) -> int:
    """Match the titles of Parquet files with one another, into a Parquet file.

    Parameters
    ----------
    matcher : estimator
        Fitted: a :class:`PairClassifierMatcher`, a :class:`TunedThresholdMatcherCV`, or
        a Pipeline that ends in one of these or a :class:`FaissThresholdMatcher`. What a
        Pipeline does before that is done by batches, and dense embeddings wait in a
        temporary file, not in memory; the titles of any other matcher are read at once.
    source : str, path or list of these
        A Parquet file, a folder of them, or several files.
    target : str or path
        The file to write, in a folder that is there. What was there is replaced once
        all is written.
    columns : str or list of str
        Name of the column of titles, or names of the fields of each row of ``X``, in
        the order of ``fit``.
    ids : str or None, default=None
        Name of the column that names each row; None numbers the rows from 0, in the
        order of the files.
    batch_size : int, default=16384
        Largest number of rows of a batch, at least 1.

    Returns
    -------
    n_pairs : int
        Number of rows of `target`. Its columns are ``left`` and ``right``, the ids of
        two rows that match, and ``score``, float32, their similarity or probability.
        Each pair is there once, the earlier row on the left, and also if but one of its
        rows matches the other, as with ``max_matches``.

    Raises
    ------
    ImportError
        If pyarrow is not installed (``pip install 'skmatch[parquet]'``).
    ValueError
        If a file cannot be read or written, a column is not there, an id is missing or
        there twice, the matcher matches no titles, or it refuses a title.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmatch import FaissThresholdMatcher, match_parquet
    >>> titles = ["Maling Ham Pork 397gr", "maling ham pork 397 gr", "Paper Bag"]
    >>> listings = pa.table({"sku": ["a1", "b7", "c2"], "title": titles})
    >>> embedder = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    >>> matcher = make_pipeline(embedder, FaissThresholdMatcher(0.6)).fit(titles)
    >>> with TemporaryDirectory() as folder:
    ...     source, target = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
    ...     pq.write_table(listings, source)
    ...     n = match_parquet(matcher, source, target, columns="title", ids="sku")
    ...     pq.read_table(target).select(["left", "right"]).to_pylist()
    [{'left': 'a1', 'right': 'b7'}]
    """
    path = check_target(target)
    before, last = take_apart(matcher, "score_graph")
    check_scalar(batch_size, "batch_size", Integral, min_val=1)
    listings = open_listings(source, columns, ids, has_names(matcher))
    X = listings.read_all() if before is None else _embed(before, listings, batch_size)
    graph = last.score_graph(X)
    matches = last.decide(graph)
    # A pair that matches from either side, once.
    pairs = triu(matches + matches.T, k=1, format="csr").tocoo()
    rows = pairs.coords
    position, is_scored = find_entries(graph, *rows)
    assert is_scored.all()
    left, right = rows
    found = MatchingPairs(left, right, graph.data[position].astype(np.float32))
    return write_pairs(path, iter([found]), listings.ids, listings.ids)


def link_parquet(
    matcher: Any,
    source: Any,
    target: Any,
    *,
    columns: str | list[str],
    ids: str | None = None,
    catalogue_ids: ArrayLike | None = None,
    batch_size: int = 2**14,
) -> int:
    """Match the titles of Parquet files with a fitted catalogue, into a Parquet file.

    Batch by batch: memory does not grow with the rows of `source`, but for their ids.

    Parameters
    ----------
    matcher : estimator
        Fitted, with a ``transform`` that matches titles with those of ``fit``, as those
        of :func:`match_parquet` have. It must not be `mutual`, as the best rows of a
        batch are not those of all.
    source, target, columns, ids, batch_size
        As in :func:`match_parquet`.
    catalogue_ids : array-like of shape (`n_samples_fit_`,) or None, default=None
        The ids of the titles of ``fit``; None numbers them from 0.

    Returns
    -------
    n_pairs : int
        Number of rows of `target`. Its columns are ``left``, the id of a row,
        ``right``, that of a title of the catalogue that matches it, and ``score``,
        float32, their similarity or probability.

    Raises
    ------
    ImportError
        If pyarrow is not installed (``pip install 'skmatch[parquet]'``).
    ValueError
        As :func:`match_parquet`, and if `catalogue_ids` has another length than the
        catalogue, or the matcher is mutual.
    """
    path = check_target(target)
    _, last = take_apart(matcher, "transform")
    check_scalar(batch_size, "batch_size", Integral, min_val=1)
    refuse_mutual(last)
    listings = open_listings(source, columns, ids, has_names(matcher))
    known = None if catalogue_ids is None else as_ids(catalogue_ids)

    def find() -> Iterator[MatchingPairs]:
        for start, graph in _by_batches(matcher.transform, listings, batch_size):
            if known is not None and len(known) != graph.shape[1]:
                raise ValueError(
                    f"catalogue_ids has {len(known)} ids; expected {graph.shape[1]}, "
                    "one for each title of the catalogue."
                )
            graph = csr_array(graph).tocoo()
            left, right = graph.coords
            yield MatchingPairs(left + np.int64(start), right, graph.data)

    return write_pairs(path, find(), listings.ids, known)


def take_apart(matcher: Any, method: str) -> tuple[Any, Any]:
    """Return what comes before a matcher in a Pipeline, or None, and the matcher."""
    before, last = None, matcher
    if isinstance(matcher, Pipeline):
        last = matcher[-1]
        before = matcher[:-1] if len(matcher) > 1 else None
    if isinstance(last, type) or not all(
        hasattr(last, name) for name in (method, "decide")
    ):
        raise ValueError(
            f"matcher={matcher!r:.100}; expected a fitted matcher of titles, such as a "
            "PairClassifierMatcher or a Pipeline that ends in a FaissThresholdMatcher."
        )
    return before, last


def _embed(embedder: Any, listings: Listings, batch_size: int) -> Any:
    """Return the embeddings of all rows; dense ones lie in a temporary file."""
    blocks: list[Any] = []
    dense: Any = None
    for start, X in _by_batches(embedder.transform, listings, batch_size):
        if issparse(X):
            blocks.append(csr_array(X))
            continue
        if dense is None:
            with TemporaryFile(prefix="skmatch-") as file:
                shape = listings.n_rows, X.shape[1]
                dense = np.memmap(file, dtype=X.dtype, shape=shape)
        dense[start : start + len(X)] = X
    if not blocks and dense is None:
        raise ValueError("source has no rows; expected at least one.")
    return csr_array(vstack(blocks, format="csr")) if blocks else dense


def _by_batches(
    transform: Any, listings: Listings, batch_size: int
) -> Iterator[tuple[int, Any]]:
    """Yield the first row of each batch, and what it becomes."""
    for start, titles in listings.read(batch_size):
        try:
            yield start, transform(titles)
        except ValueError as error:
            raise ValueError(
                f"source, in the {len(titles)} rows from row {start}: {error}"
            ) from error
