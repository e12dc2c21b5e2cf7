"""Retrieve candidates by similarity, then let a classifier decide each pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch.embedders._adapter_bert import AdapterBertEmbedder
from skmatch.embedders._base import LSTMTitleEmbedder
from skmatch.evaluation._metrics import encode_labels, rowwise_f1_score
from skmatch.evaluation._splitters import ClassDisjointKFold
from skmatch.graph._decide import Refinements, find_matches, keep_matches
from skmatch.graph._propagation import Blend
from skmatch.matchers._tuned_threshold import warn_if_far
from skmatch.pairs._context import Catalogue, Describer, Pairs, Round, make_catalogue
from skmatch.pairs._text_features import PairFeatures
from skmatch.pairs._word_weights import make_word_classifier
from skmatch.titles._tokens import check_titles

_THRESHOLDS = np.linspace(0.02, 0.98, 97)
_N_BACKGROUND = 200  # training pairs that an explanation takes values from
_HARM = 0.002  # F1 that an assumption may cost on the training rows before a warning


class PairClassifierMatcher(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Match titles by a classifier of pairs that were found by their similarity.

    The nearest titles of each one by any of several embeddings are its candidates. Each
    pair of a title and a candidate is described by named features: similarities and
    what they are among the other candidates, the words, quantities and model codes that
    the titles share or do not, what a linear classifier has learned of each of these
    words, edit-based similarities, lengths. A classifier gives the probability that
    they are the same product, which is blended with those around it: of the matches of
    both. In a second round another classifier sees the graph of these probabilities.

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
        Number of candidates that each embedder finds for a title. Other pairs can match
        only by way of common matches, with `blend`.
    n_rounds : int, default=2
        Number of classifiers; from the second one on they see the probabilities of the
        one before.
    threshold : float, "tuned" or "expected_f1", default="tuned"
        Smallest probability of a match, in ``[0, 1]``; pairs with less than 0.01 match
        in no case. "tuned" is the one with the highest row-wise F1 on the training
        titles, each of which was decided by classifiers and embedders that have not
        seen its product. With "expected_f1" each title has as many matches, itself
        among them, as maximise its expected F1, and no threshold is learned. Assumes
        that the probabilities are calibrated, so that their sum is the number of
        matches. The matches need not be symmetric.
    blend : bool, default=True
        Whether the probability of a pair is the mean over the pairs of a title like the
        one and a title like the other: itself, and its matches weighted by the fourth
        power of their probabilities. Assumes that the matches of a title's matches are
        its own. It is done after each round.
    pair_features : sequence of callables, default=()
        Features of your own. Each is called with two arrays, the rows of `X` of the one
        and of the other title of all pairs, of shape (n_pairs,) or, where `X` has
        several columns, (n_pairs, n_columns), dtype object. It returns a number for
        each pair; it is called from both sides, and the mean is taken.
    max_matches : int or None, default=None
        Largest number of matches of a title with other ones. Assumes that no product
        has more titles. The matches are not symmetric, unless they are reciprocal.
    reciprocal : bool, default=False
        Whether two titles match only if each is among the `max_matches` most probable
        ones of the other. Needs `max_matches`.
    nearest_for_lonely : bool, default=False
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
        The classifier of each round, fitted on the pairs of all folds.
    threshold_ : float
        The threshold that :meth:`predict` uses; nan if it is "expected_f1".
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
    products, as in use, and what a round tells the next one is out-of-fold, as in
    stacked generalization [1]_. Matches are weighed in a blend as in the expansion of
    queries by their neighbours [2]_. That the best matches by expected F1 are the most
    probable ones is shown in [3]_.

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
        n_rounds: int = 2,
        threshold: float | str = "tuned",
        blend: bool = True,
        pair_features: Sequence[Callable[..., Any]] = (),
        max_matches: int | None = None,
        reciprocal: bool = False,
        nearest_for_lonely: bool = False,
        cv: Any = 4,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.embedders = embedders
        self.classifier = classifier
        self.n_candidates = n_candidates
        self.n_rounds = n_rounds
        self.threshold = threshold
        self.blend = blend
        self.pair_features = pair_features
        self.max_matches = max_matches
        self.reciprocal = reciprocal
        self.nearest_for_lonely = nearest_for_lonely
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from titles and their products which pairs are the same product.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_columns)
            Titles; columns are joined by a space.
        y : array-like of shape (n_samples,)
            Product labels, int or str. A product with one title is legal.

        Returns
        -------
        self : PairClassifierMatcher
            The fitted matcher.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title or a label is missing, or there
            are fewer than two products.
        """
        self._check_params()
        if y is None:
            raise ValueError(
                "PairClassifierMatcher requires y to be passed, but the target y is "
                "None: the product label of each row."
            )
        titles, y = check_titles(self, X, y, reset=True)
        labels, cells = encode_labels(y, "y"), _cells(X)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        embedders = _make_embedders(self.embedders, seed)
        classifier = self.classifier
        if classifier is None:
            classifier = HistGradientBoostingClassifier(
                learning_rate=0.1,
                max_iter=100,
                l2_regularization=1.0,
                min_samples_leaf=40,
                early_stopping=False,
                random_state=seed,
            )

        def learn(rows: Any) -> None:
            """Fit embedders and counts of words on some rows."""
            self.embedders_ = [clone(e).fit(titles[rows], y[rows]) for e in embedders]
            self._features = PairFeatures(self.pair_features).fit(titles[rows])

        folds = []
        for train, test in self._split(titles, labels, seed):
            learn(train)
            pairs = self._describer().among(titles[test], cells[test])
            folds.append(_Fold(pairs, labels[test]))
        rounds, features = self._fit_classifiers(classifier, folds)
        self._choose(folds, [judged.of_left for judged in rounds])
        rng = np.random.default_rng(seed)
        n_drawn = min(_N_BACKGROUND, len(features))
        self._background = features[rng.choice(len(features), n_drawn, replace=False)]
        learn(slice(None))
        self.n_samples_fit_ = len(titles)
        self._catalogue = self._make_catalogue(titles, cells)
        return self

    def predict(self, X: Any) -> csr_array:
        """Match titles with one another.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_columns)
            Titles. The catalogue of :meth:`fit` plays no part.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            True where two rows match; True on the diagonal, and symmetric unless
            `max_matches`, `nearest_for_lonely` or a threshold of "expected_f1" make it
            otherwise. A warning tells if the number of rows is more than three times
            that of a fold, or less than a third, and the threshold was tuned.
        """
        graph = self.match_probabilities(X)
        if self.threshold == "tuned":
            warn_if_far(graph.shape[0], self.gallery_size_, "cv")
        return find_matches(graph, self._threshold(), self._refinements())

    def match_probabilities(self, X: Any) -> csr_array:
        """Return the probability that two titles are the same product.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_columns)
            Titles, matched with one another.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, n_samples), dtype float32
            Probabilities in ``[0, 1]``, symmetric, without the diagonal. Those below
            0.01 are not stored, but for the largest one of each row. Blended ones reach
            beyond the candidates.
        """
        check_is_fitted(self)
        self._check_params()
        titles, _ = check_titles(self, X, reset=False)
        pairs = self._describer().among(titles, _cells(X))
        return self._decide(pairs)[0][-1].of_left.graph

    def transform(self, X: Any) -> csr_array:
        """Return the probability that titles are those of the catalogue.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_columns)
            Titles. Each is decided by itself: the others play no part.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, `n_samples_fit_`), dtype float32
            Probabilities in ``[0, 1]``, of the matches alone; a row without a match
            is empty. `max_matches` and `nearest_for_lonely` play no part.
        """
        check_is_fitted(self)
        self._check_params()
        titles, _ = check_titles(self, X, reset=False)
        pairs = self._describer().against(self._catalogue, titles, _cells(X))
        graph = self._decide(pairs)[0][-1].of_left.graph
        return keep_matches(graph, self._threshold())

    def explain(self, title_a: Any, title_b: Any) -> PairExplanation:
        """Tell why two titles match or do not, beside those of the catalogue.

        Parameters
        ----------
        title_a, title_b : str or array-like of shape (n_columns,)
            A row of `X` each, in any order.

        Returns
        -------
        explanation : PairExplanation
            The probability that the last classifier gives, before it is blended, and
            for each feature its name, its value and what it adds: the change of the
            log-odds against the mean over training pairs whose value of this feature,
            and nothing else, is taken instead. As a str it is a table.

        Notes
        -----
        What a feature adds is measured through all rounds [1]_. Features that say the
        same hide one another: contributions do not sum to the log-odds.

        References
        ----------
        .. [1] M. Robnik-Sikonja and I. Kononenko, "Explaining classifications for
           individual instances", IEEE TKDE 20(5), 2008. :doi:`10.1109/TKDE.2007.190734`
        """
        check_is_fitted(self)
        self._check_params()
        rows = [[t] if isinstance(t, str) else list(t) for t in (title_a, title_b)]
        for name, row in zip(("title_a", "title_b"), rows, strict=True):
            if len(row) != self.n_features_in_:
                raise ValueError(
                    f"{name} has {len(row)} columns; expected {self.n_features_in_}, "
                    "as X in fit."
                )
        titles = np.array([" ".join(map(str, row)) for row in rows], dtype=object)
        cells, describer = _cells(rows), self._describer()
        pairs = describer.against(self._catalogue, titles, cells)
        rounds = [judged.of_left for judged in self._decide(pairs)[0]]
        pair = describer.between(self._catalogue, pairs, rounds, titles, cells)
        judged, features = self._decide(pair)
        found = judged[-1].probabilities
        many, added = pair.repeat(len(self._background)), []
        for column in range(features.shape[1]):
            changed, _ = self._decide(many, (column, self._background[:, column]))
            without = _log_odds(changed[-1].probabilities).mean()
            added.append(float(_log_odds(found)[0] - without))
        names, values = self.get_pair_feature_names(), features[0]
        order = np.argsort(-np.abs(added), kind="stable")
        return PairExplanation(
            float(found[0]),
            [(names[i], float(values[i]), added[i]) for i in order],
        )

    def get_pair_feature_names(self) -> list[str]:
        """Return the names of the features that the last classifier sees.

        Returns
        -------
        names : list of str
            Names in the order of the columns.
        """
        check_is_fitted(self)
        return self._describer().feature_names(len(self.classifiers_))

    def _describer(self) -> Describer:
        """Return what finds and describes candidates."""
        n_threads = effective_n_jobs(self.n_jobs)
        return Describer(
            self.embedders_, self._features, self.n_candidates, self.blend, n_threads
        )

    def _decide(
        self, pairs: Pairs, taken: tuple[int, NDArray[np.float32]] | None = None
    ) -> tuple[list[Round], NDArray[np.float32]]:
        """Return what each round says, and the features that the last one sees.

        `taken` are a column of the features and the values to take for those in it.
        """
        rounds: list[Round] = []
        pairs = pairs.with_words(_weigh_words(self._word_classifier, pairs))
        features = pairs.features
        for number, classifier in enumerate(self.classifiers_):
            if number:
                features = pairs.with_round(number, rounds[-1])
            if taken is not None and taken[0] < features.shape[1]:
                features = features.copy()
                features[:, taken[0]] = taken[1]
            rounds.append(pairs.judge(number, _probability(classifier, features)))
        return rounds, features

    def _fit_classifiers(
        self, classifier: Any, folds: list[_Fold]
    ) -> tuple[list[Round], NDArray[np.float32]]:
        """Fit the classifiers of all rounds.

        Return what the last one says out of fold, and the features of all pairs as it
        sees them.
        """
        answers = [fold.is_match() for fold in folds]
        words = [vstack([*fold.pairs.compare_words()], format="csr") for fold in folds]
        found, self._word_classifier = _cross_fit(
            make_word_classifier(), words, answers, vstack
        )
        del words  # as large as the features
        described = [
            fold.pairs.with_words(_log_odds(p))
            for fold, p in zip(folds, found, strict=True)
        ]
        features = [pairs.features for pairs in described]
        rounds: list[Round] = []
        self.classifiers_ = []
        for number in range(self.n_rounds):
            if number:
                features = [
                    pairs.with_round(number, judged)
                    for pairs, judged in zip(described, rounds, strict=True)
                ]
            found, fitted = _cross_fit(classifier, features, answers, np.concatenate)
            self.classifiers_.append(fitted)
            rounds = [
                pairs.judge(number, p)
                for pairs, p in zip(described, found, strict=True)
            ]
        return rounds, np.concatenate(features)

    def _choose(self, folds: list[_Fold], blends: list[Blend]) -> None:
        """Set the threshold, and what the folds say of the candidates."""
        blended = [blend.graph for blend in blends]

        def score(
            threshold: float | str,
            refinements: Refinements,
            graphs: Sequence[csr_array] = blended,
        ) -> float:
            rows = [
                rowwise_f1_score(
                    fold.labels,
                    find_matches(graph, threshold, refinements),
                    average=None,
                )
                for fold, graph in zip(folds, graphs, strict=True)
            ]
            return float(np.concatenate(rows).mean())

        asked = self._refinements()
        if self.threshold == "tuned":
            scores = [score(threshold, asked) for threshold in _THRESHOLDS]
            self.threshold_ = float(_THRESHOLDS[int(np.argmax(scores))])
        elif self.threshold == "expected_f1":
            self.threshold_ = np.nan
        else:
            self.threshold_ = float(self.threshold)
        self.best_score_ = score(self._threshold(), asked)
        n_true = sum(fold.n_true() for fold in folds)
        n_found = sum(fold.is_match().sum() for fold in folds)
        self.candidate_recall_ = float(n_found / n_true) if n_true else 1.0
        self.gallery_size_ = float(np.mean([fold.pairs.n_rows for fold in folds]))
        self._check_assumptions(folds, blends, score)

    def _check_assumptions(
        self, folds: list[_Fold], blends: list[Blend], score: Callable[..., float]
    ) -> None:
        """Warn where a choice assumes what the training titles do not show."""

        def warn_if_harmful(loss: float, what: str) -> None:
            if loss > _HARM:
                warnings.warn(
                    f"{what}; it costs {loss:.3f} of the row-wise F1 of the training "
                    "titles.",
                    UserWarning,
                    stacklevel=5,
                )

        asked, some = self._refinements(), _THRESHOLDS[::8]

        def best(*asked: Any) -> float:
            return max(score(threshold, *asked) for threshold in some)

        if self.blend:
            raw = [blend.raw for blend in blends]
            warn_if_harmful(
                best(asked, raw) - best(asked),
                "blend=True assumes that the matches of a title's matches are its own",
            )
        if self.threshold == "expected_f1":
            warn_if_harmful(
                best(asked) - self.best_score_,
                "threshold='expected_f1' assumes calibrated probabilities",
            )
        labels = [np.bincount(fold.labels)[fold.labels] for fold in folds]
        n_rows = np.concatenate(labels)
        is_single = float((n_rows == 1).mean())
        if self.nearest_for_lonely and is_single > 0.01:
            warnings.warn(
                "nearest_for_lonely=True assumes that every product has at least two "
                f"titles; {is_single:.1%} of the training titles are their product's "
                "only one.",
                UserWarning,
                stacklevel=4,
            )
        if self.max_matches is None:
            return
        too_many = float((n_rows - 1 > self.max_matches).mean())
        without = Refinements(None, False, self.nearest_for_lonely)
        warn_if_harmful(
            best(without) - self.best_score_,
            f"max_matches={self.max_matches} with reciprocal={self.reciprocal} assumes "
            f"that no title has more matches, but {too_many:.1%} of the titles have",
        )

    def _make_catalogue(
        self, titles: NDArray[np.object_], cells: NDArray[np.object_]
    ) -> Catalogue:
        """Describe the titles of fit as what other titles are matched with."""
        pairs = self._describer().among(titles, cells)
        rounds = [judged.of_left for judged in self._decide(pairs)[0]]
        return make_catalogue(pairs, rounds, titles, cells)

    def _split(
        self, titles: NDArray[np.object_], labels: NDArray[np.intp], seed: int
    ) -> Iterator[Any]:
        """Part the training titles by product."""
        n_products = len(np.unique(labels))
        if n_products < 2:
            raise ValueError(
                f"y has {n_products} class, a single product; PairClassifierMatcher "
                "needs at least 2 to learn what parts them."
            )
        cv: Any = self.cv
        if isinstance(cv, Integral):
            n_folds = min(int(cv), n_products)
            cv = ClassDisjointKFold(n_folds, shuffle=True, random_state=seed)
        for train, test in cv.split(titles, labels):
            common = np.intersect1d(labels[train], labels[test])
            if common.size:
                raise ValueError(
                    f"cv={self.cv!r} has a product with titles on both sides of a "
                    "split; expected class-disjoint folds, as of ClassDisjointKFold."
                )
            yield train, test

    def _threshold(self) -> float | str:
        return self.threshold_ if self.threshold == "tuned" else self.threshold

    def _refinements(self) -> Refinements:
        return Refinements(self.max_matches, self.reciprocal, self.nearest_for_lonely)

    def _check_params(self) -> None:
        """Raise if a parameter is out of its range."""
        check_scalar(self.n_candidates, "n_candidates", Integral, min_val=1)
        check_scalar(self.n_rounds, "n_rounds", Integral, min_val=1)
        if isinstance(self.cv, Integral):
            check_scalar(self.cv, "cv", Integral, min_val=2)
        rules = ("tuned", "expected_f1")
        if isinstance(self.threshold, str) and self.threshold not in rules:
            raise ValueError(
                f"threshold={self.threshold!r}; expected a probability in [0, 1] or "
                f"one of {rules}."
            )
        if not isinstance(self.threshold, str):
            check_scalar(self.threshold, "threshold", Real, min_val=0, max_val=1)
        for function in self.pair_features:
            if not callable(function):
                raise ValueError(
                    f"pair_features holds {function!r}; expected callables on two "
                    "arrays of rows."
                )
        if self.max_matches is not None:
            check_scalar(self.max_matches, "max_matches", Integral, min_val=1)
        elif self.reciprocal:
            raise ValueError("reciprocal=True needs max_matches, which is None.")

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


class PairExplanation(NamedTuple):
    """Why two titles match, as of :meth:`PairClassifierMatcher.explain`.

    Attributes
    ----------
    probability : float
        Probability in ``[0, 1]`` that the titles are the same product.
    contributions : list of (str, float, float)
        Name, value and contribution to the log-odds of each feature; the largest come
        first, and positive ones speak for a match.
    """

    probability: float
    contributions: list[tuple[str, float, float]]

    def __str__(self) -> str:
        """Return a table of the ten largest contributions."""
        lines = [f"probability of a match: {self.probability:.3f}"]
        lines += [f"{'feature':32} {'value':>8} {'adds':>7}"]
        for name, value, added in self.contributions[:10]:
            lines.append(f"{name:32} {value:8.3f} {added:+7.2f}")
        return "\n".join(lines)


class _Fold(NamedTuple):
    """The pairs of a gallery of training titles, and the titles' products."""

    pairs: Pairs
    labels: NDArray[np.intp]

    def is_match(self) -> NDArray[np.bool_]:
        """Tell for each pair whether it is the same product."""
        return self.labels[self.pairs.left] == self.labels[self.pairs.right]

    def n_true(self) -> int:
        """Count the pairs of the same product, candidates or not."""
        sizes = np.bincount(self.labels)
        return int((sizes * (sizes - 1) // 2).sum())


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


def _cells(X: Any) -> NDArray[np.object_]:
    """Return the rows of X as they were given: of shape (n,) or (n, n_columns)."""
    cells = np.asarray(X, dtype=object)
    return cells[:, 0] if cells.ndim == 2 and cells.shape[1] == 1 else cells


def _cross_fit(
    classifier: Any,
    features: list[Any],
    answers: list[NDArray[np.bool_]],
    stack: Callable[[list[Any]], Any],
) -> tuple[list[NDArray[np.float32]], Any]:
    """Return the out-of-fold probabilities of each fold, and a classifier of all."""
    found = []
    for place in range(len(features)):
        others = [i for i in range(len(features)) if i != place]
        fitted = _fit_classifier(
            classifier,
            stack([features[i] for i in others]),
            np.concatenate([answers[i] for i in others]),
        )
        found.append(_probability(fitted, features[place]))
    return found, _fit_classifier(classifier, stack(features), np.concatenate(answers))


def _fit_classifier(classifier: Any, features: Any, is_match: NDArray[np.bool_]) -> Any:
    """Fit a copy of a classifier; one that has seen one answer always gives it."""
    if len(is_match) == 0:
        features = np.zeros((1, features.shape[1]), np.float32)
        is_match = np.array([False])
    if is_match.all() or not is_match.any():
        classifier = DummyClassifier(strategy="prior")
    return clone(classifier).fit(features, is_match)


def _weigh_words(classifier: Any, pairs: Pairs) -> NDArray[np.float32]:
    """Return the log-odds of a match that the words of each pair have."""
    blocks = [_probability(classifier, block) for block in pairs.compare_words()]
    return _log_odds(np.concatenate(blocks))


def _probability(classifier: Any, features: Any) -> NDArray[np.float32]:
    """Return the probability of a match of each pair."""
    classes = classifier.classes_.tolist()
    if True not in classes or not features.shape[0]:
        return np.zeros(features.shape[0], np.float32)
    column = classes.index(True)
    return classifier.predict_proba(features)[:, column].astype(np.float32)


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    p = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p)).astype(np.float32)
