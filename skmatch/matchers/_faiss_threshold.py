"""All pairs of embeddings whose cosine similarity reaches a threshold."""

from __future__ import annotations

import inspect
import warnings
from numbers import Integral
from traceback import walk_stack
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse, vstack
from sklearn.base import (
    BaseEstimator,
    clone,
)
from sklearn.utils import Tags, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_info

from skmatch._fitting import fitting
from skmatch._matrices import as_csr, as_dense
from skmatch._numbers import check_n_jobs, check_number
from skmatch._progress import showing_progress
from skmatch.graph import (
    ROUNDED_ZERO,
    check_decision,
    decide_matches,
    expand_queries,
    keep_matches,
    symmetrize,
)
from skmatch.matchers._mixin import MatcherMixin, check_n_matches
from skmatch.persistence import savable
from skmatch.search import (
    Pairs,
    Plan,
    SearchReport,
    check_index,
    clone_index,
    flat_index,
    inner_products,
    most_similar,
    nearest_neighbors,
    plan_search,
    refuse_too_many,
    rows_of,
    search_pairs,
    unit_rows,
    uses_factory,
)


@savable
class FaissThresholdMatcher(MatcherMixin, BaseEstimator):
    """Match rows whose cosine similarity reaches a threshold.

    Every pair at or above the threshold is found, as long as the time for it is
    affordable, and at least `target_recall` of them beyond. There is no limit on the
    number of matches of a row. Memory grows with the rows and the matches, not with
    their square.

    Parameters
    ----------
    threshold : float, default=0.8
        Smallest cosine similarity of a match, in ``[-1, 1]``; larger is stricter. A
        pair at the threshold matches. What is compared is float32, and dense rows are
        float32 once they are scaled, which moves a similarity by less than 3e-7: a
        threshold that is so much lower finds each pair whose exact similarity is the
        threshold. Sparse rows are multiplied in float64, and lose none. It may be
        changed after :meth:`fit` by ``set_params``.
    index : str, default="auto"
        How dense rows are searched. Sparse rows are all compared.

        - "auto": "exact" up to about 5e12 floating-point operations, a minute of one
          core; "cells" beyond, if that is quicker.
        - "exact": every pair is found. All pairs are compared, in full or by a bound on
          their similarity, or the rows are put in cells with a margin that loses no
          pair: what is quickest is measured on a sample of the rows.
        - "cells": cells with the smallest margin that reaches `target_recall` on a
          sample of the rows, of which all matches are known.
        - any other str: a faiss index factory string, such as "IVF1024,Flat" or
          "HNSW32". Its nprobe or efSearch is doubled until it reaches `target_recall`
          on the sample. Equal rows are found whatever it is. Allowed are ``HNSWm`` and
          ``[IVFn[_HNSWm],]CODE[,RFlat]``, where CODE is Flat, SQ4, SQ6, SQ8, SQfp16,
          SQbf16, ``PQk``, ``PQkxb`` or ``PQkx4fs``, m is from 2 to 512 and b from 4 to
          8: some others end the interpreter.
    target_recall : float, default=0.999
        Share of the pairs, in ``(0, 1]``, that a search that is not exact must find,
        with 95 % confidence. With 1 "cells" is exact. Where the index of a factory
        string misses pairs of the sample and does not reach it, the searches warn.
    max_pairs : int, default=200_000_000
        Largest number of pairs that may be found. A threshold that gives more of them,
        by an estimate from a sample of the rows, raises an error before the search.
    query_expansion : bool, default=False
        Whether :meth:`predict` and :meth:`score_graph` shall replace each row by the
        mean of it and its matches, and search again; see :func:`expand_queries`.
        Assumes that most matches are right. It has no meaning against a catalogue:
        :meth:`transform` leaves its rows as they are.
    max_matches : int or None, default=None
        Largest number of matches of a row with other rows; of equally similar ones, the
        first. Assumes that no product has more rows. The matches are then not
        symmetric, unless they are mutual.
    mutual : bool, default=False
        Whether two rows match only if each is among the `max_matches` most similar rows
        of the other. Needs `max_matches`. In :meth:`transform` the other side is a row
        of the catalogue, and its most similar rows are those among the rows of the same
        call.
    match_singletons : bool, default=False
        Whether a row without a match shall match its most similar row, below the
        threshold too, if the similarity is larger than what rounding makes of 0
        (2.4e-7). Assumes that every product has at least two rows.
    n_jobs : int or None, default=None
        Number of threads; -1 is one a core, None as many as BLAS uses.
    verbose : bool, default=False
        Whether to show a progress bar for each step that takes longer than half a
        second.

    Attributes
    ----------
    index_ : faiss.Index or csr_array
        Rows of the catalogue, (`n_samples_fit_`, `n_features_in_`), scaled to unit L2
        norm: a faiss index of float32 rows, or a sparse array of float64 rows where
        :meth:`fit` got a sparse one.
    search_index_ : faiss.Index or None
        The catalogue in the index of the factory string, where `index` was one; of
        several equal rows, the first.
    n_samples_fit_ : int
        Number of rows of the catalogue.
    n_features_in_ : int
        Number of columns (embedding dimension) seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the columns, where `X` was a DataFrame with str column names.

    See Also
    --------
    decide_matches : From the score graph to the matches, at any threshold.
    LSTMTitleEmbedder : Learn the embeddings of titles.
    rowwise_f1_scorer : The score to tune `threshold` by.
    sklearn.neighbors.RadiusNeighborsTransformer : The same by distance.

    Notes
    -----
    Rows of any norm are legal; they are scaled to unit L2 norm. A zero row has no
    direction: its similarity is 0 with every other row and 1 with itself. Squared
    Euclidean distance `t` of unit rows is cosine similarity ``1 - t / 2``.

    :meth:`predict` scores pairs, and then decides which of them match::

        decide_matches(self.score_graph(X), self.threshold, max_matches=..., ...)

    However a pair of dense rows was found, its similarity is computed again in float64
    (exact re-ranking), so that it depends on neither the order nor the number of rows.
    Sparse rows (TF-IDF, or a ``FeatureUnion`` of it with an embedder) are multiplied
    block by block in float64.

    The method "prefix" compares rows in few dimensions: rotated by PCA, cut, and with
    the norm of what was cut off as a last column. By the inequality of Cauchy and
    Schwarz, their inner product is no smaller than the similarity; that of the pairs
    that still reach the threshold is computed in all dimensions.

    What :func:`save` keeps of a matcher are the rows of the catalogue; :func:`load`
    makes the index of a factory string anew, by the calls that made it.

    The cells are an inverted file: the centroids are trained by faiss [1]_ on the short
    rows, and the home of a row is the cell of its nearest centroid. A row also probes
    each other cell, if its distance to the hyperplane that bisects the two centroids is
    at most a margin. If two rows lie within distance r of one another in different
    cells, one of them lies within r / 2 of the bisector of these, so that a margin of
    r / 2 finds every pair. The share of the pairs that a smaller margin finds is
    estimated from a sample of rows, without any assumption about the data: it follows a
    beta distribution.

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

    index_: Any
    search_index_: Any

    def __init__(
        self,
        threshold: float = 0.8,
        *,
        index: str = "auto",
        target_recall: float = 0.999,
        max_pairs: int = 200_000_000,
        query_expansion: bool = False,
        max_matches: int | None = None,
        mutual: bool = False,
        match_singletons: bool = False,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.threshold = threshold
        self.index = index
        self.target_recall = target_recall
        self.max_pairs = max_pairs
        self.query_expansion = query_expansion
        self.max_matches = max_matches
        self.mutual = mutual
        self.match_singletons = match_singletons
        self.n_jobs = n_jobs
        self.verbose = verbose

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
        with fitting(self) as fitted:
            rows = fitted._unit_rows(X, reset=True)
            fitted.__dict__.update(fitted._describe_catalogue(rows))
        return self

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Add rows to the catalogue; the first call is :meth:`fit`.

        It copies the catalogue: a few calls of many rows are quicker than many of few.
        With a factory string, the recall is measured again.

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
            rows = vstack([self.index_, rows], format="csr")
            self.__dict__.update(self._describe_catalogue(rows))
            return self
        # In a copy: others may read the index, and an interrupt leaves it as it was.
        index = clone_index(self.index_)
        index.add(rows)
        self.__dict__.update(self._describe_catalogue(rows_of(index), index))
        return self

    def score_graph(
        self, X: ArrayLike, catalogue: Any = None, n_matches: int | None = None
    ) -> csr_array:
        """Return the similarities of pairs of rows.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_features)
            Embeddings, finite, of which pairs are found. The catalogue of :meth:`fit`
            plays no part.
        catalogue : array-like or sparse array of shape (n_catalogue, n_features), \
default=None
            Embeddings to pair those of `X` with, instead of one another.
        n_matches : int or None, default=None
            How many of the most similar rows of `catalogue` are scored for each row of
            `X`, whatever the `threshold`. None are all that reach it.

        Returns
        -------
        score_graph : csr_array of shape (n_samples, n_samples), dtype float32
            Cosine similarities in ``[-1, 1]`` of all pairs at or above `threshold`
            (of the expanded rows, with `query_expansion`), symmetric and without a
            diagonal. With `match_singletons` also that of each row that is in none of
            these pairs with its most similar row, if that counts as larger than 0. With
            `catalogue`, of shape (n_samples, n_catalogue).

        Raises
        ------
        ValueError
            If a row of `X` is not finite, the number of columns is another than in
            :meth:`fit`, or there would be more than `max_pairs` pairs.
        """
        check_is_fitted(self)
        self._check_params()
        check_n_matches(n_matches, catalogue)
        if n_matches is not None:
            return self._score_nearest(X, catalogue, int(n_matches))
        if catalogue is not None:
            return clone(self).fit(catalogue)._score_against(X)
        rows = self._unit_rows(X, reset=False)
        row, column, similarity = self._find_pairs(rows, None)
        if self.query_expansion:
            graph = symmetrize(similarity, row, column, rows.shape[0])
            rows = expand_queries(rows, graph)
            row, column, similarity = self._find_pairs(rows, None)
        if self.match_singletons:
            with showing_progress(self.verbose):
                row, column, similarity = _add_singletons(
                    (row, column, similarity), rows, None
                )
        return symmetrize(similarity, row, column, rows.shape[0])

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
            `max_matches` or `match_singletons` make it otherwise.

        Raises
        ------
        ValueError
            As :meth:`score_graph`.
        """
        return self.decide(self.score_graph(X))

    def decide(self, score_graph: Any) -> csr_array:
        """Decide by a score graph which rows match: the second half of :meth:`predict`.

        Parameters
        ----------
        score_graph : array-like or sparse array of shape (n_samples, n_samples)
            Similarities, as of :meth:`score_graph`.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            As :meth:`predict`.

        Raises
        ------
        ValueError
            As :func:`decide_matches`.
        """
        self._check_params()
        return decide_matches(score_graph, self.threshold, **self._refinements())

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
        graph = self._score_against(X)
        return keep_matches(graph, self.threshold, **self._refinements())

    def _score_nearest(self, X: Any, catalogue: Any, n_matches: int) -> csr_array:
        """Return the similarities of rows and their nearest ones of a catalogue."""
        rows = self._unit_rows(X, reset=False)
        others = self._unit_rows(catalogue, reset=False)
        if issparse(rows) != issparse(others):
            raise ValueError("One of X and catalogue is sparse; expected both or none.")
        with showing_progress(self.verbose):
            row, column = nearest_neighbors(rows, others, n_matches, self._n_threads())
        similarity = inner_products(rows, others, row, column)
        shape = rows.shape[0], others.shape[0]
        graph = csr_array((similarity, (row, column)), shape=shape)
        graph.sort_indices()
        return graph

    def _score_against(self, X: Any) -> csr_array:
        """Return the similarities of rows and those of the catalogue that reach far."""
        rows = self._unit_rows(X, reset=False)
        self._check_kind(rows)
        index = self.index_  # which holds the rows, whatever another thread may fit
        catalogue = index if issparse(rows) else rows_of(index)
        row, column, similarity = self._find_pairs(rows, catalogue)
        if self.match_singletons:
            with showing_progress(self.verbose):
                row, column, similarity = _add_singletons(
                    (row, column, similarity), rows, catalogue
                )
        shape = rows.shape[0], catalogue.shape[0]
        dtype = np.int32 if max(similarity.size, *shape) < 2**31 else np.int64
        row, column = row.astype(dtype), column.astype(dtype)
        graph = csr_array((similarity, (row, column)), shape=shape)
        graph.sort_indices()
        return graph

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
        return self._plan(rows, None).report

    def _find_pairs(self, rows: Any, catalogue: Any) -> Pairs:
        """Find pairs; with `catalogue` None those among rows, as (smaller, larger)."""
        others = rows if catalogue is None else catalogue
        refuse_too_many(rows, others, self.threshold, self.max_pairs)
        plan = self._plan(rows, catalogue)
        recall = plan.recall
        # Without a miss, the sample was all rows: there is nothing more to measure.
        if recall.value < 1 and recall.low < self.target_recall:
            warnings.warn(
                f"index={self.index!r} found {recall.value:.4f} of the pairs of a "
                f"sample of rows (95 % interval {recall.low:.4f} to "
                f"{recall.high:.4f}); expected target_recall={self.target_recall}. "
                "index='auto' reaches it.",
                UserWarning,
                stacklevel=_level_of_user(),
            )
        with showing_progress(self.verbose):
            return search_pairs(
                rows, catalogue, self.threshold, plan, self._n_threads()
            )

    def _plan(self, rows: Any, catalogue: Any) -> Plan:
        """Plan the search of `rows` in the catalogue, or among themselves."""
        if (
            catalogue is not None
            and uses_factory(rows, self.index)
            and self._tuned_for_ == self._search_params()
        ):
            return self._catalogue_plan_
        return self._make_plan(rows, catalogue)

    def _make_plan(self, rows: Any, catalogue: Any) -> Plan:
        """Plan the search anew, but for the index if its string is still the same."""
        return plan_search(
            rows,
            catalogue,
            self.threshold,
            index=self.index,
            target_recall=self.target_recall,
            n_threads=self._n_threads(),
            search_index=(
                self.search_index_
                if catalogue is not None and self._is_of_index()
                else None
            ),
        )

    def _is_of_index(self) -> bool:
        """Tell whether `search_index_` is of the string that `index` is now."""
        return bool(getattr(self, "_tuned_for_", (None,))[0] == self.index)

    def _describe_catalogue(self, rows: Any, index: Any = None) -> dict[str, Any]:
        """Return the fitted attributes of a catalogue of unit rows.

        `index` holds these rows, if there is one already.
        """
        if not issparse(rows) and index is None:
            index = flat_index(rows)
        plan, earlier = None, ()
        if uses_factory(rows, self.index):
            plan = self._make_plan(rows, rows)
            if self._is_of_index() and self.search_index_ is not None:
                earlier = self._index_ends_
        return {
            "index_": rows if index is None else index,
            "n_samples_fit_": rows.shape[0],
            "search_index_": None if plan is None else plan.index,
            # How many rows there were after each call that the index was made by.
            "_index_ends_": (*earlier, rows.shape[0]),
            "_tuned_for_": self._search_params(),
            "_catalogue_plan_": plan,
        }

    def _state_to_save(self) -> dict[str, Any]:
        """Return what is saved of it: rows, and not what faiss has made of them."""
        state = dict(vars(self))
        if "index_" in state and not issparse(self.index_):
            state["index_"] = rows_of(self.index_)
        made = {"search_index_", "_catalogue_plan_"}
        return {name: value for name, value in state.items() if name not in made}

    def _restore(self, state: dict[str, Any]) -> None:
        """Take what was saved, and index the rows."""
        self.__dict__.update(state)
        if "index_" not in state:
            return
        rows = state["index_"]
        try:
            index, threshold, target_recall = state["_tuned_for_"]
            shape = state["n_samples_fit_"], state["n_features_in_"]
            ends = [int(end) for end in state["_index_ends_"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A saved FaissThresholdMatcher lacks what its catalogue was made by."
            ) from error
        _check_saved_rows(rows, shape)
        if sorted({0, *ends, shape[0]}) != [0, *ends]:
            raise ValueError(
                f"A saved FaissThresholdMatcher has _index_ends_={ends}; expected "
                f"numbers of rows that rise to {shape[0]}."
            )
        made_by = FaissThresholdMatcher(
            threshold, index=index, target_recall=target_recall, n_jobs=self.n_jobs
        )
        made_by._check_params()
        for end in ends:
            catalogue = made_by._describe_catalogue(rows[:end])
            made_by.__dict__.update(catalogue)
        self.__dict__.update(catalogue)

    def _search_params(self) -> tuple[str, float, float]:
        """Return what the index of the catalogue was made by and tuned for."""
        return self.index, self.threshold, self.target_recall

    def _refinements(self) -> dict[str, Any]:
        """Return the parameters of a decision besides the threshold."""
        return {
            "max_matches": self.max_matches,
            "mutual": self.mutual,
            "match_singletons": self.match_singletons,
        }

    def _n_threads(self) -> int:
        """Return the number of threads that `n_jobs` asks for."""
        if self.n_jobs is not None:
            return effective_n_jobs(self.n_jobs)
        return max((pool["num_threads"] for pool in threadpool_info()), default=1)

    def _check_params(self) -> None:
        """Raise if a parameter is out of its range."""
        check_number(self.threshold, "threshold", min_val=-1, max_val=1)
        check_scalar(self.index, "index", str)
        check_index(self.index)
        check_number(
            self.target_recall,
            "target_recall",
            min_val=0,
            max_val=1,
            include_boundaries="right",
        )
        check_scalar(self.max_pairs, "max_pairs", Integral, min_val=1)
        check_decision(self.threshold, self.max_matches, self.mutual)
        check_n_jobs(self.n_jobs)
        check_scalar(self.verbose, "verbose", (Integral, np.bool_))
        for name in ("match_singletons", "query_expansion"):
            check_scalar(getattr(self, name), name, (bool, np.bool_))

    def _check_kind(self, rows: Any) -> None:
        """Raise if the rows are dense and the catalogue sparse, or the reverse."""
        if issparse(rows) != issparse(self.index_):
            kinds = {True: "sparse", False: "dense"}
            raise ValueError(
                f"X is {kinds[issparse(rows)]} and the catalogue of fit is "
                f"{kinds[issparse(self.index_)]}; expected both to be the same."
            )

    def _unit_rows(self, X: Any, *, reset: bool) -> Any:
        """Scale finite rows to unit L2 norm: dense float32 or sparse float64."""
        if issparse(X):
            X = as_csr(X, "X")
        if getattr(getattr(X, "dtype", None), "kind", "f") in "mM":
            raise ValueError("X holds dates; expected embeddings, numbers.")
        try:
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite=False,
            )
        except TypeError as error:
            raise TypeError(f"X cannot be read as embeddings: {error}") from error
        except ValueError as error:
            if not _holds_str(X):
                raise
            raise ValueError(
                "X holds strings; expected embeddings, (n_samples, n_features). "
                "To match titles, put an embedder before the matcher, as in "
                "make_pipeline(LSTMTitleEmbedder(), FaissThresholdMatcher())."
            ) from error
        if not issparse(X):
            with np.errstate(all="ignore"):
                is_finite = np.isfinite(X.sum())  # quick, may be wrong
            bad = np.empty(0) if is_finite else np.nonzero(~np.isfinite(X))[0]
            if bad.size:
                raise ValueError(
                    f"row {bad[0]} of X holds NaN or inf; expected finite embeddings."
                )
        return unit_rows(X, sparse_dtype=np.float64)

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _check_saved_rows(rows: Any, shape: tuple[int, int]) -> None:
    """Raise if what was saved of a catalogue is no finite rows of a shape."""
    is_dense = isinstance(rows, np.ndarray) and rows.dtype == np.float32
    is_sparse = isinstance(rows, csr_array) and rows.dtype == np.float64
    if not (is_dense or is_sparse) or rows.shape != shape:
        raise ValueError(
            "A saved FaissThresholdMatcher has an index_ that holds no embeddings of "
            f"shape {shape}."
        )
    as_csr(rows, "index_") if is_sparse else as_dense(rows, "index_")


def _add_singletons(pairs: Pairs, rows: Any, catalogue: Any) -> Pairs:
    """Add each row without a pair with its most similar row, if that is above rounding.

    With `catalogue` None the pairs are unordered ones among the rows.
    """
    row, column, similarity = pairs
    has_pair = np.zeros(rows.shape[0], dtype=bool)
    has_pair[row] = True
    if catalogue is None:
        has_pair[column] = True
    singletons = np.flatnonzero(~has_pair)
    nearest, similarities = most_similar(rows, catalogue, singletons)
    is_near = similarities > ROUNDED_ZERO
    left, right = singletons[is_near], nearest[is_near]
    similarities = similarities[is_near]
    if catalogue is None:  # two singletons may be one another's nearest
        left, right = np.minimum(left, right), np.maximum(left, right)
        once = np.unique(left * rows.shape[0] + right, return_index=True)[1]
        left, right, similarities = left[once], right[once], similarities[once]
    return (
        np.concatenate([row, left]),
        np.concatenate([column, right]),
        np.concatenate([similarity, similarities]),
    )


def _level_of_user() -> int:
    """Return how many frames above its caller is what called skmatch.

    Through ``predict``, what wraps ``transform``, or a Pipeline: a warning that points
    at one of them would be shown for the first call of a program alone.
    """
    level = 0
    for frame, _ in walk_stack(inspect.currentframe()):
        package = frame.f_globals.get("__name__", "").split(".")[0]
        if package not in ("skmatch", "sklearn"):
            break
        level += 1
    return level


def _holds_str(X: Any) -> bool:
    """Tell whether the first entry of an array-like is a string."""
    entries = np.empty(0) if issparse(X) else np.asarray(X, dtype=object).ravel()
    return bool(entries.size) and isinstance(entries[0], str)
