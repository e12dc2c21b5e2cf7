"""All pairs of embeddings whose cosine similarity reaches a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse, vstack
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.preprocessing import normalize
from sklearn.utils import Tags, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_info, threadpool_limits

from skmatch.graph._refine import blend_neighbours, limit_matches, match_lonely_rows
from skmatch.search._cells import EXACT, Recall, Rows
from skmatch.search._faiss_index import (
    clone_index,
    flat_index,
    make_index,
    rows_of,
    search,
    tune_index,
)
from skmatch.search._planner import (
    Pairs,
    Run,
    draw,
    exact_sample,
    find_pairs,
    join,
    plan_search,
    threads,
)

_ENTRIES_PER_BLOCK = 2**24
_ROWS_PER_BLOCK = 2**16
_OWN = ("auto", "exact", "cells")


class SearchReport(NamedTuple):
    """How a search finds its pairs, as of :meth:`FaissThresholdMatcher.report_search`.

    Attributes
    ----------
    method : str
        "all pairs", "prefix" (all pairs by a bound on their similarity), "cells" or a
        faiss factory string.
    n_cells : int
        Number of cells; 0 where there are none.
    recall : float
        Share of the pairs, in ``[0, 1]``, that are found, as estimated from a sample of
        rows of which all pairs are known; 1 where the search is exact.
    recall_low, recall_high : float
        Ends of the 95 % interval of `recall`.
    """

    method: str
    n_cells: int
    recall: float
    recall_low: float
    recall_high: float


class FaissThresholdMatcher(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Match rows whose cosine similarity reaches a threshold.

    Every pair at or above the threshold is found, as long as the time for it is
    affordable, and at least `target_recall` of them beyond. There is no limit on the
    number of matches of a row. Memory grows with the rows and the matches, not with
    their square.

    Parameters
    ----------
    threshold : float, default=0.8
        Smallest cosine similarity of a match, in ``[-1, 1]``; larger is stricter. A
        pair exactly at the threshold matches: dense rows are float32 once they are
        scaled, and so are the similarities that are compared. It may be changed after
        :meth:`fit` by ``set_params``.
    index : str, default="auto"
        How dense rows are searched. Sparse rows are all compared.

        - "auto": "exact" up to about 5e12 floating-point operations, a minute of one
          core; "cells" beyond, if that is quicker.
        - "exact": every pair is found. All pairs are compared, in full or by a bound on
          their similarity, or the rows are put in cells with a margin that loses no
          pair; a look at a sample of the rows tells what is quickest.
        - "cells": cells with the smallest margin that reaches `target_recall` on a
          sample of the rows, of which all matches are known.
        - any other str: a faiss index factory string, such as "IVF1024,Flat" or
          "HNSW32". Its nprobe or efSearch is doubled until it reaches `target_recall`
          on the sample.
    target_recall : float, default=0.999
        Share of the pairs, in ``(0, 1]``, that a search that is not exact must find,
        with 95 % confidence. With 1 "cells" is exact, and a factory string misses none
        of the pairs of a sample.
    max_pairs : int, default=200_000_000
        Largest number of pairs that may be found. A threshold that gives more of them,
        by an estimate from a sample of the rows, raises an error before the search.
    blend : bool, default=False
        Whether :meth:`predict` shall replace each row by the mean of it and its
        matches, and search again; see :func:`blend_neighbours`. Assumes that most
        matches are right.
    max_matches : int or None, default=None
        Largest number of matches of a row with other rows; see :func:`limit_matches`.
        Assumes that no product has more rows. The matches are then not symmetric,
        unless they are reciprocal.
    reciprocal : bool, default=False
        Whether two rows match only if each is among the `max_matches` most similar rows
        of the other. Needs `max_matches`.
    nearest_for_lonely : bool, default=False
        Whether a row without a match shall match its nearest row, however similar; see
        :func:`match_lonely_rows`. Assumes that every product has at least two rows.
    n_jobs : int or None, default=None
        Number of threads; -1 is one a core, None as many as BLAS uses.

    Attributes
    ----------
    index_ : faiss.Index or csr_array
        Rows of the catalogue, (`n_samples_fit_`, `n_features_in_`), scaled to unit L2
        norm: a faiss index of float32 rows, or a sparse array of float64 rows where
        :meth:`fit` got a sparse one.
    search_index_ : faiss.Index or None
        The catalogue in the index of the factory string, where `index` was one.
    n_samples_fit_ : int
        Number of rows of the catalogue.
    n_features_in_ : int
        Number of columns (embedding dimension) seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the columns, where `X` was a DataFrame with str column names.

    See Also
    --------
    LSTMTitleEmbedder : Learn the embeddings of titles.
    rowwise_f1_scorer : The score to tune `threshold` by.
    sklearn.neighbors.RadiusNeighborsTransformer : The same by distance.

    Notes
    -----
    Rows of any norm are legal; they are scaled to unit L2 norm. A zero row has no
    direction: its similarity is 0 with every other row and 1 with itself. Squared
    Euclidean distance `t` of unit rows is cosine similarity ``1 - t / 2``.

    However a pair of dense rows was found, its similarity is computed again in float64,
    so that it depends on neither the order nor the number of rows. Sparse rows (TF-IDF,
    or a ``FeatureUnion`` of it with an embedder) are multiplied block by block in
    float64.

    Rows are compared in few dimensions where that pays: rotated by PCA, cut, and with
    the norm of what was cut off as a last column. In these, by the inequality of Cauchy
    and Schwarz, no similarity is smaller than it is; the pairs that still reach the
    threshold are looked at in full.

    The centroids of the cells are trained by faiss [1]_ on the short rows. A row also
    visits other cells, if it is near the hyperplane between them and its own. If two
    rows lie within distance r of one another in different cells, one of them lies
    within r / 2 of the hyperplane between these, so that a margin of r / 2 finds every
    pair. The share of the pairs that a smaller margin finds is known from a sample of
    rows, without any assumption about the data: it follows a beta distribution.

    References
    ----------
    .. [1] M. Douze et al., "The Faiss library", 2024. :arxiv:`2401.08281`

    Examples
    --------
    >>> from skmatch import FaissThresholdMatcher
    >>> catalogue = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
    >>> matcher = FaissThresholdMatcher(threshold=0.8).fit(catalogue)
    >>> matcher.predict(catalogue).toarray().astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])
    >>> matcher.transform([[2.0, 0.0]]).toarray()
    array([[1. , 0.8, 0. ]], dtype=float32)
    """

    def __init__(
        self,
        threshold: float = 0.8,
        *,
        index: str = "auto",
        target_recall: float = 0.999,
        max_pairs: int = 200_000_000,
        blend: bool = False,
        max_matches: int | None = None,
        reciprocal: bool = False,
        nearest_for_lonely: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.threshold = threshold
        self.index = index
        self.target_recall = target_recall
        self.max_pairs = max_pairs
        self.blend = blend
        self.max_matches = max_matches
        self.reciprocal = reciprocal
        self.nearest_for_lonely = nearest_for_lonely
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Index the rows of a catalogue.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite.
        y : object, default=None
            Ignored; exists for API consistency.

        Returns
        -------
        self : FaissThresholdMatcher
            The fitted matcher.

        Raises
        ------
        ValueError
            If a parameter is out of its range or a row of `X` is not finite.
        """
        self._check_params()
        rows = self._unit_rows(X, reset=True)
        search_index = None
        if self._uses_factory(rows):
            search_index, _ = self._make_index(rows)
        self.index_: Any = rows if issparse(rows) else flat_index(rows)
        self.n_samples_fit_ = rows.shape[0]
        self.search_index_: Any = search_index
        self._searches = (self.index, self.threshold)
        return self

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Add rows to the catalogue; the first call is :meth:`fit`.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite; sparse if and only if those of :meth:`fit` were.
        y : object, default=None
            Ignored; exists for API consistency.

        Returns
        -------
        self : FaissThresholdMatcher
            The matcher with the larger catalogue.

        Raises
        ------
        ValueError
            As :meth:`fit`, and if dense and sparse rows are mixed.
        """
        if not hasattr(self, "index_"):
            return self.fit(X)
        self._check_params()
        rows = self._unit_rows(X, reset=False)
        self._check_kind(rows)
        if issparse(rows):
            self.index_ = vstack([self.index_, rows], format="csr")
        else:
            self.index_.add(rows)
            if self.search_index_ is not None:
                self.search_index_.add(rows)
        self.n_samples_fit_ += rows.shape[0]
        return self

    def predict(self, X: ArrayLike) -> csr_array:
        """Match the rows of `X` with one another.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite. The catalogue of :meth:`fit` plays no part.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            True where two rows match; True on the diagonal, and symmetric unless
            `max_matches` or `nearest_for_lonely` make it otherwise.

        Raises
        ------
        ValueError
            If a row of `X` is not finite, the number of columns is another than in
            :meth:`fit`, or there would be more than `max_pairs` pairs.
        """
        check_is_fitted(self)
        self._check_params()
        rows = self._unit_rows(X, reset=False)
        pairs = self._find_pairs(rows, None)
        if self.blend:
            rows = blend_neighbours(rows, _mirror(pairs, rows.shape[0]))
            pairs = self._find_pairs(rows, None)
        if self.max_matches is not None or self.nearest_for_lonely:
            graph = self._refine(_mirror(pairs, rows.shape[0]), rows, None)
            graph = graph.tocoo()
            row, column = graph.row, graph.col
        else:
            row = np.concatenate([pairs[0], pairs[1]])
            column = np.concatenate([pairs[1], pairs[0]])
        diagonal = np.arange(rows.shape[0])
        row, column = np.append(row, diagonal), np.append(column, diagonal)
        return _csr(np.ones(row.size, dtype=bool), row, column, 2 * rows.shape[:1])

    def fit_predict(self, X: ArrayLike, y: object = None) -> csr_array:
        """Index the rows of `X` and match them with one another.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite.
        y : object, default=None
            Ignored; exists for API consistency.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            As :meth:`predict`.
        """
        return self.fit(X).predict(X)

    def transform(self, X: ArrayLike) -> csr_array:
        """Find the rows of the catalogue that match the rows of `X`.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite.

        Returns
        -------
        similarities : csr_array of shape (n_samples, `n_samples_fit_`), dtype float32
            Cosine similarity in ``[-1, 1]`` of each match with a row of the catalogue.
            Pairs below `threshold` are not stored; a row without a match is empty.

        Raises
        ------
        ValueError
            If a row of `X` is not finite, the number of columns is another than in
            :meth:`fit`, `X` is sparse and the catalogue dense or the reverse, or there
            would be more than `max_pairs` pairs.
        """
        check_is_fitted(self)
        self._check_params()
        rows = self._unit_rows(X, reset=False)
        self._check_kind(rows)
        row, column, similarity = self._find_pairs(rows, self.index_)
        graph = _csr(similarity, row, column, (rows.shape[0], self.n_samples_fit_))
        return self._refine(graph, rows, self.index_)

    def report_search(self, X: ArrayLike) -> SearchReport:
        """Tell how :meth:`predict` searches these rows, and what share it finds.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite.

        Returns
        -------
        report : SearchReport
            Named tuple of method, n_cells, recall, recall_low and recall_high.
        """
        check_is_fitted(self)
        self._check_params()
        rows = self._unit_rows(X, reset=False)
        if issparse(rows):
            return SearchReport("all pairs", 0, *EXACT)
        if self._uses_factory(rows):
            return SearchReport(self.index, 0, *self._make_index(rows)[1])
        with self._threads() as run:
            plan = self._plan(rows, None, run)
        if plan.cells is not None:
            return SearchReport("cells", len(plan.cells), *plan.recall)
        method = "all pairs" if plan.directions is None else "prefix"
        return SearchReport(method, 0, *EXACT)

    def _find_pairs(self, rows: Any, catalogue: Any) -> Pairs:
        """Find pairs; with `catalogue` None those among rows, as (smaller, larger)."""
        if not issparse(rows) and catalogue is not None:
            catalogue = rows_of(catalogue)
        self._refuse_too_many(rows, rows if catalogue is None else catalogue)
        if issparse(rows):
            return join(_sparse_pairs(rows, catalogue, self.threshold))
        if self._uses_factory(rows):
            return self._find_by_factory(rows, catalogue)
        with self._threads() as run:
            plan = self._plan(rows, catalogue, run)
            return join(find_pairs(rows, catalogue, self.threshold, plan, run))

    def _find_by_factory(self, rows: Rows, catalogue: Rows | None) -> Pairs:
        """Find pairs in the index of the factory string."""
        if catalogue is not None:
            index = self._index_of_catalogue(catalogue)
        else:
            index, _ = self._make_index(rows)
        other = rows if catalogue is None else catalogue
        with threadpool_limits(self._n_threads()):
            row, column, similarity = join(search(index, rows, other, self.threshold))
        if catalogue is not None:
            return row, column, similarity
        # An index may find a pair from one side only: take it from either.
        small, large = np.minimum(row, column), np.maximum(row, column)
        once = np.unique(small * len(rows) + large, return_index=True)[1]
        once = once[small[once] != large[once]]
        return small[once], large[once], similarity[once]

    def _refine(self, graph: csr_array, rows: Any, catalogue: Any) -> csr_array:
        """Do to the similarities what the parameters ask for."""
        if self.max_matches is not None:
            graph = limit_matches(graph, self.max_matches, reciprocal=self.reciprocal)
        if self.nearest_for_lonely:
            if not issparse(rows) and catalogue is not None:
                catalogue = rows_of(catalogue)
            graph = match_lonely_rows(graph, rows, catalogue)
        return graph

    def _plan(self, rows: Rows, catalogue: Rows | None, run: Run) -> Any:
        """Plan the search of dense rows."""
        return plan_search(
            rows,
            catalogue,
            self.threshold,
            index=self.index,
            target_recall=self.target_recall,
            run=run,
        )

    def _make_index(self, rows: Rows) -> tuple[Any, Recall]:
        """Make the index of the factory string; return it and its recall."""
        with threadpool_limits(self._n_threads()):
            index = make_index(rows, self.index)
        return index, self._tune_index(index, rows)

    def _tune_index(self, index: Any, rows: Rows) -> Recall:
        """Let an index search as widely as the threshold asks for."""
        target = self.target_recall
        with self._threads() as run:
            sample, pairs = exact_sample(rows, None, self.threshold, target, run)
        with threadpool_limits(self._n_threads()):
            return tune_index(index, sample, pairs, rows, self.threshold, target)

    def _index_of_catalogue(self, catalogue: Rows) -> Any:
        """Return the index of the factory string, tuned to the threshold of now."""
        factory, threshold = self._searches
        if factory != self.index:
            return self._make_index(catalogue)[0]
        if threshold == self.threshold:
            return self.search_index_
        index = clone_index(self.search_index_)
        self._tune_index(index, catalogue)
        return index

    def _uses_factory(self, rows: Any) -> bool:
        return not issparse(rows) and self.index not in _OWN

    def _n_threads(self) -> int:
        """Return the number of threads that `n_jobs` asks for."""
        if self.n_jobs is not None:
            return effective_n_jobs(self.n_jobs)
        return max((pool["num_threads"] for pool in threadpool_info()), default=1)

    def _threads(self) -> Any:
        """Open the threads of a search."""
        return threads(self._n_threads())

    def _refuse_too_many(self, rows: Any, catalogue: Any) -> None:
        """Raise if the threshold is so low that there are too many pairs."""
        n_all = rows.shape[0] * catalogue.shape[0]
        if n_all <= self.max_pairs:
            return
        some = rows[draw(rows.shape[0], 256)]
        others = catalogue[draw(catalogue.shape[0], 20_000)]
        similarities = some @ others.T
        if issparse(similarities):
            similarities = similarities.toarray()
        n_pairs = (similarities >= self.threshold).mean() * n_all
        if n_pairs > self.max_pairs:
            fits = np.quantile(similarities, 1 - self.max_pairs / n_all)
            raise ValueError(
                f"threshold={self.threshold} would find about {n_pairs:.2g} pairs; "
                f"expected at most max_pairs={self.max_pairs:.2g}, as with a threshold "
                f"of about {min(1.0, fits + 0.005):.2f}."
            )

    def _check_params(self) -> None:
        """Raise if a parameter is out of its range."""
        check_scalar(self.threshold, "threshold", Real, min_val=-1, max_val=1)
        if np.isnan(self.threshold):
            raise ValueError("threshold == nan, must be in [-1, 1].")
        check_scalar(self.index, "index", str)
        check_scalar(
            self.target_recall,
            "target_recall",
            Real,
            min_val=0,
            max_val=1,
            include_boundaries="right",
        )
        check_scalar(self.max_pairs, "max_pairs", Integral, min_val=1)
        if self.max_matches is not None:
            check_scalar(self.max_matches, "max_matches", Integral, min_val=1)
        elif self.reciprocal:
            raise ValueError("reciprocal=True needs max_matches, which is None.")

    def _check_kind(self, rows: Any) -> None:
        """Raise if dense rows meet a sparse catalogue or the reverse."""
        if issparse(rows) != issparse(self.index_):
            kinds = {True: "sparse", False: "dense"}
            raise ValueError(
                f"X is {kinds[issparse(rows)]} and the catalogue of fit is "
                f"{kinds[issparse(self.index_)]}; expected both to be the same."
            )

    def _unit_rows(self, X: Any, *, reset: bool) -> Any:
        """Scale finite rows to unit L2 norm: dense float32 or sparse float64."""
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
        )
        values = X.data if issparse(X) else X
        with np.errstate(all="ignore"):
            looks_finite = np.isfinite(values.sum())  # a quick first look
        bad = np.empty(0) if looks_finite else np.nonzero(~np.isfinite(values))[0]
        if bad.size:
            row = bad[0]
            if issparse(X):
                row = np.searchsorted(X.indptr, row, side="right") - 1
            raise ValueError(
                f"row {row} of X holds NaN or inf; expected finite embeddings."
            )
        # Scaling by the largest entry first keeps the squares from over- or underflow.
        if issparse(X):
            rows = csr_array(X, dtype=np.float64, copy=True)
            rows.eliminate_zeros()
            largest = abs(rows).max(axis=1).toarray().ravel()
            rows.data /= np.repeat(largest, np.diff(rows.indptr))
            return normalize(rows, copy=False)
        unit = np.empty(X.shape, dtype=np.float32)
        for start in range(0, len(X), _ROWS_PER_BLOCK):  # X may be larger than memory
            block = slice(start, start + _ROWS_PER_BLOCK)
            largest = abs(X[block]).max(axis=1, keepdims=True)
            unit[block] = X[block] / np.where(largest > 0, largest, 1)
            normalize(unit[block], copy=False)
        return unit

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _sparse_pairs(
    queries: csr_array, catalogue: csr_array | None, threshold: float
) -> Iterator[Pairs]:
    """Yield the pairs at or above the threshold, with their similarity."""
    is_self = catalogue is None
    catalogue = queries if catalogue is None else catalogue
    n_rows, n_columns = queries.shape[0], catalogue.shape[0]
    # Full columns (embeddings beside TF-IDF) go through BLAS, the others are sparse.
    is_full = (
        np.bincount(catalogue.indices, minlength=catalogue.shape[1]) > n_columns / 4
    )
    full_queries, full_catalogue = (
        x[:, is_full].toarray() for x in (queries, catalogue)
    )
    queries, catalogue = queries[:, ~is_full], catalogue[:, ~is_full].T.tocsr()
    step = max(1, _ENTRIES_PER_BLOCK // max(1, n_columns))
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        similarities = (queries[block] @ catalogue).toarray()
        similarities += full_queries[block] @ full_catalogue.T
        # Rounding must not part equal rows, nor a pair from its mirror image.
        similarities = np.clip(similarities, -1, 1).astype(np.float32)
        found = similarities >= np.float32(threshold)
        if is_self:
            found = np.triu(found, k=start + 1)
        rows, columns = found.nonzero()
        yield rows + start, columns, similarities[rows, columns]


def _mirror(pairs: Pairs, n_rows: int) -> csr_array:
    """Return the similarities of pairs from both sides, without the diagonal."""
    row, column, similarity = pairs
    return _csr(
        np.concatenate([similarity, similarity]),
        np.concatenate([row, column]),
        np.concatenate([column, row]),
        (n_rows, n_rows),
    )


def _csr(
    values: NDArray[Any],
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    shape: tuple[int, int],
) -> csr_array:
    """Build a csr array with sorted indices, of int32 while they suffice."""
    fits = max(values.size, *shape) <= np.iinfo(np.int32).max
    position = np.int32 if fits else np.int64
    row, column = row.astype(position), column.astype(position)
    matrix = csr_array((values, (row, column)), shape=shape)
    matrix.sort_indices()
    return matrix
