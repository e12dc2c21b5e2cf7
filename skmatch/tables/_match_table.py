"""Matches and groups as tables that people read: with ids, titles and scores."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils import check_scalar

from skmatch._matrices import as_csr
from skmatch.evaluation import encode_labels
from skmatch.graph import keep_entries, row_indices
from skmatch.tables._columns import as_columns, as_frame, check_ids, take


def match_table(
    scores: Any,
    left_ids: Any = None,
    right_ids: Any = None,
    *,
    left_titles: Any = None,
    right_titles: Any = None,
    n_matches: int | None = None,
) -> Any:
    """Return a score graph, or matches, as a table with a row for each pair.

    Parameters
    ----------
    scores : sparse or dense matrix of shape (n_left, n_right)
        What is stored is a pair: of ``score_graph``, ``predict`` or ``transform``. A
        match without a score, True, has the score 1.
    left_ids : array-like of shape (n_left,) or None, default=None
        The id of each row of `scores`; None numbers them from 0.
    right_ids : array-like of shape (n_right,) or None, default=None
        The id of each column, where they are a catalogue. Without it and
        `right_titles`, the rows of a square matrix were matched with one another.
    left_titles, right_titles : array-like of shape (n_left,) and (n_right,), or None
        Titles, which the table shows beside the ids.
    n_matches : int or None, default=None
        Keeps the best matches of each row, at least 1; None keeps all.

    Returns
    -------
    table : DataFrame or pyarrow.Table
        Of the library that the ids or titles are of, which is pandas, polars or
        pyarrow; of pandas, if they are lists or arrays. Its columns are

        - ``left`` and ``right``, the ids,
        - ``left_title`` and ``right_title``, if titles are given,
        - ``score``, float32,
        - ``rank``, int64, the place of the pair among those of its left row, from 1;
          of equal scores, the first column is the first.

        Rows are sorted by left row, then by falling score. Where rows were matched with
        one another, each pair is there once, the earlier row on the left, also if but
        one of its rows matches the other; of two scores it has the larger one, of its
        places among the pairs of both its rows the better one, and a row is no match of
        itself.

    Raises
    ------
    ImportError
        If the table is one of pandas, and pandas is not installed.
    ValueError
        If a score is not finite, an id is missing or there twice, ids or titles are not
        as many as rows or columns or of two libraries, or `n_matches` is below 1.

    See Also
    --------
    groups_table : A row for each listing, with its product.
    match_parquet : From a file to a file.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import match_table
    >>> scores = np.array([[0, 0.5, 0.75], [0.5, 0, 0], [0.75, 0, 0]])
    >>> match_table(scores, ["a1", "b7", "c2"])
      left right  score  rank
    0   a1    c2   0.75     1
    1   a1    b7   0.50     1
    >>> match_table(scores[:2], ["a1", "b7"], ["x", "y", "z"], n_matches=1)
      left right  score  rank
    0   a1     z   0.75     1
    1   b7     x   0.50     1
    """
    graph = _as_scores(scores)
    if n_matches is not None:
        check_scalar(n_matches, "n_matches", Integral, min_val=1)
    is_square = graph.shape[0] == graph.shape[1]
    is_among = is_square and right_ids is None and right_titles is None
    given = {"left_ids": left_ids, "right_ids": right_ids}
    given |= {"left_titles": left_titles, "right_titles": right_titles}
    columns = _read_sides(given, graph.shape, is_among)
    graph = _from_both_sides(graph) if is_among else graph
    order, rank = _rank(graph)
    row = row_indices(graph)
    if is_among:
        mirrored = csr_array((rank, graph.indices, graph.indptr), shape=graph.shape).T
        rank = np.minimum(rank, mirrored.tocsr().data)
        order = order[row[order] < graph.indices[order]]
    if n_matches is not None:
        order = order[rank[order] <= n_matches]
    rows = {"left": row[order], "right": graph.indices[order]}
    table: dict[str, Any] = {
        f"{side}{suffix}": take(columns[f"{side}_{what}"], rows[side])
        for what, suffix in (("ids", ""), ("titles", "_title"))
        for side in rows
        if f"{side}_{what}" in columns
    }
    return as_frame(table | {"score": graph.data[order], "rank": rank[order]})


def groups_table(groups: Any, ids: Any = None, *, titles: Any = None) -> Any:
    """Return groups as a table with a row for each listing.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        The product of each listing, int or str, as of :func:`group_matches`.
    ids : array-like of shape (n_samples,) or None, default=None
        The id of each listing; None numbers them from 0.
    titles : array-like of shape (n_samples,) or None, default=None
        Titles, which the table shows.

    Returns
    -------
    table : DataFrame or pyarrow.Table
        Of the library that `ids`, `titles` or `groups` are of, as of
        :func:`match_table`. Its columns are ``id``, ``product``, ``title``, if titles
        are given, and ``size``, int64, the number of listings of the product. The
        largest product comes first, of equal ones that of the first listing; the
        listings of a product are in their order.

    Raises
    ------
    ImportError
        If the table is one of pandas, and pandas is not installed.
    ValueError
        If a product or an id is missing, an id is there twice, or the three are not as
        many or of two libraries.

    See Also
    --------
    match_table : A row for each pair.

    Examples
    --------
    >>> from skmatch import groups_table
    >>> groups_table([0, 1, 1], ["a1", "b7", "c2"])
       id  product  size
    0  b7        1     2
    1  c2        1     2
    2  a1        0     1
    """
    codes = encode_labels(groups, "groups")
    given = {"ids": np.arange(len(codes)) if ids is None else ids, "groups": groups}
    given |= {} if titles is None else {"titles": titles}
    columns = as_columns(given, dict.fromkeys(given, len(codes)))
    check_ids("ids", columns["ids"])
    _, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    order = np.lexsort((first[codes], -sizes[codes]))
    names = {"ids": "id", "groups": "product", "titles": "title"}
    table: dict[str, Any] = {
        name: take(columns[of], order) for of, name in names.items() if of in columns
    }
    return as_frame(table | {"size": sizes[codes[order]]})


def _as_scores(scores: Any) -> csr_array:
    """Return scores as float32; of matches, those that are True."""
    graph = as_csr(scores, "scores")
    if graph.dtype == bool:
        graph = keep_entries(graph, graph.data)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        return graph.astype(np.float32)


def _read_sides(
    given: dict[str, Any], shape: tuple[int, int], is_among: bool
) -> dict[str, Any]:
    """Return the columns of both sides, which are the same of rows among themselves."""
    sizes = {name: shape[name.startswith("right")] for name in given}
    columns = as_columns(
        {
            name: np.arange(sizes[name]) if values is None else values
            for name, values in given.items()
            if values is not None or name.endswith("ids")
        },
        sizes,
    )
    for name in ("left_ids", "right_ids"):
        if given[name] is not None:
            check_ids(name, columns[name])
    if is_among:
        for name in ("ids", "titles"):
            if f"left_{name}" in columns:
                columns[f"right_{name}"] = columns[f"left_{name}"]
    return columns


def _from_both_sides(graph: csr_array) -> csr_array:
    """Return a graph without its diagonal, in which a pair has its larger score.

    By the places of the scores among all: what is not stored is below the first.
    """
    graph = keep_entries(graph, row_indices(graph) != graph.indices)
    values, places = np.unique(graph.data, return_inverse=True)
    coded = csr_array((places + 1, graph.indices, graph.indptr), shape=graph.shape)
    coded = csr_array(coded.maximum(coded.T))
    coded.sort_indices()
    return csr_array(
        (values[coded.data - 1], coded.indices, coded.indptr), shape=graph.shape
    )


def _rank(graph: csr_array) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the entries by row and falling score, and each one's place in its row."""
    row = row_indices(graph)
    order = np.lexsort((-graph.data, row))  # of equal scores, the first column
    rank = np.empty(graph.nnz, np.int64)
    rank[order] = np.arange(graph.nnz) - graph.indptr[row] + 1
    return order, rank
