"""PairClassifierMatcher: retrieve candidates, then let a classifier decide each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch._fitting import fitting
from skmatch._numbers import check_number
from skmatch.embedders import AdapterBertEmbedder, LSTMTitleEmbedder
from skmatch.evaluation import (
    ClassDisjointKFold,
    as_labels,
    best_threshold,
    encode_labels,
    list_splits,
    rowwise_f1_score,
)
from skmatch.graph import check_decision, decide_matches, keep_matches
from skmatch.matchers._faiss_threshold import check_n_jobs
from skmatch.matchers._ranked_decisions import Refinements, rank_decisions, warn_if_far
from skmatch.pairs import (
    MOST_STORED,
    Catalogue,
    CatalogueContext,
    Copies,
    Fold,
    PairExplanation,
    PairModel,
    PairSettings,
    TrainingTitles,
    explain_pair,
    find_copies,
    fit_pair_model,
)
from skmatch.persistence import savable
from skmatch.titles import check_titles

Titles = NDArray[np.object_]
_HARM = 0.002  # F1 that an assumption may cost on the training titles before a warning


@savable
class PairClassifierMatcher(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Match titles by a classifier of candidate pairs.

    1. Candidates: the nearest titles of each one by any of several embeddings.
    2. Features of each pair: similarities and what they are among the other candidates,
       the words, quantities and model codes that the titles share or do not, what a
       linear classifier has learned of each word, edit-based similarities, lengths.
    3. A classifier gives the probability that a pair is the same product. It is
       propagated: averaged over the matches of both titles.
    4. At the next stacking level, another classifier sees the graph of these
       probabilities, too.
    5. Pairs whose probability reaches a threshold match.

    Parameters
    ----------
    embedders : transformer, str, list of these or None, default=None
        What makes vectors of titles: any scikit-learn transformers, or "tfidf" (of
        character n-grams), "words" (TF-IDF of words), "lstm" or "bert" for
        :class:`LSTMTitleEmbedder` and :class:`AdapterBertEmbedder` with their defaults.
        Each one finds candidates and is a similarity. None is ``["tfidf", "words"]``.
    classifier : classifier or None, default=None
        Any scikit-learn classifier with ``predict_proba``. None is a
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`.
    n_candidates : int, default=20
        Number of nearest titles that each embedder proposes for a title. Other pairs
        can match only by way of common matches, with `propagation`.
    n_levels : int, default=2
        Number of stacking levels: of classifiers, which from the second one on see the
        probabilities of the one before.
    threshold : float, "tuned" or "expected_f1", default="tuned"
        Smallest probability of a match, in ``[0, 1]``; of those below 0.01 only the
        largest one of a row can match. "tuned" is the one with the highest row-wise F1
        on the training titles, each of which was decided by classifiers and embedders
        that have not seen its product. With "expected_f1" each title has as many
        matches, itself among them, as maximise its expected F1, and no threshold is
        learned. Assumes that the probabilities are calibrated, so that their sum is the
        number of matches. The matches need not be symmetric.
    propagation : bool, default=True
        Whether the probabilities ``P`` of a level are averaged over the match graph:
        ``W (P + I) Wᵀ``, where row i of ``W`` weighs title i itself by 1 and its
        matches by the fourth power of their probabilities, scaled to a sum of 1.
        Assumes that the matches of a title's matches are its own.
    pair_features : sequence of callables, default=()
        Features of your own. Each is called with two arrays, the rows of `X` of the one
        and of the other title of all pairs, of shape (n_pairs,) or, where `X` has
        several columns, (n_pairs, n_fields), dtype object. It returns a number for
        each pair; it is called from both sides, and the mean is taken.
    max_matches : int or None, default=None
        Largest number of matches of a title with other ones. Assumes that no product
        has more titles. The matches are not symmetric, unless they are mutual.
    mutual : bool, default=False
        Whether two titles match only if each is among the `max_matches` most probable
        ones of the other. Needs `max_matches`.
    match_singletons : bool, default=False
        Whether a title without a match shall match its most probable candidate. Assumes
        that every product has at least two titles.
    cv : int or cross-validation splitter, default=4
        How the training titles are parted. Each part is a gallery in which candidates
        and features are found as later in :meth:`predict`; at best it has as many rows
        as a gallery in use. An int is the number of folds of a shuffled
        ``ClassDisjointKFold``; there are never more folds than products.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, of the default classifier and of the embedders by name.
    n_jobs : int or None, default=None
        Number of threads of the search for candidates and of the edit-based features;
        -1 is one a core. The default classifier takes all cores in any case.

    Attributes
    ----------
    embedders_ : list of transformers
        The embedders, fitted on all titles.
    classifiers_ : list of classifiers
        The classifier of each stacking level, fitted on the pairs of all folds.
    threshold_ : float
        The threshold that :meth:`fit` chose or was given; nan if it is "expected_f1".
    best_score_ : float
        Mean row-wise F1 of the training titles at `threshold_`, from cross-fitting.
    candidate_recall_ : float
        Share of the pairs of the same product in the folds that are candidates.
    gallery_size_ : float
        Mean number of rows of a fold.
    n_samples_fit_ : int
        Number of titles of :meth:`fit`, the catalogue.
    n_features_in_, feature_names_in_ : int and ndarray
        Number and names of the columns of `X`.

    See Also
    --------
    FaissThresholdMatcher : One threshold on one similarity.
    TunedThresholdMatcherCV : How to choose it.

    Notes
    -----
    Pairs are described in galleries and by embedders that know nothing of their
    products, as in use, and what a level tells the next one is out-of-fold, as in
    stacked generalization [1]_. Propagation weighs matches as query expansion weighs
    neighbours [2]_. That the best matches by expected F1 are the most probable ones is
    shown in [3]_.

    Features that count edits read the first 1,000 characters of a title, and the one
    that looks for the best part of a title the first 300.

    The titles of :meth:`fit` are the catalogue. They are matched among themselves when
    :meth:`transform` or :meth:`explain` is first called; a pickle is without that.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.
       :doi:`10.1016/S0893-6080(05)80023-1`
    .. [2] F. Radenovic, G. Tolias and O. Chum, "Fine-tuning CNN image retrieval with no
       human annotation", IEEE TPAMI 41(7), 2019. :arxiv:`1711.02512`
    .. [3] N. Ye et al., "Optimizing F-measure: a tale of two approaches", ICML 2012.
       :arxiv:`1206.4625`

    Examples
    --------
    >>> from skmatch import PairClassifierMatcher, make_product_titles
    >>> titles, product_ids = make_product_titles(200, random_state=0)
    >>> matcher = PairClassifierMatcher(random_state=0)
    >>> matcher = matcher.fit(titles[:400], product_ids[:400])
    >>> matcher.predict(titles[400:500]).shape
    (100, 100)
    >>> matcher.explain(titles[400], titles[400]).probability > 0.5
    True
    """

    def __init__(
        self,
        embedders: Any = None,
        classifier: Any = None,
        *,
        n_candidates: int = 20,
        n_levels: int = 2,
        threshold: float | str = "tuned",
        propagation: bool = True,
        pair_features: Sequence[Callable[..., Any]] = (),
        max_matches: int | None = None,
        mutual: bool = False,
        match_singletons: bool = False,
        cv: Any = 4,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.embedders = embedders
        self.classifier = classifier
        self.n_candidates = n_candidates
        self.n_levels = n_levels
        self.threshold = threshold
        self.propagation = propagation
        self.pair_features = pair_features
        self.max_matches = max_matches
        self.mutual = mutual
        self.match_singletons = match_singletons
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from titles and their products which pairs are the same product.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles; fields are joined by a space.
        y : array-like of shape (n_samples,)
            Product labels, int or str. A product with one title is legal.

        Returns
        -------
        self : PairClassifierMatcher
            The fitted matcher. If the fit fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title or a label is missing, or there
            are fewer than two products.
        """
        with fitting(self) as fitted:
            for what in fitted._fit(X, y):
                warnings.warn(what, UserWarning, stacklevel=2)
        return self

    def _fit(self, X: Any, y: Any) -> list[str]:
        """Fit a new matcher, and return what to warn of."""
        self._check_params()
        if y is None:
            raise ValueError(
                "PairClassifierMatcher requires y to be passed, but the target y is "
                "None: the product label of each row."
            )
        if getattr(y, "ndim", 1) == 1:
            encode_labels(y, "y")  # scikit-learn would make str of what is missing
            y = as_labels(y)
        titles, y = check_titles(self, X, y, reset=True)
        training = TrainingTitles(titles, _fields(X), y, encode_labels(y, "y"))
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        settings = PairSettings(
            embedders=_make_embedders(self.embedders, seed),
            classifier=_make_classifier(self.classifier, seed),
            pair_features=self.pair_features,
            n_candidates=self.n_candidates,
            n_levels=self.n_levels,
            propagates=self.propagation,
            seed=seed,
            n_threads=effective_n_jobs(self.n_jobs),
        )
        splits = [*self._split(training, seed)]
        if len(splits) < 2:
            raise ValueError(
                f"cv={self.cv!r} gives {len(splits)} split; expected at least 2, since "
                "what one tells the classifier of the other is out-of-fold."
            )
        model, folds = fit_pair_model(training, splits, settings)
        scores = _FoldScores(folds)
        self._choose_threshold(scores)
        self.embedders_ = model.describer.embedders
        self.classifiers_ = model.classifiers
        self.n_samples_fit_ = len(titles)
        self._model_ = model
        self._catalogue_ = _LazyCatalogue(model, titles, training.fields, self.n_jobs)
        return self._failed_assumptions(scores)

    def predict(self, X: Any) -> csr_array:
        """Match titles with one another: :meth:`score_graph`, then decide.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles. The catalogue of :meth:`fit` plays no part.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            True where two rows match; True on the diagonal, and symmetric unless
            `max_matches`, `match_singletons` or a threshold of "expected_f1" make it
            otherwise. A warning tells if the number of rows is more than three times
            that of a fold, or less than a third, and the threshold was tuned.
        """
        graph = self._score_graph(X)
        if self.threshold == "tuned":
            warn_if_far(graph.shape[0], self.gallery_size_, "cv")
        return decide_matches(graph, self._threshold(), **self._refinements())

    def score_graph(self, X: Any) -> csr_array:
        """Return the probability that two titles are the same product.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, matched with one another.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, n_samples), dtype float32
            Probabilities in ``[0, 1]``, symmetric, without the diagonal. Those below
            0.01 are not stored, but for the largest one of each row. Propagated ones
            reach beyond the candidates. Of a title that more than 16 rows have, the
            first 16 are scored, and the others have the probabilities of the first.
            With more than 500 rows of a title, pairs of two later ones are not stored,
            and a warning says so.
        """
        return self._score_graph(X)

    def _score_graph(self, X: Any) -> csr_array:
        """Score the rows of `X`; the warning points at the caller of the caller."""
        check_is_fitted(self)
        self._check_params()
        titles, _ = check_titles(self, X, reset=False)
        fields = _fields(X)
        copies = find_copies(titles, fields if fields.ndim == 2 else None)
        rows = copies.scored
        if len(copies.stored) < len(titles):
            late = np.setdiff1d(np.arange(len(titles)), copies.stored)[0]
            warnings.warn(
                f"X has more than {MOST_STORED} rows of the title "
                f"{titles[late]!r:.50}: pairs of two of those that come later are left "
                "out. Match one row of each title, or group with method='components'.",
                UserWarning,
                stacklevel=3,
            )
        graph = self._model_.score_graph(
            titles[rows], fields[rows], effective_n_jobs(self.n_jobs)
        )
        return copies.spread(graph)

    def transform(self, X: Any) -> csr_array:
        """Return the probability that titles are those of the catalogue.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles. The probabilities of each depend on no other one.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, `n_samples_fit_`), dtype float32
            Probabilities in ``[0, 1]``, of the matches alone; a row without a match is
            empty. `max_matches` and `match_singletons` refine them as in
            :meth:`predict`; with `mutual` a title of the catalogue keeps the
            `max_matches` best of the rows of this `X`. Of a title that the catalogue
            has more than 500 times, the first 500 have entries.
        """
        check_is_fitted(self)
        self._check_params()
        titles, _ = check_titles(self, X, reset=False)
        encoded = self._model_.describer.encode(titles, _fields(X))
        context = CatalogueContext(encoded, self._catalogue_.described)
        n_threads = effective_n_jobs(self.n_jobs)
        levels, _ = self._model_.score(
            self._model_.describer.describe(context, n_threads)
        )
        graph = self._catalogue_.copies.spread_columns(levels[-1].of_left.graph)
        return keep_matches(graph, self._threshold(), **self._refinements())

    def explain(self, title_a: Any, title_b: Any) -> PairExplanation:
        """Tell why two titles match or do not, beside those of the catalogue.

        Parameters
        ----------
        title_a, title_b : str or array-like of shape (n_fields,)
            A row of `X` each, in any order.

        Returns
        -------
        explanation : PairExplanation
            The probability that the last classifier gives, before it is propagated (it
            differs from that of :meth:`score_graph`), and
            for each feature its name, its value and what it adds: the change of the
            log-odds against the mean over training pairs whose value of this feature,
            and nothing else, is taken instead. As a str it is a table.

        Notes
        -----
        What a feature adds is measured through all levels [1]_. Features that say the
        same hide one another: contributions do not sum to the log-odds.

        References
        ----------
        .. [1] M. Robnik-Sikonja and I. Kononenko, "Explaining classifications for
           individual instances", IEEE TKDE 20(5), 2008. :doi:`10.1109/TKDE.2007.190734`
        """
        check_is_fitted(self)
        self._check_params()
        rows = []
        for name, title in (("title_a", title_a), ("title_b", title_b)):
            is_text = isinstance(title, str)
            has_order = isinstance(title, Sequence) or getattr(title, "shape", ()) != ()
            if isinstance(title, bytes) or not (is_text or has_order):
                raise ValueError(
                    f"{name}={title!r}; expected a title of type str, or its fields."
                )
            row = [title] if is_text else list(title)
            rows.append(row)
            if len(row) != self.n_features_in_:
                raise ValueError(
                    f"{name} has {len(row)} fields; expected {self.n_features_in_}, "
                    "as X in fit."
                )
        # Of another estimator: these rows have no names, even if those of fit had.
        titles, _ = check_titles(BaseEstimator(), rows, reset=True)
        catalogue = self._catalogue_.described
        return explain_pair(self._model_, catalogue, titles, _fields(rows))

    def get_pair_feature_names(self) -> list[str]:
        """Return the names of the features that the last classifier sees.

        Returns
        -------
        names : list of str
            Names in the order of the columns.
        """
        check_is_fitted(self)
        return self._model_.feature_names()

    def _choose_threshold(self, folds: _FoldScores) -> None:
        """Set the threshold, and what the folds say of it and of the candidates."""
        refinements = Refinements.of(self)
        if self.threshold == "tuned":
            self.threshold_, self.best_score_ = folds.best(refinements)
        else:
            is_rule = isinstance(self.threshold, str)
            self.threshold_ = np.nan if is_rule else float(self.threshold)
            self.best_score_ = folds.score(self.threshold, refinements)
        self.candidate_recall_ = folds.candidate_recall
        self.gallery_size_ = folds.mean_size

    def _failed_assumptions(self, folds: _FoldScores) -> list[str]:
        """Tell where a choice assumes what the training titles do not show."""
        failed: list[str] = []

        def add_if_harmful(loss: float, what: str) -> None:
            if loss > _HARM:
                failed.append(
                    f"{what}; it costs {loss:.3f} of the row-wise F1 of the training "
                    "titles."
                )

        asked = Refinements.of(self)
        _, best = folds.best(asked)
        if self.propagation:
            add_if_harmful(
                folds.best(asked, propagated=False)[1] - best,
                "propagation=True assumes that the matches of a title's matches are "
                "its own",
            )
        if self.threshold == "expected_f1":
            add_if_harmful(
                best - self.best_score_,
                "threshold='expected_f1' assumes calibrated probabilities",
            )
        product_sizes = np.bincount(folds.labels)[folds.labels]  # of each title
        is_single = float((product_sizes == 1).mean())
        if self.match_singletons and is_single > 0.01:
            failed.append(
                "match_singletons=True assumes that every product has at least two "
                f"titles; {is_single:.1%} of the training titles are their product's "
                "only one."
            )
        if self.max_matches is None:
            return failed
        too_many = float((product_sizes - 1 > self.max_matches).mean())
        unlimited = Refinements(None, False, self.match_singletons)
        add_if_harmful(
            folds.best(unlimited)[1] - self.best_score_,
            f"max_matches={self.max_matches} with mutual={self.mutual} assumes that no "
            f"title has more matches, but {too_many:.1%} of the titles have",
        )
        return failed

    def _split(self, training: TrainingTitles, seed: int) -> Iterator[Any]:
        """Part the training titles by product."""
        labels = training.labels
        n_products = len(np.unique(labels))
        if n_products < 2:
            raise ValueError(
                f"y has {n_products} class, a single product; PairClassifierMatcher "
                "needs at least 2 to learn what tells products apart."
            )
        cv: Any = self.cv
        if isinstance(cv, Integral):
            n_folds = min(int(cv), n_products)
            cv = ClassDisjointKFold(n_folds, shuffle=True, random_state=seed)
        scored = find_copies(training.titles, labels).scored
        is_scored = np.isin(np.arange(len(labels)), scored)
        for train, test in list_splits(cv, training.titles, labels):
            common = np.intersect1d(labels[train], labels[test])
            if common.size:
                raise ValueError(
                    f"cv={self.cv!r} has a product with titles on both sides of a "
                    "split; expected class-disjoint folds, as of ClassDisjointKFold."
                )
            train, test = np.asarray(train), np.asarray(test)
            yield train[is_scored[train]], test[is_scored[test]]

    def _threshold(self) -> float | str:
        return self.threshold_ if self.threshold == "tuned" else self.threshold

    def _refinements(self) -> dict[str, Any]:
        return Refinements.of(self)._asdict()

    def _check_params(self) -> None:
        """Raise if a parameter is out of its range."""
        check_scalar(
            self.n_candidates, "n_candidates", Integral, min_val=1, max_val=2**20
        )
        check_scalar(self.n_levels, "n_levels", Integral, min_val=1, max_val=100)
        if isinstance(self.cv, Integral):
            check_scalar(self.cv, "cv", Integral, min_val=2)
        rules = ("tuned", "expected_f1")
        if isinstance(self.threshold, str) and self.threshold not in rules:
            raise ValueError(
                f"threshold={self.threshold!r}; expected a probability in [0, 1] or "
                f"one of {rules}."
            )
        if not isinstance(self.threshold, str):
            check_number(self.threshold, "threshold", min_val=0, max_val=1)
        try:
            functions = [*self.pair_features]
        except TypeError as error:
            raise ValueError(
                f"pair_features={self.pair_features!r}; expected a sequence of "
                "callables."
            ) from error
        for function in functions:
            if not callable(function):
                raise ValueError(
                    f"pair_features holds {function!r}; expected callables on two "
                    "arrays of rows."
                )
        check_decision(0.0, self.max_matches, self.mutual)
        check_n_jobs(self.n_jobs)
        for name in ("match_singletons", "propagation"):
            check_scalar(getattr(self, name), name, (bool, np.bool_))

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags


class _FoldScores:
    """The folds of a fit, as one graph in which no title meets those of others."""

    def __init__(self, folds: list[Fold]) -> None:
        self._levels = [fold.level.of_left for fold in folds]
        # A splitter may test a product in several folds: each time it is another one.
        n_labels = 1 + max(int(fold.labels.max()) for fold in folds)
        labels = [fold.labels + i * n_labels for i, fold in enumerate(folds)]
        self.labels = np.unique(np.concatenate(labels), return_inverse=True)[1]
        n_true = sum(fold.n_true for fold in folds)
        n_reached = sum(fold.n_true_candidates for fold in folds)
        self.candidate_recall = n_reached / n_true if n_true else 1.0
        self.mean_size = float(np.mean([len(fold.labels) for fold in folds]))

    def best(
        self, refinements: Refinements, propagated: bool = True
    ) -> tuple[float, float]:
        """Return the best threshold and its mean row-wise F1."""
        graph = self._graph(propagated)
        return best_threshold(rank_decisions(graph, self.labels, refinements))

    def score(self, threshold: float | str, refinements: Refinements) -> float:
        """Return the mean row-wise F1 at a threshold."""
        graph = self._graph()
        matches = decide_matches(graph, threshold, **refinements._asdict())
        return float(rowwise_f1_score(self.labels, matches))

    def _graph(self, propagated: bool = True) -> csr_array:
        """Return the probabilities of all folds, out of fold."""
        return csr_array(
            block_diag(
                [x.graph if propagated else x.probabilities for x in self._levels],
                format="csr",
            )
        )


@savable
class _LazyCatalogue:
    """The titles of a fit, matched among themselves when they are first needed."""

    def __init__(
        self, model: PairModel, titles: Titles, fields: Titles, n_jobs: int | None
    ) -> None:
        self._model, self._titles, self._fields = model, titles, fields
        self._n_jobs = n_jobs

    @cached_property
    def copies(self) -> Copies:
        """Which of the titles are matched."""
        fields = self._fields if self._fields.ndim == 2 else None
        return find_copies(self._titles, fields)

    @cached_property
    def described(self) -> Catalogue:
        """The catalogue to match others with."""
        rows = self.copies.scored
        titles, fields = self._titles[rows], self._fields[rows]
        n_threads = effective_n_jobs(self._n_jobs)
        return self._model.make_catalogue(titles, fields, n_threads)

    def __getstate__(self) -> dict[str, Any]:
        made = ("copies", "described")
        return {k: v for k, v in vars(self).items() if k not in made}


def _make_classifier(classifier: Any, seed: int) -> Any:
    """Return the classifier of a parameter, or the default."""
    if classifier is not None:
        if isinstance(classifier, type) or not hasattr(classifier, "get_params"):
            raise ValueError(
                f"classifier={classifier!r}; expected None or a classifier with "
                "predict_proba."
            )
        return classifier
    return HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=100,
        l2_regularization=1.0,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=seed,
    )


def _make_embedders(embedders: Any, seed: int) -> list[Any]:
    """Return the embedders that a parameter names."""
    named: dict[str, Callable[[], Any]] = {
        "tfidf": lambda: TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32
        ),
        "words": lambda: TfidfVectorizer(
            token_pattern=r"\w+", sublinear_tf=True, dtype=np.float32
        ),
        "lstm": lambda: LSTMTitleEmbedder(random_state=seed),
        "bert": lambda: AdapterBertEmbedder(random_state=seed),
    }
    if embedders is None:
        embedders = ["tfidf", "words"]
    listed = list(embedders) if isinstance(embedders, (list, tuple)) else [embedders]
    made = []
    for embedder in listed:
        if isinstance(embedder, str) and embedder in named:
            made.append(named[embedder]())
        elif hasattr(embedder, "fit") and hasattr(embedder, "transform"):
            made.append(embedder)
        else:
            raise ValueError(
                f"embedders holds {embedder!r}; expected transformers or names of "
                f"{sorted(named)}."
            )
    if not made:
        raise ValueError("embedders is empty; expected at least one transformer.")
    return made


def _fields(X: Any) -> Titles:
    """Return the rows of X as they were given: of shape (n,) or (n, n_fields)."""
    fields = np.asarray(X, dtype=object)
    return fields[:, 0] if fields.ndim == 2 and fields.shape[1] == 1 else fields
