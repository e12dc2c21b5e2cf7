"""TunedThresholdMatcherCV: the best of all thresholds at the cost of one."""

from __future__ import annotations

import warnings
from copy import copy
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    clone,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, check_random_state, check_scalar, get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skmatch._fitting import fitting
from skmatch._matrices import as_csr
from skmatch._numbers import check_n_jobs
from skmatch._progress import showing_progress, track
from skmatch.evaluation import (
    ClassDisjointKFold,
    RankedMatches,
    as_labels,
    check_scoring,
    encode_labels,
    find_best,
    list_splits,
    scores_at,
)
from skmatch.matchers._faiss_threshold import FaissThresholdMatcher
from skmatch.matchers._mixin import MatcherMixin
from skmatch.matchers._ranked_decisions import (
    Refinements,
    doubt_size,
    rank_decisions,
    say_nothing_scores,
)
from skmatch.persistence import savable
from skmatch.search import lowest_threshold

_N_THRESHOLDS = 400  # thresholds at which sub-galleries are scored
_SMALLEST_GALLERY = 64


@savable
class TunedThresholdMatcherCV(MatcherMixin, MetaEstimatorMixin, BaseEstimator):
    """Choose the threshold of a matcher by cross-validation over all thresholds.

    1. For each fold, fit the estimator once, and take the score graph of the rows of
       the fold, down to a low threshold.
    2. The score of every threshold follows in one pass over the pairs, in falling order
       of their scores.
    3. Take the threshold with the highest mean over the folds.

    The result is that of ``GridSearchCV`` over the same thresholds, at the cost of one
    of them.

    Parameters
    ----------
    estimator : matcher or Pipeline that ends in one
        The estimator whose `threshold` is chosen: a :class:`FaissThresholdMatcher`, a
        :class:`PairClassifierMatcher` or another one with ``score_graph``. It may use
        `max_matches`, `mutual` and `match_singletons`, but not `query_expansion`, with
        which the scores depend on the threshold.
    scoring : str, tuple or callable, default="rowwise_f1"
        What the threshold shall maximise.

        - "rowwise_f1", "pair_f1" or "bcubed_f1": as :func:`rowwise_f1_score`,
          :func:`pairwise_precision_recall_f1` and :func:`bcubed_precision_recall_f1`.
        - ("pair_fbeta", beta): F-beta of the pairs; with beta above 1 recall counts
          more.
        - ("recall_at_precision", precision): recall of the pairs where their precision
          reaches a value in ``(0, 1]``, and 0 where it does not. If no threshold
          reaches it, a warning says so, and the highest one is taken.
        - a callable ``scoring(row, is_correct, n_true)``. The entries of the first two,
          of shape (n_entries,), are the matches in falling order of score, each pair
          once from either side: the row of each, and whether it is correct;
          `n_true`, of shape (n_rows,), counts the rows of each row's product, itself
          included. It returns n_entries + 1 scores: those of the first 0, 1, 2, ...
          entries.
    cv : "prefit", int, cross-validation splitter or None, default=None
        An int is the number of folds of a ``ClassDisjointKFold``, None are 5. With
        "prefit" the estimator is fitted already, and all rows given to :meth:`fit` are
        a gallery to choose the threshold on.
    thresholds : "all" or array-like of shape (n_thresholds,), default="all"
        Thresholds to choose from. "all" are all scores of pairs; of a
        :class:`FaissThresholdMatcher`, down to where there are 100 matches a row.
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
    verbose : bool, default=False
        Whether to show a progress bar of the folds, and one for each long step of
        the estimator where they are fitted one by one.

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
        verbose: bool = False,
    ) -> None:
        self.estimator = estimator
        self.scoring = scoring
        self.cv = cv
        self.thresholds = thresholds
        self.adapt_to_gallery = adapt_to_gallery
        self.refit = refit
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

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
            The fitted estimator. If the fit fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a parameter is out of its range or a label is missing.
        """
        with fitting(self) as fitted, showing_progress(self.verbose):
            fitted._fit(X, y)
        if not self.best_score_:
            warnings.warn(say_nothing_scores(self.scoring), UserWarning, stacklevel=2)
        return self

    def _fit(self, X: Any, y: ArrayLike) -> None:
        """Fit a new estimator: score graphs of the folds, threshold, refit."""
        _check_matcher(self.estimator)
        check_scoring(self.scoring)
        thresholds = self._check_thresholds()
        labels = _check_labels(y)
        X = as_csr(X, "X") if issparse(X) else X  # not every format gives its rows
        check_consistent_length(X, labels)
        floor = None if thresholds is None else float(thresholds.min())
        self._check_together(floor)
        is_prefit = isinstance(self.cv, str) and self.cv == "prefit"
        if is_prefit:
            galleries = [_score_gallery(self.estimator, X, labels, floor)]
        else:
            cv: Any = 5 if self.cv is None else self.cv
            if isinstance(cv, Integral):
                check_scalar(cv, "cv", Integral, min_val=2)
                cv = ClassDisjointKFold(int(cv))
            splits, y = list_splits(cv, X, y), as_labels(y)
            scored = Parallel(n_jobs=self.n_jobs, return_as="generator")(
                delayed(_fit_and_score)(
                    self.estimator, X, y, labels, train, test, floor
                )
                for train, test in splits
            )
            galleries = [*track(scored, "Folds fitted", len(splits))]
        if thresholds is None:
            lowest = np.float32(max(gallery.floor for gallery in galleries))
            found = [gallery.ranked.score for gallery in galleries]
            thresholds = np.unique(np.append(np.concatenate(found), lowest))
            thresholds = thresholds[thresholds >= lowest].astype(np.float64)
        self._choose([gallery.ranked for gallery in galleries], thresholds)
        if self.adapt_to_gallery:
            self._fit_line([gallery.ranked for gallery in galleries], thresholds)
        if is_prefit:
            self.estimator_ = _with_threshold(self.estimator, self.best_threshold_)
        elif self.refit:
            fresh = _with_threshold(clone(self.estimator), self.best_threshold_)
            self.estimator_ = fresh.fit(X, y)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(getattr(self, "estimator_", None), name):
                setattr(self, name, getattr(self.estimator_, name))

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
        X, matcher = self._prepare(X)
        for what in self._doubts(X):
            warnings.warn(what, UserWarning, stacklevel=2)
        return matcher.set_params(threshold=self.threshold_for(_n_rows(X))).predict(X)

    def score_graph(
        self, X: Any, catalogue: Any = None, n_matches: int | None = None
    ) -> csr_array:
        """Return the scores of pairs of rows.

        Parameters
        ----------
        X : array-like of length n_samples
            Titles or embeddings, as in :meth:`fit`, of which pairs are scored.
        catalogue : array-like of length n_catalogue, default=None
            Rows to pair those of `X` with, instead of one another.
        n_matches : int or None, default=None
            How many of the highest scores of each row are wanted, with `catalogue`.

        Returns
        -------
        scores : csr_array of shape (n_samples, n_samples), dtype float32
            As ``score_graph`` of the estimator, at the chosen threshold. With
            `catalogue`, of shape (n_samples, n_catalogue).
        """
        X, matcher = self._prepare(X)
        if catalogue is not None:
            catalogue = _before_matcher(self.estimator_, catalogue)
        threshold = self.threshold_for(_n_rows(X if catalogue is None else catalogue))
        matcher.set_params(threshold=threshold)
        if catalogue is None and n_matches is None:  # as any matcher has it
            return matcher.score_graph(X)
        return matcher.score_graph(X, catalogue, n_matches)

    def decide(self, score_graph: Any) -> csr_array:
        """Decide by a score graph which rows match: the second half of :meth:`predict`.

        Parameters
        ----------
        score_graph : array-like or sparse array of shape (n_samples, n_samples)
            Scores, as of :meth:`score_graph`.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            As :meth:`predict`, without its warning.

        Raises
        ------
        ValueError
            As :func:`decide_matches`.
        """
        check_is_fitted(self, "estimator_")
        threshold = self.threshold_for(_n_rows(score_graph))
        matcher = copy(_matcher(self.estimator_))
        return matcher.set_params(threshold=threshold).decide(score_graph)

    def transform(self, X: Any) -> csr_array:
        """Find the rows of the catalogue that match the rows of `X`.

        Parameters
        ----------
        X : array-like of length n_samples
            Titles or embeddings, as in :meth:`fit`.

        Returns
        -------
        scores : csr_array of shape (n_samples, n_samples_fit), dtype float32
            As ``transform`` of the estimator, at the chosen threshold; an adapted one
            is that for the size of the catalogue.
        """
        X, matcher = self._prepare(X)
        threshold = self.threshold_for(matcher.n_samples_fit_)
        return matcher.set_params(threshold=threshold).transform(X)

    def threshold_for(self, n_rows: int) -> float:
        """Return the threshold for a gallery.

        Parameters
        ----------
        n_rows : int
            Number of rows that are matched with one another.

        Returns
        -------
        threshold : float
            `best_threshold_`, or with `adapt_to_gallery` that of the line, at most 1
            and at least 0 or the lowest threshold that was tried.
        """
        check_is_fitted(self, "best_threshold_")
        if not self.adapt_to_gallery:
            return self.best_threshold_
        line = self.intercept_ + self.slope_ * np.log(max(1, n_rows))
        lowest = min(0.0, float(self.cv_results_["threshold"].min()))
        return max(lowest, min(1.0, float(line)))

    def _doubts(self, X: Any) -> list[str]:
        """Tell, to warn of, why the threshold may not be right for rows."""
        if self.adapt_to_gallery:
            return []
        return doubt_size(_n_rows(X), self.gallery_size_, "adapt_to_gallery")

    def _prepare(self, X: Any) -> tuple[Any, Any]:
        """Return what the matcher takes, and a copy of the matcher."""
        check_is_fitted(self, "estimator_")
        return _before_matcher(self.estimator_, X), copy(_matcher(self.estimator_))

    def _check_thresholds(self) -> NDArray[np.float64] | None:
        """Return the thresholds to choose from; None for all."""
        if isinstance(self.thresholds, str) and self.thresholds == "all":
            return None
        try:
            thresholds = np.array(self.thresholds, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            thresholds = np.empty(0)
        if (
            thresholds.ndim != 1
            or not thresholds.size
            or not (abs(thresholds) <= 1).all()
        ):
            raise ValueError(
                f"thresholds={self.thresholds!r}; expected 'all' or an array of scores "
                "in [-1, 1]."
            )
        return thresholds

    def _check_together(self, floor: float | None) -> None:
        """Raise, before anything is fitted, if parameters do not go together."""
        check_n_jobs(self.n_jobs)
        check_scalar(self.verbose, "verbose", (Integral, np.bool_))
        for name in ("adapt_to_gallery", "refit"):
            check_scalar(getattr(self, name), name, (bool, np.bool_))
        matcher = _matcher(self.estimator)
        if callable(self.scoring) and getattr(matcher, "match_singletons", False):
            raise ValueError(
                f"scoring={self.scoring!r} is a callable and the matcher has "
                "match_singletons=True; expected the name of a score, or False."
            )
        if floor is not None and hasattr(matcher, "_check_params"):
            clone(matcher).set_params(threshold=floor)._check_params()

    def _choose(
        self, galleries: list[RankedMatches], thresholds: NDArray[np.float64]
    ) -> None:
        """Set the results, and the threshold with the best mean."""
        scores = np.array([scores_at(g, thresholds, self.scoring) for g in galleries])
        mean = scores.mean(axis=0)
        self.cv_results_ = {
            "threshold": thresholds,
            "mean_test_score": mean,
            "std_test_score": scores.std(axis=0),
        }
        for fold, scores_of_fold in enumerate(scores):
            self.cv_results_[f"split{fold}_test_score"] = scores_of_fold
        best = find_best(mean)
        self.best_threshold_ = float(thresholds[best])
        self.best_score_ = float(mean[best])
        self.gallery_size_ = float(np.mean([len(g.labels) for g in galleries]))

    def _fit_line(
        self, galleries: list[RankedMatches], thresholds: NDArray[np.float64]
    ) -> None:
        """Fit a line in log(rows) to the best thresholds of sub-galleries."""
        rng = check_random_state(self.random_state)
        grid = np.unique(
            np.quantile(thresholds, np.linspace(0, 1, _N_THRESHOLDS), method="nearest")
        )
        grid = np.union1d(grid, np.linspace(grid[0], grid[-1], _N_THRESHOLDS))
        sizes: list[float] = []
        best: list[float] = []
        n_rows = min(len(gallery.labels) for gallery in galleries)
        while n_rows >= _SMALLEST_GALLERY or not sizes:
            n_turns = 1 if not sizes else min(8, 2 ** len(sizes))
            parts = [
                _draw_products(gallery, n_rows / len(gallery.labels), rng)
                for gallery in galleries
                for _ in range(n_turns)
            ]
            scores = [scores_at(part, grid, self.scoring) for part in parts]
            mean = np.mean(scores, axis=0)
            # The middle of all that is nearly best moves less than the best one does.
            near = grid[mean >= mean.max() - 0.002]
            sizes.append(float(np.mean([len(part.labels) for part in parts])))
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


class _ScoredGallery(NamedTuple):
    """The ranked pairs of a gallery, and the threshold down to which they are all."""

    ranked: RankedMatches
    floor: float


def _fit_and_score(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    labels: NDArray[np.intp],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    floor: float | None,
) -> _ScoredGallery:
    """Fit an estimator on a fold's training rows and score its test rows."""
    fresh = clone(estimator)
    if not isinstance(_matcher(fresh).threshold, Real):
        fresh = _with_threshold(fresh, 0.5)  # it need not learn one of its own
    fitted = fresh.fit(_take(X, train), y[train])
    return _score_gallery(fitted, _take(X, test), labels[test], floor)


def _score_gallery(
    estimator: Any, X: Any, labels: NDArray[np.intp], floor: float | None
) -> _ScoredGallery:
    """Rank all pairs of a gallery at or above a floor."""
    X, matcher = _before_matcher(estimator, X), copy(_matcher(estimator))
    if floor is None and isinstance(matcher, FaissThresholdMatcher):
        matcher._unit_rows(X, reset=False)  # names what is wrong with a row
        rows = X if hasattr(X, "shape") else np.asarray(X)
        floor = lowest_threshold(rows, matcher.max_pairs)
    elif floor is None:
        floor = 0.0
    graph = matcher.set_params(threshold=floor).score_graph(X)
    codes = np.unique(labels, return_inverse=True)[1]
    return _ScoredGallery(rank_decisions(graph, codes, Refinements.of(matcher)), floor)


def _draw_products(
    gallery: RankedMatches, share: float, rng: np.random.RandomState
) -> RankedMatches:
    """Draw a share of the products, with all of their rows and pairs."""
    products = np.unique(gallery.labels)
    drawn = rng.permutation(products)[: max(1, round(share * len(products)))]
    stays = np.isin(gallery.labels, drawn)
    position = stays.cumsum() - 1
    both = stays[gallery.row] & stays[gallery.column]
    singleton_match = None
    if gallery.singleton_match is not None:
        other = gallery.singleton_match[stays]
        is_there = (other >= 0) & stays[other]
        singleton_match = np.where(is_there, position[other], -1)
    return RankedMatches(
        position[gallery.row[both]],
        position[gallery.column[both]],
        gallery.score[both],
        np.unique(gallery.labels[stays], return_inverse=True)[1],
        singleton_match,
    )


def _with_threshold(estimator: Any, threshold: float) -> Any:
    """Return a copy of an estimator, sharing what is fitted, with another threshold."""
    matcher = copy(_matcher(estimator)).set_params(threshold=threshold)
    if not isinstance(estimator, Pipeline):
        return matcher
    estimator = copy(estimator)
    estimator.steps = [*estimator.steps[:-1], (estimator.steps[-1][0], matcher)]
    return estimator


def _check_labels(y: Any) -> NDArray[np.int64]:
    """Return the labels as 0, 1, ...; raise if they show nothing of what matches."""
    if y is None:
        raise ValueError(
            "TunedThresholdMatcherCV requires y to be passed, but the target y is "
            "None: the product label of each row."
        )
    labels = encode_labels(y, "y")
    if len(labels) and np.bincount(labels).max() < 2:
        raise ValueError(
            f"Each of the {len(labels)} labels of y has one row (n_samples = "
            f"{len(labels)}); expected a label with two rows or more, from which a "
            "threshold can be chosen."
        )
    return labels


def _matcher(estimator: Any) -> Any:
    """Return the matcher at the end of an estimator."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _check_matcher(estimator: Any) -> None:
    """Raise unless an estimator ends in a matcher whose scores need no threshold."""
    matcher = _matcher(estimator)
    if not hasattr(matcher, "score_graph") or not hasattr(matcher, "threshold"):
        raise ValueError(
            f"estimator={estimator!r}; expected a matcher with score_graph and a "
            "threshold, such as FaissThresholdMatcher, or a Pipeline that ends in one."
        )
    if getattr(matcher, "query_expansion", False):
        raise ValueError(
            "The matcher has query_expansion=True, with which the scores depend on the "
            "threshold; expected False. GridSearchCV can tune it."
        )


def _before_matcher(estimator: Any, X: Any) -> Any:
    """Turn X into what the matcher takes."""
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        return estimator[:-1].transform(X)
    return X


def _n_rows(X: Any) -> int:
    if not hasattr(X, "__len__") and not hasattr(X, "shape"):
        raise ValueError(f"X={X!r:.50}; expected titles or embeddings, a row each.")
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Take rows of a list, an array, a sparse array or a frame."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, (list, tuple)):
        return [X[row] for row in rows]
    return (X if hasattr(X, "shape") else np.asarray(X))[rows]
