"""The threshold of a matcher, tuned on all thresholds at the cost of one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import Tags, check_random_state, check_scalar, get_tags
from sklearn.utils.validation import check_is_fitted

from skmatch.evaluation._metrics import encode_labels
from skmatch.evaluation._splitters import ClassDisjointKFold
from skmatch.graph._refine import limit_matches
from skmatch.matchers._threshold import FaissThresholdMatcher

_MATCHES_PER_ROW = 100  # down to here all thresholds are tried
_N_LEVELS = 400  # thresholds at which sub-galleries are scored
_SMALLEST_GALLERY = 64
_FAR = 3.0  # factor by which a gallery may differ before a warning


class TunedThresholdMatcherCV(
    ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator
):
    """Choose the threshold of a matcher by cross-validation over all thresholds.

    For each fold the estimator is fitted once and the rows of the fold are searched
    once, at a low threshold. The score of every other threshold then follows in one
    pass over the pairs, in the order of their similarity. The result is that of
    ``GridSearchCV`` over the same thresholds, at the cost of one of them.

    Parameters
    ----------
    estimator : FaissThresholdMatcher or Pipeline that ends in one
        The estimator whose `threshold` is chosen. The matcher may limit its matches by
        `max_matches` and `reciprocal`, but not use `blend` or `nearest_for_lonely`.
    scoring : str, tuple or callable, default="rowwise_f1"
        What the threshold shall maximise.

        - "rowwise_f1", "pair_f1" or "bcubed_f1": as :func:`rowwise_f1_score`,
          :func:`pairwise_precision_recall_f1` and :func:`bcubed_precision_recall_f1`.
        - ("pair_fbeta", beta): F-beta of the pairs; with beta above 1 recall counts
          more.
        - ("recall_at_precision", precision): recall of the pairs where their precision
          reaches a value in ``(0, 1]``, and 0 where it does not.
        - a callable ``scoring(row, is_right, n_true)``. The entries of the first two,
          of shape (n_entries,), are the matches in falling order of similarity, each
          pair once from either side: the row of each, and whether it is right;
          `n_true`, of shape (n_rows,), counts the rows of each row's product, itself
          included. It returns n_entries + 1 scores: those of the first 0, 1, 2, ...
          entries.
    cv : "prefit", int, cross-validation splitter or None, default=None
        An int is the number of folds of a ``ClassDisjointKFold``, None are 5. With
        "prefit" the estimator is fitted already, and all rows given to :meth:`fit` are
        a gallery to choose the threshold on.
    thresholds : "all" or array-like of shape (n_thresholds,), default="all"
        Thresholds to choose from. "all" are all similarities of pairs, down to where
        there are 100 matches a row.
    adapt_to_gallery : bool, default=False
        Whether the threshold shall follow the number of rows that are matched: in a
        larger gallery more rows are similar by chance, and the best threshold is
        higher. A line in the logarithm of the number of rows is fitted to the best
        thresholds of sub-galleries of the folds.
    refit : bool, default=True
        Whether to fit the estimator on all rows in the end. Without it there is no
        `estimator_`, and no ``predict``.
    random_state : int, RandomState instance or None, default=0
        Seed of the sub-galleries of `adapt_to_gallery`.
    n_jobs : int or None, default=None
        Number of folds that are fitted in parallel, as everywhere in scikit-learn.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, with the best threshold.
    best_threshold_ : float
        Threshold with the highest mean score over the folds.
    best_score_ : float
        Its mean score.
    gallery_size_ : float
        Mean number of rows of a fold that were matched with one another.
    slope_, intercept_ : float
        With `adapt_to_gallery`, the threshold for `n` rows is
        ``intercept_ + slope_ * log(n)``.
    n_features_in_, feature_names_in_ : int and ndarray
        Those of `estimator_`, where it has them.
    cv_results_ : dict of ndarrays
        "threshold", "mean_test_score", "std_test_score" and, for each fold k,
        "splitk_test_score", each of shape (n_thresholds,). With "all" they are in
        rising order.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : The same for classifiers.
    rowwise_f1_score : The score that is maximised.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmatch import (
    ...     FaissThresholdMatcher, TunedThresholdMatcherCV, make_product_titles
    ... )
    >>> titles, product_ids = make_product_titles(300, random_state=0)
    >>> pipe = make_pipeline(
    ...     TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
    ...     FaissThresholdMatcher(),
    ... )
    >>> tuned = TunedThresholdMatcherCV(pipe).fit(titles, product_ids)
    >>> bool(0.3 < tuned.best_threshold_ < 0.8)
    True
    >>> tuned.predict(titles[:200]).shape
    (200, 200)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        scoring: Any = "rowwise_f1",
        cv: Any = None,
        thresholds: Any = "all",
        adapt_to_gallery: bool = False,
        refit: bool = True,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.scoring = scoring
        self.cv = cv
        self.thresholds = thresholds
        self.adapt_to_gallery = adapt_to_gallery
        self.refit = refit
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Choose the threshold, then fit the estimator on all rows.

        Parameters
        ----------
        X : array-like of length n_samples
            What the estimator takes: titles or embeddings.
        y : array-like of shape (n_samples,)
            Product labels, int or str.

        Returns
        -------
        self : TunedThresholdMatcherCV
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of its range or a label is missing.
        """
        _matcher(self.estimator)
        curve = _find_scoring(self.scoring)
        thresholds = self._check_thresholds()
        if y is None:
            raise ValueError(
                "TunedThresholdMatcherCV requires y to be passed, but the target y is "
                "None: the product label of each row."
            )
        labels = encode_labels(y, "y")
        floor = None if thresholds is None else float(thresholds.min())
        if isinstance(self.cv, str) and self.cv == "prefit":
            galleries = [_search(self.estimator, X, labels, floor)]
        else:
            cv: Any = 5 if self.cv is None else self.cv
            cv = ClassDisjointKFold(int(cv)) if isinstance(cv, Integral) else cv
            galleries = Parallel(n_jobs=self.n_jobs)(
                delayed(_fit_and_search)(
                    self.estimator, X, np.asarray(y), labels, train, test, floor
                )
                for train, test in cv.split(X, y)
            )
        if thresholds is None:
            lowest = max(gallery.floor for gallery in galleries)
            found = [gallery.similarity for gallery in galleries]
            thresholds = np.unique(
                np.concatenate([*found, np.array([lowest], np.float32)])
            )
            thresholds = thresholds[thresholds >= np.float32(lowest)].astype(np.float64)
        self._choose(galleries, curve, thresholds)
        if self.adapt_to_gallery:
            self._fit_line(galleries, curve, thresholds)
        self.__dict__.pop("estimator_", None)  # of an earlier fit
        if isinstance(self.cv, str) and self.cv == "prefit":
            self.estimator_ = _with_threshold(self.estimator, self.best_threshold_)
        elif self.refit:
            fresh = _with_threshold(clone(self.estimator), self.best_threshold_)
            self.estimator_ = fresh.fit(X, y)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(getattr(self, "estimator_", None), name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict(self, X: Any) -> csr_array:
        """Match the rows of `X` with one another at the chosen threshold.

        Parameters
        ----------
        X : array-like of length n_samples
            Titles or embeddings, as in :meth:`fit`.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            True where two rows match. A warning tells if the number of rows is more
            than three times that of a fold, or less than a third, unless the threshold
            is adapted.
        """
        rows, matcher = self._embed(X)
        n_rows = rows.shape[0]
        if not self.adapt_to_gallery:
            warn_if_far(n_rows, self.gallery_size_, "adapt_to_gallery")
        return matcher.set_params(threshold=self.threshold_for(n_rows)).predict(rows)

    def transform(self, X: Any) -> csr_array:
        """Find the rows of the catalogue that match the rows of `X`.

        Parameters
        ----------
        X : array-like of length n_samples
            Titles or embeddings, as in :meth:`fit`.

        Returns
        -------
        similarities : csr_array of shape (n_samples, n_samples_fit), dtype float32
            As :meth:`FaissThresholdMatcher.transform`, at the chosen threshold; an
            adapted one is that for the size of the catalogue.
        """
        rows, matcher = self._embed(X)
        threshold = self.threshold_for(matcher.n_samples_fit_)
        return matcher.set_params(threshold=threshold).transform(rows)

    def threshold_for(self, n_rows: int) -> float:
        """Return the threshold for a gallery.

        Parameters
        ----------
        n_rows : int
            Number of rows that are matched with one another.

        Returns
        -------
        threshold : float
            `best_threshold_`, or with `adapt_to_gallery` that of the line, in
            ``[-1, 1]``.
        """
        check_is_fitted(self, "best_threshold_")
        if not self.adapt_to_gallery:
            return self.best_threshold_
        line = self.intercept_ + self.slope_ * np.log(max(1, n_rows))
        return max(-1.0, min(1.0, float(line)))

    def _embed(self, X: Any) -> tuple[Any, FaissThresholdMatcher]:
        """Return the rows that the matcher takes, and a copy of the matcher."""
        check_is_fitted(self, "estimator_")
        return _embed(self.estimator_, X), copy(_matcher(self.estimator_))

    def _check_thresholds(self) -> NDArray[np.float64] | None:
        """Return the thresholds to choose from; None for all."""
        if isinstance(self.thresholds, str) and self.thresholds == "all":
            return None
        try:
            thresholds = np.array(self.thresholds, dtype=np.float64)
        except (TypeError, ValueError):
            thresholds = np.empty(0)
        if (
            thresholds.ndim != 1
            or not thresholds.size
            or not (abs(thresholds) <= 1).all()
        ):
            raise ValueError(
                f"thresholds={self.thresholds!r}; expected 'all' or an array of cosine "
                "similarities in [-1, 1]."
            )
        return thresholds

    def _choose(
        self, galleries: list[_Gallery], curve: Curve, thresholds: NDArray[np.float64]
    ) -> None:
        """Set the results, and the threshold with the best mean."""
        scores = np.array([gallery.score(curve, thresholds) for gallery in galleries])
        self.cv_results_ = {
            "threshold": thresholds,
            "mean_test_score": scores.mean(axis=0),
            "std_test_score": scores.std(axis=0),
        }
        for number, row in enumerate(scores):
            self.cv_results_[f"split{number}_test_score"] = row
        best = int(self.cv_results_["mean_test_score"].argmax())
        self.best_threshold_ = float(thresholds[best])
        self.best_score_ = float(self.cv_results_["mean_test_score"][best])
        self.gallery_size_ = float(np.mean([len(g.n_true) for g in galleries]))

    def _fit_line(
        self, galleries: list[_Gallery], curve: Curve, thresholds: NDArray[np.float64]
    ) -> None:
        """Fit a line in log(rows) to the best thresholds of sub-galleries."""
        rng = check_random_state(self.random_state)
        levels = np.unique(
            np.quantile(thresholds, np.linspace(0, 1, _N_LEVELS), method="nearest")
        )
        levels = np.union1d(levels, np.linspace(levels[0], levels[-1], _N_LEVELS))
        sizes: list[float] = []
        best: list[float] = []
        n_rows = min(len(gallery.n_true) for gallery in galleries)
        while n_rows >= _SMALLEST_GALLERY or not sizes:
            n_turns = 1 if not sizes else min(8, 2 ** len(sizes))
            parts = [
                gallery.draw(n_rows / len(gallery.n_true), rng)
                for gallery in galleries
                for _ in range(n_turns)
            ]
            mean = np.mean([part.score(curve, levels) for part in parts], axis=0)
            # The middle of all that is nearly best moves less than the best one does.
            near = levels[mean >= mean.max() - 0.002]
            sizes.append(float(np.mean([len(part.n_true) for part in parts])))
            best.append(float(near[0] + near[-1]) / 2)
            n_rows //= 2
        if len(sizes) == 1:
            self.slope_, self.intercept_ = 0.0, self.best_threshold_
            return
        slope, intercept = np.polyfit(np.log(sizes), best, 1)
        self.slope_, self.intercept_ = float(slope), float(intercept)

    @property
    def _n_features_out(self) -> int:
        return _matcher(self.estimator_).n_samples_fit_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags, tags.transformer_tags = (
            inner.input_tags,
            inner.transformer_tags,
        )
        tags.target_tags.required = True
        return tags


def warn_if_far(n_rows: int, gallery_size: float, parameter: str) -> None:
    """Warn the caller of `predict` of a gallery unlike those of the threshold."""
    ratio = n_rows / gallery_size
    if not 1 / _FAR <= ratio <= _FAR:
        warnings.warn(
            f"The threshold was chosen on galleries of about {gallery_size:.0f} rows "
            f"and X has {n_rows}: the best one for X is probably "
            f"{'higher' if ratio > 1 else 'lower'}. See {parameter}.",
            UserWarning,
            stacklevel=3,
        )


Curve = Callable[
    [NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]], NDArray[np.float64]
]


class _Gallery(NamedTuple):
    """The pairs of rows of a gallery, each from both sides, in falling order."""

    row: NDArray[np.intp]  # (n_entries,)
    column: NDArray[np.intp]  # (n_entries,)
    similarity: NDArray[np.float32]  # (n_entries,)
    labels: NDArray[np.intp]  # (n_rows,)
    n_true: NDArray[np.intp]  # (n_rows,)
    floor: float

    def score(
        self, curve: Curve, thresholds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the score at each threshold."""
        is_right = self.labels[self.row] == self.labels[self.column]
        scores = np.asarray(curve(self.row, is_right, self.n_true))
        if scores.shape != (len(self.row) + 1,):
            raise ValueError(
                f"scoring returned shape {scores.shape}; expected "
                f"{(len(self.row) + 1,)}, a score for each number of matches."
            )
        rising = self.similarity[::-1]
        n_below = np.searchsorted(rising, thresholds.astype(np.float32), side="left")
        return scores[len(rising) - n_below]

    def draw(self, share: float, rng: np.random.RandomState) -> _Gallery:
        """Draw a share of the products, with all of their rows and pairs."""
        codes = np.unique(self.labels)
        drawn = rng.permutation(codes)[: max(1, round(share * len(codes)))]
        stays = np.isin(self.labels, drawn)
        number = stays.cumsum() - 1
        both = stays[self.row] & stays[self.column]
        row, column = number[self.row[both]], number[self.column[both]]
        return self._replace(
            row=row,
            column=column,
            similarity=self.similarity[both],
            labels=self.labels[stays],
            n_true=self.n_true[stays],
        )


def _fit_and_search(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    labels: NDArray[np.intp],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    floor: float | None,
) -> _Gallery:
    """Fit an estimator on a fold's training rows and search its test rows."""
    fitted = clone(estimator).fit(_take(X, train), y[train])
    return _search(fitted, _take(X, test), labels[test], floor)


def _search(
    estimator: Any, X: Any, labels: NDArray[np.intp], floor: float | None
) -> _Gallery:
    """Find all pairs of rows at or above a floor."""
    rows = _embed(estimator, X)
    matcher = clone(_matcher(estimator))
    if floor is None:
        floor = _find_floor(rows, matcher.max_pairs)
    limit = {"max_matches": matcher.max_matches, "reciprocal": matcher.reciprocal}
    matcher.set_params(threshold=floor, max_matches=None, reciprocal=False)
    graph = matcher.fit(rows).transform(rows).tocoo()
    is_other = graph.row != graph.col  # as in predict, a row itself does not count
    entries = graph.data[is_other], (graph.row[is_other], graph.col[is_other])
    graph = csr_array(entries, shape=graph.shape)
    if limit["max_matches"] is not None:
        graph = limit_matches(graph, **limit)
    graph = graph.tocoo()
    row, column, similarity = graph.row, graph.col, graph.data
    order = np.argsort(-similarity, kind="stable")
    codes = np.unique(labels, return_inverse=True)[1]
    return _Gallery(
        row[order].astype(np.intp),
        column[order].astype(np.intp),
        similarity[order],
        codes,
        np.bincount(codes)[codes],
        floor,
    )


def _find_floor(rows: Any, max_pairs: int) -> float:
    """Return a threshold at which rows have about a hundred matches each."""
    n_rows = rows.shape[0]
    some = np.random.default_rng(0).choice(n_rows, min(n_rows, 256), replace=False)
    rows = normalize(rows)
    similarities = rows[some] @ rows.T
    if issparse(similarities):
        similarities = similarities.toarray()
    n_matches = min(_MATCHES_PER_ROW, max_pairs // n_rows)
    share = min(1.0, n_matches / n_rows)
    floor = float(np.quantile(similarities, 1 - share))
    if issparse(rows) and floor <= 0:  # rows without a word in common: all the others
        floor = float(similarities[similarities > 0].min(initial=1.0))
    return max(-1.0, min(1.0, floor))


def _with_threshold(estimator: Any, threshold: float) -> Any:
    """Return a copy of an estimator, sharing what is fitted, with another threshold."""
    matcher = copy(_matcher(estimator)).set_params(threshold=threshold)
    if not isinstance(estimator, Pipeline):
        return matcher
    estimator = copy(estimator)
    estimator.steps = [*estimator.steps[:-1], (estimator.steps[-1][0], matcher)]
    return estimator


def _matcher(estimator: Any) -> FaissThresholdMatcher:
    """Return the matcher at the end of an estimator."""
    is_pipeline = isinstance(estimator, Pipeline)
    matcher = estimator.steps[-1][1] if is_pipeline else estimator
    if not isinstance(matcher, FaissThresholdMatcher):
        raise ValueError(
            f"estimator={estimator!r}; expected a FaissThresholdMatcher or a Pipeline "
            "that ends in one."
        )
    for name in ("blend", "nearest_for_lonely"):
        if getattr(matcher, name):
            raise ValueError(
                f"The matcher has {name}=True, with which a search at one threshold "
                "does not tell the matches at another; expected False. GridSearchCV "
                "can tune it."
            )
    return matcher


def _embed(estimator: Any, X: Any) -> Any:
    """Turn X into the rows that the matcher takes."""
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    return X if hasattr(X, "shape") else np.asarray(X)


def _take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Take rows of a list, an array, a sparse array or a frame."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, (list, tuple)):
        return [X[row] for row in rows]
    return (X if hasattr(X, "shape") else np.asarray(X))[rows]


def _find_scoring(scoring: Any) -> Curve:
    """Return the function that scores the first 0, 1, 2, ... matches."""
    if callable(scoring):
        return scoring
    named: dict[Any, Curve] = {
        "rowwise_f1": _rowwise_f1,
        "pair_f1": _pair_fbeta(1.0),
        "bcubed_f1": _bcubed_f1,
    }
    if isinstance(scoring, str) and scoring in named:
        return named[scoring]
    makers = {"pair_fbeta": _pair_fbeta, "recall_at_precision": _recall_at_precision}
    if isinstance(scoring, tuple) and len(scoring) == 2 and scoring[0] in makers:
        top = 1 if scoring[0] == "recall_at_precision" else None
        check_scalar(
            scoring[1],
            f"{scoring[0]} of scoring",
            Real,
            min_val=0,
            max_val=top,
            include_boundaries="right" if top else "neither",
        )
        return makers[scoring[0]](float(scoring[1]))
    raise ValueError(
        f"scoring={scoring!r}; expected one of {sorted(named)}, ('pair_fbeta', beta), "
        "('recall_at_precision', precision) or a callable."
    )


def _count(
    row: NDArray[np.intp], is_right: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count, at each entry, the matches of its row so far and the right ones.

    The row itself is one, and right.
    """
    order = np.argsort(row, kind="stable")
    first = np.searchsorted(row[order], row[order])  # of the row's entries
    place = np.arange(len(row))
    n_right = np.append(0, is_right[order].cumsum())
    n_found, n_both = np.empty_like(row), np.empty_like(row)
    n_found[order] = place - first + 2
    n_both[order] = n_right[place + 1] - n_right[first] + 1
    return n_found, n_both


def _mean_so_far(
    before: NDArray[np.float64], after: NDArray[np.float64], alone: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean over rows as entries change the value of their row."""
    total = np.append(alone.sum(), alone.sum() + (after - before).cumsum())
    return total / len(alone)


def _rowwise_f1(
    row: NDArray[np.intp], is_right: NDArray[np.bool_], n_true: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mean over the rows of the F1 of their matches."""
    n_found, n_both = _count(row, is_right)
    after = 2 * n_both / (n_found + n_true[row])
    before = 2 * (n_both - is_right) / (n_found - 1 + n_true[row])
    return _mean_so_far(before, after, 2 / (1 + n_true))


def _bcubed_f1(
    row: NDArray[np.intp], is_right: NDArray[np.bool_], n_true: NDArray[np.intp]
) -> NDArray[np.float64]:
    """F1 of the B-cubed precision and recall of the matches."""
    n_found, n_both = _count(row, is_right)
    precision = _mean_so_far(
        (n_both - is_right) / (n_found - 1), n_both / n_found, np.ones(len(n_true))
    )
    recall = _mean_so_far(
        (n_both - is_right) / n_true[row], n_both / n_true[row], 1 / n_true
    )
    return 2 * precision * recall / (precision + recall)


def _pair_fbeta(beta: float) -> Curve:
    """F-beta of the pairs."""

    def curve(
        row: NDArray[np.intp], is_right: NDArray[np.bool_], n_true: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        n_right = np.append(0, is_right.cumsum())
        weighted = beta**2 * (n_true - 1).sum() + np.arange(len(row) + 1)
        scores = (1 + beta**2) * n_right / np.maximum(weighted, 1e-12)
        return np.where(weighted > 0, scores, 1.0)  # none is right, and none was found

    return curve


def _recall_at_precision(least: float) -> Curve:
    """Recall of the pairs where their precision is high enough."""

    def curve(
        row: NDArray[np.intp], is_right: NDArray[np.bool_], n_true: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        n_right = np.append(0, is_right.cumsum())
        n_pairs = (n_true - 1).sum()
        precision = n_right / np.maximum(np.arange(len(row) + 1), 1)
        precision[0] = 1.0  # of no pair
        recall = n_right / n_pairs if n_pairs else np.ones(len(n_right))
        return np.where(precision >= least, recall, 0.0)

    return curve
