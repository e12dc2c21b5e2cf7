"""All pairs of embeddings whose cosine similarity reaches a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, Self

import faiss
import numpy as np
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

# faiss leaves BLAS for batches with rows * dimensions < 128,000, and is 6 times slower.
_ROWS_PER_SEARCH = 4096
_PAIRS_PER_CHECK = 2**16
_CELLS_PER_BLOCK = 2**24

Pairs = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]


class FaissThresholdMatcher(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Match rows whose cosine similarity reaches a threshold, by exact faiss search.

    Every pair at or above the threshold is found; there is no limit on the number of
    matches of a row. Memory grows with the rows and the matches, not with their square.

    Parameters
    ----------
    threshold : float, default=0.8
        Smallest cosine similarity of a match, in ``[-1, 1]``; larger is stricter. A
        pair exactly at the threshold matches: dense rows are float32 once they are
        scaled, and so are the similarities that are compared. It may be changed after
        :meth:`fit` by ``set_params``.

    Attributes
    ----------
    index_ : faiss.IndexFlatIP or csr_array
        Rows of the catalogue, (`n_samples_fit_`, `n_features_in_`), scaled to unit L2
        norm: a faiss index of float32 rows, or a sparse array of float64 rows where
        :meth:`fit` got a sparse one.
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

    Candidates of dense rows come from faiss [1]_ with room for float32 rounding; the
    similarity of each candidate is then computed again in float64, so that it depends
    on neither the order nor the number of rows. Sparse rows (TF-IDF, or a
    ``FeatureUnion`` of it with an embedder) are multiplied block by block in float64.

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

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold

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
            If `threshold` is outside ``[-1, 1]`` or a row of `X` is not finite.
        """
        self._check_threshold()
        rows = self._unit_rows(X, reset=True)
        self.index_: Any = rows if issparse(rows) else _flat_index(rows)
        self.n_samples_fit_ = rows.shape[0]
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
        self._check_threshold()
        rows = self._unit_rows(X, reset=False)
        self._check_kind(rows)
        if issparse(rows):
            self.index_ = vstack([self.index_, rows], format="csr")
        else:
            self.index_.add(rows)
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
            True where two rows match; symmetric, and True on the diagonal.

        Raises
        ------
        ValueError
            If a row of `X` is not finite or the number of columns is another than in
            :meth:`fit`.
        """
        check_is_fitted(self)
        self._check_threshold()
        rows = self._unit_rows(X, reset=False)
        pairs = _similar_pairs(rows, rows, self.threshold, above_diagonal=True)
        above, right, _ = _concatenate(pairs)
        diagonal = np.arange(rows.shape[0])
        row = np.concatenate([above, right, diagonal])
        column = np.concatenate([right, above, diagonal])
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
            :meth:`fit`, or `X` is sparse and the catalogue dense or the reverse.
        """
        check_is_fitted(self)
        self._check_threshold()
        rows = self._unit_rows(X, reset=False)
        self._check_kind(rows)
        pairs = _similar_pairs(rows, self.index_, self.threshold)
        row, column, similarity = _concatenate(pairs)
        return _csr(similarity, row, column, (rows.shape[0], self.n_samples_fit_))

    def _check_threshold(self) -> None:
        """Raise unless `threshold` is a cosine similarity."""
        check_scalar(self.threshold, "threshold", Real, min_val=-1, max_val=1)
        if np.isnan(self.threshold):
            raise ValueError("threshold == nan, must be in [-1, 1].")

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
        largest = abs(X).max(axis=1)
        if issparse(X):
            scale = largest.toarray().ravel()
            rows = csr_array(X, dtype=np.float64, copy=True)
            rows.eliminate_zeros()
            rows.data /= np.repeat(scale, np.diff(rows.indptr))
        else:
            scale = np.where(largest > 0, largest, 1)
            rows = (X / scale[:, None]).astype(np.float32, copy=False)
        return normalize(rows, copy=False)

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _similar_pairs(
    queries: Any, catalogue: Any, threshold: float, *, above_diagonal: bool = False
) -> Iterator[Pairs]:
    """Yield the pairs of unit rows at or above the threshold, block by block.

    `catalogue` is a faiss index, or sparse rows. `above_diagonal` is for rows against
    themselves: it keeps the pairs whose column exceeds their row, in half of the work.
    """
    candidates = _sparse_candidates if issparse(queries) else _dense_candidates
    for rows, columns, similarities in candidates(
        queries, catalogue, threshold, above_diagonal
    ):
        keep = similarities >= np.float32(threshold)
        yield rows[keep], columns[keep], similarities[keep]


def _dense_candidates(
    queries: NDArray[np.float32], catalogue: Any, threshold: float, above_diagonal: bool
) -> Iterator[Pairs]:
    """Yield all pairs that may reach the threshold, with their similarity."""
    rounding = 2 * (queries.shape[1] + 2) * np.finfo(np.float32).eps
    for start in range(0, len(queries), _ROWS_PER_SEARCH):
        block = queries[start : start + _ROWS_PER_SEARCH]
        offset = start if above_diagonal else 0
        index = _flat_index(queries[start:]) if above_diagonal else catalogue
        limits, _, columns = index.range_search(block, float(threshold - rounding))
        rows = np.repeat(np.arange(len(block)), np.diff(limits.astype(np.intp)))
        if above_diagonal:
            rows, columns = rows[columns > rows], columns[columns > rows]
        for first in range(0, rows.size, _PAIRS_PER_CHECK):
            some = slice(first, first + _PAIRS_PER_CHECK)
            similarities = _cosines(
                block[rows[some]], index.reconstruct_batch(columns[some])
            )
            yield rows[some] + start, columns[some] + offset, similarities


def _sparse_candidates(
    queries: csr_array, catalogue: csr_array, threshold: float, above_diagonal: bool
) -> Iterator[Pairs]:
    """Yield the pairs at or above the threshold, with their similarity."""
    n_rows, n_columns = queries.shape[0], catalogue.shape[0]
    # Full columns (embeddings beside TF-IDF) go through BLAS, the others are sparse.
    is_full = (
        np.bincount(catalogue.indices, minlength=catalogue.shape[1]) > n_columns / 4
    )
    full_queries, full_catalogue = (
        x[:, is_full].toarray() for x in (queries, catalogue)
    )
    queries, catalogue = queries[:, ~is_full], catalogue[:, ~is_full].T.tocsr()
    step = max(1, _CELLS_PER_BLOCK // max(1, n_columns))
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        similarities = (queries[block] @ catalogue).toarray()
        similarities += full_queries[block] @ full_catalogue.T
        # Rounding must not part equal rows, nor a pair from its mirror image.
        similarities = np.clip(similarities, -1, 1).astype(np.float32)
        found = similarities >= np.float32(threshold)
        if above_diagonal:
            found = np.triu(found, k=start + 1)
        rows, columns = found.nonzero()
        yield rows + start, columns, similarities[rows, columns]


def _flat_index(rows: NDArray[np.float32]) -> faiss.IndexFlatIP:
    """Put dense rows into an exact inner-product index."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    return index


def _cosines(
    left: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Cosine similarity of each row of `left` with the same row of `right`."""
    dot, left_square, right_square = (
        np.einsum("ij,ij->i", a, b, dtype=np.float64)
        for a, b in ((left, right), (left, left), (right, right))
    )
    norms = np.sqrt(left_square) * np.sqrt(right_square)
    cosines = np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0)
    return np.clip(cosines, -1, 1).astype(np.float32)


def _concatenate(pairs: Iterator[Pairs]) -> Pairs:
    """Join blocks of pairs; no block gives no pair."""
    empty = np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32)
    rows, columns, similarities = zip(empty, *pairs, strict=True)
    return (
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate(similarities),
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
