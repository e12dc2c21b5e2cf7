"""What a ProductCatalogue asks of a fitted matcher: scores among titles as they come.

A gallery holds the titles and the scores of their pairs; it is a value, which never
changes. Two kinds of matchers can make it grow: those of pairs of titles, and those of
vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmatch.graph import LOWEST_WEIGHED, keep_rows, shift_log_odds, widen
from skmatch.matchers._faiss_threshold import FaissThresholdMatcher
from skmatch.matchers._pair_classifier import PairClassifierMatcher
from skmatch.matchers._tuned_threshold import TunedThresholdMatcherCV
from skmatch.pairs import (
    GrowingGallery,
    PairIndices,
    ScoredPairs,
    add_pairs,
    encode_words,
    stack_rows,
    start_gallery,
)
from skmatch.titles import check_titles

Titles = NDArray[np.object_]
_LEAST_PROBABILITY = 0.5  # mean of the pairs of a group


class ReadTitles(NamedTuple):
    """Titles, and the rows as they were given."""

    titles: Titles
    fields: Titles


class GrowingScores(Protocol):
    """A fitted matcher as a ProductCatalogue uses it; a gallery of None is empty."""

    @property
    def threshold(self) -> float:
        """Smallest mean score of a group."""
        ...

    def read(self, X: Any) -> ReadTitles:
        """Return the titles of `X`; raise if one is missing."""
        ...

    def grow(self, gallery: Any, read: ReadTitles) -> tuple[Any, ScoredPairs]:
        """Return a gallery with further titles, and what they bring along."""
        ...

    def join(self, gallery: Any, read: ReadTitles, joined: ScoredPairs) -> Any:
        """Return a gallery with further titles that were scored before."""
        ...

    def near(self, gallery: Any, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return rows and those whose scores change with the pairs of these."""
        ...

    def touched(
        self, before: Any, gallery: Any, joined: ScoredPairs
    ) -> NDArray[np.intp]:
        """Return the rows that have other scores since some joined."""
        ...

    def scores(self, gallery: Any, rows: NDArray[np.intp]) -> csr_array:
        """Return the scores of some rows with all; the other rows are empty."""
        ...


def make_growing(matcher: Any) -> GrowingScores:
    """Return a fitted matcher as a ProductCatalogue uses it."""
    if isinstance(matcher, TunedThresholdMatcherCV):
        check_is_fitted(matcher, "estimator_")
        return make_growing(matcher.estimator_)
    if isinstance(matcher, Pipeline):
        last = matcher.steps[-1][1]
        if isinstance(last, TunedThresholdMatcherCV):
            check_is_fitted(last, "estimator_")
            last = last.estimator_
        if len(matcher.steps) == 1:
            return make_growing(last)
        if isinstance(last, FaissThresholdMatcher):
            return GrowingSimilarities(last, matcher[:-1])
    if isinstance(matcher, PairClassifierMatcher):
        return GrowingProbabilities(matcher)
    raise ValueError(
        f"matcher={matcher!r:.100}; expected a fitted PairClassifierMatcher, or a "
        "Pipeline of an embedder and a FaissThresholdMatcher."
    )


class GrowingProbabilities:
    """The probabilities of a PairClassifierMatcher."""

    def __init__(self, matcher: PairClassifierMatcher) -> None:
        check_is_fitted(matcher)
        self._matcher, self._model = matcher, matcher._model_

    @property
    def threshold(self) -> float:
        """Half: as many matches as mistakes."""
        return _LEAST_PROBABILITY

    def read(self, X: Any) -> ReadTitles:
        """Read titles as the matcher does."""
        return ReadTitles(*self._matcher._read(X))

    def grow(
        self, gallery: GrowingGallery | None, read: ReadTitles
    ) -> tuple[GrowingGallery, ScoredPairs]:
        """Score the pairs of new titles."""
        new = self._model.describer.encode(*read)
        gallery = start_gallery(self._model, new) if gallery is None else gallery
        return gallery.grow(self._model, new, effective_n_jobs(self._matcher.n_jobs))

    def join(
        self, gallery: GrowingGallery | None, read: ReadTitles, joined: ScoredPairs
    ) -> GrowingGallery:
        """Take the pairs of titles as they were scored."""
        new = encode_words(*read, joined.embeddings)
        gallery = start_gallery(self._model, new) if gallery is None else gallery
        return gallery.join(new, joined)

    def near(self, gallery: GrowingGallery, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the matches of rows, and the matches of these: what is propagated."""
        reached = np.union1d(rows, gallery.matches_of(rows))
        return np.union1d(reached, gallery.matches_of(reached))

    def touched(
        self,
        before: GrowingGallery | None,
        gallery: GrowingGallery,
        joined: ScoredPairs,
    ) -> NDArray[np.intp]:
        """Return what is near the matches among the pairs, as they are and were."""
        n_known = 0 if before is None else len(before.encoded)
        new = np.arange(n_known, len(gallery.encoded))
        is_match = joined.scores[-1] >= LOWEST_WEIGHED
        is_old = joined.right < n_known
        rows = [new, joined.left[is_match | is_old], joined.right[is_match]]
        touched = self.near(gallery, np.unique(np.concatenate(rows)))
        if before is None:
            return touched
        old = touched[touched < n_known]
        return np.union1d(touched, self.near(before, old))

    def scores(self, gallery: GrowingGallery, rows: NDArray[np.intp]) -> csr_array:
        """Return what :meth:`PairClassifierMatcher.score_graph` would."""
        graph = gallery.propagate(rows, self._model.propagates)
        graph = shift_log_odds(graph, self._matcher.log_odds_shift_)
        if self._matcher._answers_ is not None:
            fields = gallery.encoded.fields
            graph = keep_rows(self._matcher._answers_.apply(graph, fields), rows)
        return graph


class VectorGallery(NamedTuple):
    """Unit vectors, and the similarities of those that match."""

    rows: Any
    graph: csr_array

    def at(self, rows: NDArray[np.intp]) -> VectorGallery:
        """Return the gallery of some of the rows."""
        return VectorGallery(self.rows[rows], self.graph[rows][:, rows])


class GrowingSimilarities:
    """The similarities of a FaissThresholdMatcher, of what is before it."""

    def __init__(self, matcher: FaissThresholdMatcher, before: Any) -> None:
        check_is_fitted(matcher)
        if matcher.query_expansion:
            raise ValueError(
                "query_expansion=True; expected False: a ProductCatalogue keeps the "
                "similarity of a pair, whatever titles come later."
            )
        if matcher.threshold <= 0:
            raise ValueError(
                f"threshold={matcher.threshold}; a ProductCatalogue expects a matcher "
                "with one above 0."
            )
        self._matcher, self._before = matcher, before

    @property
    def threshold(self) -> float:
        """That of the matcher."""
        return float(self._matcher.threshold)

    def read(self, X: Any) -> ReadTitles:
        """Read titles, and keep the fields, which the embedder gets."""
        titles, _ = check_titles(BaseEstimator(), X, reset=True)
        fields = np.asarray(X, dtype=object)
        return ReadTitles(titles, fields[:, 0] if fields.shape[1:] == (1,) else fields)

    def grow(
        self, gallery: VectorGallery | None, read: ReadTitles
    ) -> tuple[VectorGallery, ScoredPairs]:
        """Find the pairs of new rows, with one another and with all others."""
        vectors = self._before.transform(self._as_given(read.fields))
        rows = self._matcher._unit_rows(vectors, reset=False)
        n_known = 0 if gallery is None else gallery.rows.shape[0]
        left, right, scores = self._matcher._find_pairs(rows, None)
        found = [(left + n_known, right + n_known, scores)]
        if gallery is not None and n_known:
            left, right, scores = self._matcher._find_pairs(rows, gallery.rows)
            found.append((right, left + n_known, scores))
        left, right, scores = map(np.concatenate, zip(*found, strict=True))
        joined = ScoredPairs([rows], left, right, scores[None].astype(np.float32))
        return self.join(gallery, read, joined), joined

    def _as_given(self, fields: Titles) -> Any:
        """Return fields with the names of their columns, where the embedder has any."""
        names = getattr(self._before, "feature_names_in_", None)
        if names is None or fields.ndim == 1:
            return fields
        import pandas as pd

        return pd.DataFrame(fields, columns=names)

    def join(
        self, gallery: VectorGallery | None, read: ReadTitles, joined: ScoredPairs
    ) -> VectorGallery:
        """Take the pairs of rows as they were found."""
        rows = joined.embeddings[0]
        if gallery is None:
            gallery = VectorGallery(rows[:0], csr_array((0, 0), dtype=np.float32))
        rows = stack_rows(gallery.rows, rows)
        pairs = PairIndices(joined.left, joined.right)
        known = widen(gallery.graph, rows.shape[0])
        graph = add_pairs(known, joined.scores[0], pairs)
        return VectorGallery(rows, graph)

    def near(self, gallery: VectorGallery, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows alone: the similarity of two rows depends on no other one."""
        return rows

    def touched(
        self,
        before: VectorGallery | None,
        gallery: VectorGallery,
        joined: ScoredPairs,
    ) -> NDArray[np.intp]:
        """Return the new rows and those that match them."""
        n_known = 0 if before is None else before.rows.shape[0]
        new = np.arange(n_known, gallery.rows.shape[0])
        return np.unique(np.concatenate([new, joined.left, joined.right]))

    def scores(self, gallery: VectorGallery, rows: NDArray[np.intp]) -> csr_array:
        """Return the similarities."""
        return keep_rows(gallery.graph, rows)
