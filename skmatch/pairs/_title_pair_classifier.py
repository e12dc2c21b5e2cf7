"""TitlePairClassifier: whether two titles are the same product, from judged pairs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from numbers import Integral
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch._fitting import fitting
from skmatch._progress import showing_progress
from skmatch.evaluation import (
    check_answers,
    check_validation,
    find_classes,
    halve_columns,
    join_sides,
)
from skmatch.pairs._column_features import check_columns, list_column_features
from skmatch.pairs._context import GalleryContext, PairIndices
from skmatch.pairs._defaults import (
    check_pair_params,
    find_local_functions,
    make_classifier,
    make_cross_encoder,
    make_embedders,
)
from skmatch.pairs._explanation import PairExplanation, explain_pair
from skmatch.pairs._labelled_pairs import (
    JudgedPairs,
    deal_products,
    join_products,
)
from skmatch.pairs._lazy_catalogue import LazyCatalogue
from skmatch.pairs._named_embedders import NamedEmbedders
from skmatch.pairs._stacking import (
    HeldOutPairs,
    PairSettings,
    TrainingTitles,
    describe_labelled,
    fit_pair_model,
)
from skmatch.persistence import savable
from skmatch.titles import check_titles, find_columns

Rows = NDArray[np.object_]  # (n_rows, n_fields)
_FEW_HELD_OUT = 20


@savable
class TitlePairClassifier(ClassifierMixin, NamedEmbedders):
    """Decide whether two titles are the same product, learning from judged pairs.

    It is the part of :class:`PairClassifierMatcher` that decides pairs. What is said of
    a pair depends on the titles around it: those of :meth:`fit`, those of the gallery
    that was given there, and those of the pairs that are decided with it.

    Parameters
    ----------
    embedders : transformer, str, list of these or None, default=None
        What makes vectors of titles, as of :class:`PairClassifierMatcher`, with or
        without names.
    classifier : classifier or None, default=None
        Any scikit-learn classifier with ``predict_proba``. None is a
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`.
    n_candidates : int, default=20
        Number of nearest titles that each embedder puts around a title, at least 1.
    n_levels : int, default=2
        Number of stacking levels, 1 to 100.
    propagation : bool, default=False
        Whether the probabilities of a level are averaged over the match graph. It helps
        where many titles are one product, and harms where two are.
    cross_encoder : classifier, "bert" or None, default=None
        A classifier of two titles at once, such as :class:`AdapterBertPairClassifier`,
        which "bert" is with its defaults. It is asked about all pairs that are decided,
        and reads all columns. Without validation pairs it is fitted three times, on two
        halves of the training pairs and on all: on at most 10,000 of them, drawn at
        random.
    pair_features : sequence of callables, default=()
        Features of your own, as of :class:`PairClassifierMatcher`.
    columns : dict or None, default=None
        What the columns of a side beside the title are, as of
        :class:`PairClassifierMatcher`: by their names in two frames, else by place.
    cv : int, default=4
        Number of folds, at least 2, in which the levels are cross-fitted. No product is
        on both sides of one: pairs that have a product of the fold teach nothing there.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, of the default classifier, and of the embedders and the
        cross-encoder by name; an estimator that is given has its own.
    n_jobs : int or None, default=None
        Number of threads of the search and of the edit-based features.
    verbose : bool, default=False
        Whether to show a progress bar for each step that takes longer than half a
        second.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two answers in `y`; the second one is a match.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the columns, where `X` was a DataFrame with str column names.

    See Also
    --------
    PairClassifierMatcher : Finds the pairs, too.
    DisjointPairsKFold : Cross-validation without a product on both sides.

    Notes
    -----
    The log-odds of classifiers that have learned from made-up titles are one of the
    features. If there are so few pairs that these, calibrated, are better out of fold,
    they alone are the stacking levels [1]_. A word that one title has alone counts as
    missing in so far as it differs from the nearest one of the other title [2]_.

    Titles of :meth:`fit` that match are known products. Two new titles that have little
    in common may each be like titles of the same one: a logistic regression weighs what
    the levels, the known products and the cross-encoder say. It learns from every pair
    twice, once as if the products of its own titles were not known, so that it
    holds for new products, too.

    Choose another threshold than 0.5 by
    :class:`~sklearn.model_selection.TunedThresholdClassifierCV`.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.
       :doi:`10.1016/S0893-6080(05)80023-1`
    .. [2] A. Monge and C. Elkan, "The field matching problem: algorithms and
       applications", KDD, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import TitlePairClassifier, make_product_titles
    >>> titles, product_ids = make_product_titles(100, random_state=0)
    >>> rng = np.random.default_rng(0)
    >>> same = [rng.choice(np.flatnonzero(product_ids == p), 2) for p in range(100)]
    >>> other = rng.integers(len(titles), size=(100, 2))
    >>> pairs = np.concatenate([same, other])
    >>> is_match = product_ids[pairs[:, 0]] == product_ids[pairs[:, 1]]
    >>> classifier = TitlePairClassifier(random_state=0).fit(titles[pairs], is_match)
    >>> classifier.predict(titles[pairs[:1]])
    array([ True])
    """

    def __init__(
        self,
        embedders: Any = None,
        classifier: Any = None,
        *,
        n_candidates: int = 20,
        n_levels: int = 2,
        propagation: bool = False,
        cross_encoder: Any = None,
        pair_features: Sequence[Callable[..., Any]] = (),
        columns: Any = None,
        cv: int = 4,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.embedders = embedders
        self.classifier = classifier
        self.n_candidates = n_candidates
        self.n_levels = n_levels
        self.propagation = propagation
        self.cross_encoder = cross_encoder
        self.pair_features = pair_features
        self.columns = columns
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        gallery: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Learn from judged pairs.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2) or (n_pairs, 2 * n_fields), or two of these
            Titles of both sides; with several fields, first those of the left side,
            then those of the right one. A tuple holds the rows of the left and of the
            right side, such as two frames with the same columns.
        y : array-like of shape (n_pairs,), bool, or 0 and 1
            Whether a pair is the same product.
        gallery : array-like of shape (n_titles,) or (n_titles, n_fields), default=None
            More titles, without labels, such as all titles of a shop.
        X_val : array-like, as `X`, default=None
            Further pairs, like those that are to be decided. The levels do not learn
            from them: what the levels, the known products and the cross-encoder say of
            them teaches how to weigh these three. The cross-encoder is then fitted
            once, and finds its best epoch by them if its `fit` takes them; it is
            believed a little too much for that. Without them the weights are learned
            out of fold. A warning tells of fewer than 20 pairs of either answer, and
            of pairs that are in `X`, too, of which the levels are too sure.
        y_val : array-like, as `y`, default=None
            Whether a pair of `X_val` is the same product.

        Returns
        -------
        self : TitlePairClassifier
            The fitted classifier. If the fit fails, it is as it was.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title or an answer is missing, or all
            answers are the same.
        """
        with fitting(self) as fitted, showing_progress(self.verbose):
            for what in fitted._fit(X, y, gallery, X_val, y_val):
                warnings.warn(what, UserWarning, stacklevel=2)
        return self

    def _fit(self, X: Any, y: Any, gallery: Any, X_val: Any, y_val: Any) -> list[str]:
        """Fit a new classifier, and return what to warn of."""
        self._check_params()
        if y is None:
            raise ValueError(
                "TitlePairClassifier requires y to be passed, but the target y is None."
            )
        left, right = self._split_sides(X, reset=True)
        is_match = check_answers(y, "y", len(left))
        self.classes_ = find_classes(y, "y")
        others = np.empty((0, left.shape[1]), dtype=object)
        if gallery is not None:
            others = as_rows(gallery, "gallery", left.shape[1], self._places_.values())
        rows, indices = _collect(others, left, right)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        settings = PairSettings(
            embedders=make_embedders(self.embedders, seed),
            classifier=make_classifier(self.classifier, seed),
            pair_features=(
                *list_column_features(check_columns(self.columns), self._places_),
                *self.pair_features,
            ),
            n_candidates=self.n_candidates,
            n_levels=self.n_levels,
            propagates=self.propagation,
            seed=seed,
            n_threads=effective_n_jobs(self.n_jobs),
            cross_encoder=make_cross_encoder(self.cross_encoder, seed),
            asks_given=True,
        )
        titles, fields = self._read(rows)
        held_out = self._hold_out(rows, X_val, y_val)
        doubts = [] if held_out is None else _doubt(held_out, fields, indices)
        judged = JudgedPairs(indices, is_match)
        products = join_products(np.full(len(rows), -1), judged)
        fold = deal_products(products, judged, [], self.cv, seed)
        training = TrainingTitles(titles, fields, products)
        galleries, _ = describe_labelled(training, *judged, fold, settings)
        self._model_, _ = fit_pair_model(
            training, galleries, settings, may_calibrate=True, held_out=held_out
        )
        self._rows_ = rows
        self._catalogue_ = LazyCatalogue(self._model_, titles, fields, self.n_jobs)
        local = find_local_functions(self.pair_features)
        return [*local, *doubts, *self._model_.unused(settings.cross_encoder)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability that pairs are the same product.

        Parameters
        ----------
        X : array-like, as of :meth:`fit`
            Pairs of titles.

        Returns
        -------
        probabilities : ndarray of shape (n_pairs, 2), dtype float64
            That a pair is of the first and of the second class, in ``[0, 1]``.
        """
        check_is_fitted(self)
        self._check_params()
        left, right = self._split_sides(X)
        rows, indices = _collect(self._rows_, left, right)
        describer = self._model_.describer
        context = GalleryContext(describer.encode(*self._read(rows)), indices)
        with showing_progress(self.verbose):
            pairs = describer.describe(context, effective_n_jobs(self.n_jobs))
            levels, _ = self._model_.score(pairs)
        found = context.find(indices, pairs.indices)
        p = np.clip(levels[-1].propagated[found].astype(np.float64), 0, 1)
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:
        """Return whether pairs are the same product: those of 0.5 and more.

        Parameters
        ----------
        X : array-like, as of :meth:`fit`
            Pairs of titles.

        Returns
        -------
        y : ndarray of shape (n_pairs,)
            The class of each pair, as in `classes_`.
        """
        is_match = self.predict_proba(X)[:, 1] >= 0.5
        return self.classes_[is_match.astype(np.intp)]

    def explain(self, title_a: Any, title_b: Any) -> PairExplanation:
        """Tell why two titles match or do not, beside those of :meth:`fit`.

        Parameters
        ----------
        title_a, title_b : str or array-like of shape (n_fields,)
            A title each, in any order.

        Returns
        -------
        explanation : PairExplanation
            As of :meth:`PairClassifierMatcher.explain`.
        """
        check_is_fitted(self)
        self._check_params()
        n_fields = self.n_features_in_ // 2
        sides = [
            _as_row(title, name, n_fields, self._places_.values())
            for name, title in (("title_a", title_a), ("title_b", title_b))
        ]
        titles, fields = self._read(np.concatenate(sides))
        catalogue = self._catalogue_.described
        return explain_pair(self._model_, catalogue, titles, fields)

    def _hold_out(self, known: Rows, X_val: Any, y_val: Any) -> HeldOutPairs | None:
        """Return the pairs that are given to validate with, beside the known rows."""
        validation = check_validation(X_val, y_val, self._split_sides)
        if validation is None:
            return None
        sides, is_match = validation
        rows, indices = _collect(known, *sides)
        return HeldOutPairs(*self._read(rows), JudgedPairs(indices, is_match))

    def _check_params(self) -> None:
        """Raise if a parameter is out of its range."""
        check_pair_params(self)
        check_scalar(self.cv, "cv", Integral, min_val=2)

    def _split_sides(self, X: Any, *, reset: bool = False) -> tuple[Rows, Rows]:
        """Return the rows of the left and of the right side of pairs."""
        names = getattr(X[0], "columns", None) if isinstance(X, tuple) else None
        X = join_sides(X)
        n_columns = np.shape(X)[1] if np.ndim(X) == 2 else 0
        if reset:
            kinds = check_columns(self.columns)
            self._places_ = find_columns(kinds, n_columns // 2, names)
        places = [*self._places_.values()]
        both = [*places, *(place + n_columns // 2 for place in places)]
        check_titles(self, X, reset=reset, besides=both)
        return halve_columns(np.asarray(X, dtype=object))

    def _read(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the titles of rows, and the rows as functions of the user see them."""
        besides = self._places_.values()
        titles, _ = check_titles(BaseEstimator(), rows, reset=True, besides=besides)
        return titles, rows[:, 0] if rows.shape[1] == 1 else rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.classifier_tags.multi_class = False
        return tags


def _doubt(
    held_out: HeldOutPairs, fields: NDArray[np.object_], indices: PairIndices
) -> list[str]:
    """Tell, to warn of, why held-out pairs may teach wrong weights."""
    doubts = []
    for answer, n_pairs in enumerate(
        np.bincount(held_out.judged.is_match, minlength=2)
    ):
        if n_pairs < _FEW_HELD_OUT:
            doubts.append(
                f"y_val has {n_pairs} pairs of the answer {bool(answer)}; expected "
                f"{_FEW_HELD_OUT} or more. The weights may be worse than without X_val."
            )
    known, given = (
        {frozenset(map(str, pair)) for pair in zip(*sides, strict=True)}
        for sides in (
            [fields[side].tolist() for side in indices],
            [held_out.fields[side].tolist() for side in held_out.judged.indices],
        )
    )
    if known & given:
        doubts.append(
            f"X_val has {len(known & given)} pairs that X has, too; the levels have "
            "learned their answers, and seem better than they are."
        )
    return doubts


def as_rows(X: Any, name: str, n_fields: int, besides: Collection[int]) -> Rows:
    """Return the fields of rows, (n_rows, n_fields); raise if a title is missing."""
    try:
        check_titles(BaseEstimator(), X, reset=True, besides=besides)
    except ValueError as error:
        raise ValueError(re.sub(r"\bX\b", name, str(error))) from error
    values = np.asarray(X, dtype=object)
    values = values.reshape(-1, 1) if values.ndim == 1 else values
    if n_fields != values.shape[1]:
        raise ValueError(
            f"{name} has shape {values.shape}; expected {n_fields} fields for each "
            "title."
        )
    return values


def _as_row(title: Any, name: str, n_fields: int, besides: Collection[int]) -> Rows:
    """Return the fields of one title, (1, n_fields)."""
    is_text = isinstance(title, str)
    has_order = isinstance(title, Sequence) or getattr(title, "shape", ()) != ()
    if isinstance(title, bytes) or not (is_text or has_order):
        raise ValueError(
            f"{name}={title!r:.50}; expected a title of type str, or its fields."
        )
    row = [title] if is_text else list(title)
    return as_rows([row], name, n_fields, besides)


def _collect(known: Rows, left: Rows, right: Rows) -> tuple[Rows, PairIndices]:
    """Return each row of a context once, and the pairs of them.

    They are sorted, so that neither the order of pairs nor that of sides matters. Where
    both sides of a pair are the same row, it is there twice.
    """
    sides = [side.tolist() for side in (known, left, right)]
    keys = [[tuple(map(str, row)) for row in side] for side in sides]
    row_of = dict(zip(chain(*keys), chain(*sides), strict=True))
    distinct_keys = sorted(row_of)
    place = {key: number for number, key in enumerate(distinct_keys)}
    a, b = (np.array([place[key] for key in side], np.intp) for side in keys[1:])
    is_twin = a == b
    twins, copies = np.unique(a[is_twin], return_inverse=True)
    b[is_twin] = len(distinct_keys) + copies
    rows = [row_of[key] for key in distinct_keys]
    rows += [rows[twin] for twin in twins]
    collected = np.empty((len(rows), left.shape[1]), dtype=object)
    for number, row in enumerate(rows):
        collected[number] = row
    return collected, PairIndices(a, b)
