"""PairClassifierMatcher: retrieve candidates, then let a classifier decide each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import (
    BaseEstimator,
    clone,
)
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch._fitting import fitting
from skmatch._numbers import check_number
from skmatch._progress import showing_progress
from skmatch.evaluation import (
    ClassDisjointKFold,
    ClusterDisjointKFold,
    check_scoring,
    encode_known_labels,
    list_splits,
)
from skmatch.graph import (
    check_decision,
    choose_shift,
    decide_matches,
    group_matches,
    keep_matches,
    shift_log_odds,
)
from skmatch.matchers._fold_scores import FoldScores
from skmatch.matchers._mixin import MatcherMixin, check_n_matches
from skmatch.matchers._ranked_decisions import (
    Refinements,
    doubt_size,
    say_nothing_scores,
)
from skmatch.pairs import (
    MOST_STORED,
    Fold,
    KnownAnswers,
    LabelledPairs,
    LazyCatalogue,
    Level,
    NamedEmbedders,
    PairExplanation,
    PairSettings,
    TrainingTitles,
    Trust,
    check_columns,
    check_pair_params,
    check_pairs,
    count_words,
    deal_products,
    describe_folds,
    describe_labelled,
    draw_uncertain,
    drop_contradictions,
    explain_in_gallery,
    explain_pair,
    find_copies,
    find_local_functions,
    fit_pair_model,
    fit_without_labels,
    join_products,
    list_column_features,
    make_classifier,
    make_cross_encoder,
    make_embedders,
    share_unseen,
)
from skmatch.persistence import savable
from skmatch.titles import check_titles, find_columns

Titles = NDArray[np.object_]
# By whether there are product ids, and judged pairs.
_SUPERVISION = {
    (True, False): "product_ids",
    (False, True): "pairs",
    (True, True): "product_ids_and_pairs",
    (False, False): "none",
}
_LEAST = 0.3  # mean probability of a group, where a matcher adapts
_FEW_TITLES = 30  # which say nothing of a gallery's words
_MORE_UNSEEN = 0.1  # share of words, besides twice that of the folds
_AGREED = 0.8  # share of matches that an adapted matcher is to keep
# F1 that an assumption may cost on the training titles before a warning: half of the
# standard error over a thousand products.
_HARM = 0.005


@savable
class PairClassifierMatcher(MatcherMixin, NamedEmbedders):
    """Match titles by a classifier of candidate pairs.

    1. Candidates: the nearest titles of each one by any of several embeddings.
    2. Features of each pair: similarities and what they are among the other candidates,
       the words, quantities and model codes that the titles share or do not, what a
       linear classifier has learned of each word, edit-based similarities, lengths.
    3. A classifier gives the probability that a pair is the same product. It is
       propagated: averaged over the matches of both titles.
    4. At the next stacking level, another classifier sees the graph of these
       probabilities, too, and looks at the pairs that are still possible: of 0.01 or
       more, before or after propagation.
    5. Pairs whose probability reaches a threshold match.

    Parameters
    ----------
    embedders : transformer, str, list of these or None, default=None
        What makes vectors of titles: any scikit-learn transformers, or "tfidf" (of
        character n-grams), "words" (TF-IDF of words), "lstm" or "bert" for
        :class:`LSTMTitleEmbedder` and :class:`AdapterBertEmbedder` with their defaults.
        Each one finds candidates and is a similarity. None is ``["tfidf", "words"]``.
        One that is given as ``(name, transformer)`` has its parameters among those of
        the matcher, as ``name__parameter``.
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
        largest one of a row can match. "tuned" is the one with the highest `scoring` on
        the training titles, each of which was decided by classifiers and embedders that
        have not seen its product. With "expected_f1" each title has as many
        matches, itself among them, as maximise its expected F1, and no threshold is
        learned; without product ids "tuned" is this. Assumes that the probabilities
        are calibrated, so that their sum is the number of matches. The matches need
        not be symmetric.
    scoring : str, tuple or callable, default="rowwise_f1"
        What a "tuned" threshold shall maximise, as of :class:`TunedThresholdMatcherCV`:
        ``("recall_at_precision", 0.95)`` is as many matches as there can be of which
        95 % are right. Without product ids there is nothing to choose by, and a warning
        says so.
    propagation : bool, default=True
        Whether the probabilities ``P`` of a level are averaged over the match graph:
        ``W (P + I) Wᵀ``, where row i of ``W`` weighs title i itself by 1 and its
        matches by the fourth power of their probabilities, scaled to a sum of 1.
        Assumes that the matches of a title's matches are its own.
    cross_encoder : classifier, "bert" or None, default=None
        A classifier of two titles at once, such as :class:`AdapterBertPairClassifier`,
        which "bert" is with its defaults. It is asked about the pairs of which the
        levels are least sure, at most a tenth of the candidates in training, and reads
        all columns; a logistic regression weighs what it and the levels say. It is
        fitted three times, on two halves of the folds of the first partition and on
        all, on 10,000 pairs at most, and `foreign_score_` is without it. Without labels
        it has nothing to learn from.
    pair_features : sequence of callables, default=()
        Features of your own. Each is called with two arrays, the rows of `X` of the one
        and of the other title of all pairs, of shape (n_pairs,) or, where `X` has
        several columns, (n_pairs, n_fields), dtype object. It returns a number for
        each pair; it is called from both sides, and the mean is taken.
    columns : dict or None, default=None
        What the columns of `X` beside the title are, by name or by place: "numeric" (a
        price; the first number of a text), "category" (a brand; words in any order) or
        "code" (a model number; letters and digits alone). They are compared by features
        of their own, may lack values, and are no part of the title. None is none.
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
        ``ClassDisjointKFold``, and again of a ``ClusterDisjointKFold``, from which the
        classifiers learn what holds for foreign titles, too; there are never more folds
        than products. A splitter parts them once, in half the time.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, of the default classifier, and of the embedders and the
        cross-encoder by name; an estimator that is given has its own.
    n_jobs : int or None, default=None
        Number of threads of the search for candidates and of the edit-based features;
        -1 is one a core. The default classifier takes all cores in any case.
    verbose : bool, default=False
        Whether to show a progress bar for each step that takes longer than half a
        second.

    Attributes
    ----------
    embedders_ : list of transformers
        The embedders, fitted on all titles.
    classifiers_ : list of classifiers
        The classifier of each stacking level, fitted on the pairs of all folds.
    threshold_ : float
        The threshold in use: `threshold`, or the one that :meth:`fit` tuned. Nan if the
        expected F1 decides, as it does by "expected_f1" and without product ids.
    best_score_ : float
        Mean row-wise F1 of the training titles at `threshold_`, from cross-fitting.
        Like the next four, nan without product ids: nothing honest can be said of it.
    foreign_score_ : float
        The same for galleries whose words are unlike those of the other titles, the
        folds of :class:`ClusterDisjointKFold`: a more careful estimate, as a rule the
        lower one. Nan if `cv` is a splitter.
    candidate_recall_ : float
        Share of the pairs of the same product in the folds that are candidates.
    gallery_size_ : float
        Mean number of rows of a fold.
    unseen_words_ : float
        Share of the words of a fold that no title of the other folds has, its mean.
    supervision_ : {"none", "pairs", "product_ids", "product_ids_and_pairs"}
        Which labels :meth:`fit` learned from.
    log_odds_shift_ : float
        How far the log-odds of matches were lowered, so that the titles that match
        agree in their matches. Judged pairs make it smaller; 0 with product ids.
    adaptation_ : dict
        Of a matcher that :meth:`adapt` returned: "n_titles" of the gallery and
        "n_groups" found among them, "n_matches_before" and "n_matches_after" of pairs
        of them, and the "share_kept" of the former.
    n_samples_fit_ : int
        Number of titles of the catalogue: those of :meth:`fit`, unless
        :meth:`partial_fit` or :meth:`remove` changed it.
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

    The titles of :meth:`fit` are the catalogue, to which :meth:`partial_fit` adds,
    :meth:`remove` and :meth:`update` others. They are matched among themselves when
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
    >>> titles, product_ids = make_product_titles(250, random_state=0)
    >>> matcher = PairClassifierMatcher(random_state=0)
    >>> matcher = matcher.fit(titles[:500], product_ids[:500])
    >>> matcher.predict(titles[500:600]).shape
    (100, 100)
    >>> matcher.explain(titles[500], titles[500]).probability > 0.5
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
        scoring: Any = "rowwise_f1",
        propagation: bool = True,
        cross_encoder: Any = None,
        pair_features: Sequence[Callable[..., Any]] = (),
        columns: Any = None,
        max_matches: int | None = None,
        mutual: bool = False,
        match_singletons: bool = False,
        cv: Any = 4,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.embedders = embedders
        self.classifier = classifier
        self.n_candidates = n_candidates
        self.n_levels = n_levels
        self.threshold = threshold
        self.scoring = scoring
        self.propagation = propagation
        self.cross_encoder = cross_encoder
        self.pair_features = pair_features
        self.columns = columns
        self.max_matches = max_matches
        self.mutual = mutual
        self.match_singletons = match_singletons
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any = None, *, pairs: Any = None, is_match: Any = None
    ) -> Self:
        """Learn which pairs of titles are the same product, from the labels there are.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles; fields are joined by a space.
        y : array-like of shape (n_samples,) or None, default=None
            Product labels, int or str; of a row without one, None, NaN or -1. A
            product with one title is legal.
        pairs : array-like of int of shape (n_pairs, 2) or None, default=None
            Rows of `X` that were judged, as of :meth:`suggest_pairs`.
        is_match : array-like of bool of shape (n_pairs,) or None, default=None
            Whether the two rows of each of `pairs` are the same product.

        Returns
        -------
        self : PairClassifierMatcher
            The fitted matcher. If the fit fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title is missing, a label or a pair
            is wrong, or there is one product only.

        Notes
        -----
        Without a label, the classifiers have learned from made-up titles what shared,
        missing and rare words, quantities and codes say. Where these are too sure for
        the titles at hand, the matches of a title's matches are not its own; so the
        log-odds are lowered to where many titles match and agree in their matches.

        With judged pairs and no product ids, further classifiers learn from these
        pairs, and from up to 1,000 others of which the first ones are sure. The
        log-odds of both are averaged: n judged pairs have the weight ``n / (n + 250)``,
        and less if one of the two answers is rarer than a quarter; the log-odds are
        lowered by what is left of the shift. With product ids too, pairs are further
        examples.
        :meth:`predict` and :meth:`score_graph` say of rows that were judged what was
        said of them. Of judged pairs that contradict each other a warning names the
        rows.
        """
        with fitting(self) as fitted, showing_progress(self.verbose):
            for what in fitted._fit(X, y, pairs, is_match):
                warnings.warn(what, UserWarning, stacklevel=2)
        return self

    def _fit(self, X: Any, y: Any, pairs: Any, is_match: Any) -> list[str]:
        """Fit a new matcher, and return what to warn of."""
        self._check_params()
        titles, labels = self._check_labels(X, y)
        failed = find_local_functions(self.pair_features)
        if len(labels) and labels.max() >= 0 and _are_single(labels):
            failed.append(
                f"None of the {labels.max() + 1} products of y has two titles: y shows "
                "nothing of what is the same. Fitted as without labels."
            )
            labels = np.full(len(labels), -1)
        fields = _fields(X)
        names = getattr(self, "feature_names_in_", None)
        kinds = check_columns(self.columns)
        places = find_columns(kinds, self.n_features_in_, names)
        self._besides_ = tuple(places.values())
        settings = self._settings(list_column_features(kinds, places))
        judged, trust = None, Trust()
        if pairs is not None or is_match is not None:
            judged = check_pairs(pairs, is_match, len(titles))
            judged, contradictions = drop_contradictions(judged, labels)
            failed += [contradictions] if contradictions else []
            judged = judged if len(judged.is_match) else None
        products = join_products(labels, judged)
        is_unknown = (labels < 0) & (np.bincount(products)[products] == 1)
        training = TrainingTitles(titles, fields, np.where(is_unknown, -1, products))
        galleries: list[LabelledPairs] = []
        partitions: list[list[Any]] = []
        labelled = np.flatnonzero(labels >= 0)
        with_ids = training.at(labelled)
        if len(labelled):
            partitions = self._partition(with_ids, settings.seed)
        for number, splits in enumerate(partitions):
            galleries += describe_folds(with_ids, splits, settings, number)
        if judged is not None:
            tests = [labelled[test] for _, test in partitions[0]] if partitions else []
            n_folds = len(tests) or self._n_folds()
            fold = deal_products(products, judged, tests, n_folds, settings.seed)
            of_judged, trust = describe_labelled(
                training, *judged, fold, settings, has_anchors=not tests
            )
            galleries += of_judged
        if galleries:
            model, said = fit_pair_model(
                training, galleries, settings, trust=trust.weight
            )
            failed += model.unused(settings.cross_encoder)
        else:
            model, said = fit_without_labels(training, settings), []
            failed += [
                f"{name} has no effect without labels to learn from: made-up titles "
                "teach nothing of it."
                for name, given in (
                    ("columns", kinds),
                    ("pair_features", [*self.pair_features]),
                    ("cross_encoder", self.cross_encoder),
                )
                if given
            ]
        self._answers_ = None if judged is None else KnownAnswers(fields, judged)
        self.supervision_ = _SUPERVISION[bool(partitions), judged is not None]
        if partitions:
            failed += self._choose_by_folds(with_ids, partitions, galleries, said)
        else:
            self._leave_threshold()
            if self.scoring != "rowwise_f1":
                failed.append(
                    f"scoring={self.scoring!r} has no effect without product ids: no "
                    "threshold is chosen. Judge a sample of the matches, and set one "
                    "by set_params(threshold=...)."
                )
        self.embedders_ = model.describer.embedders
        self.classifiers_ = model.last_levels.classifiers
        self.n_samples_fit_ = len(titles)
        self._fields_, self._labels_, self._judged_ = fields, labels, judged
        self._model_ = model
        self._catalogue_ = LazyCatalogue(model, titles, fields, self.n_jobs)
        self.log_odds_shift_ = trust.mean_shift
        if not galleries:
            among_themselves = self._catalogue_.described.levels[-1].graph
            self.log_odds_shift_ = choose_shift(among_themselves)
        return failed

    def set_catalogue(self, X: Any) -> Self:
        """Have other titles as the catalogue; nothing is learned from them.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, instead of those of :meth:`fit`.

        Returns
        -------
        self : PairClassifierMatcher
            The matcher. If the call fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a title is missing, or `X` has other columns than in :meth:`fit`.

        Examples
        --------
        >>> from skmatch import PairClassifierMatcher
        >>> matcher = PairClassifierMatcher().fit(["Tea 20 g", "tea 20 gr", "mug"])
        >>> matcher.set_catalogue(["Paper Bag 20 cm", "Mug Blue"])
        PairClassifierMatcher()
        >>> matcher.transform(["mug blue", "paper bag 20cm", "tea"]).shape
        (3, 2)
        """
        check_is_fitted(self)
        self._check_params()
        return self._keep(*self._read(X))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add titles to the catalogue; nothing is learned from them.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles. They are the last rows of the catalogue.
        y : array-like of shape (n_samples,) or None, default=None
            Product labels. A matcher that is not fitted is fitted, as by :meth:`fit`; a
            fitted one leaves them aside.

        Returns
        -------
        self : PairClassifierMatcher
            The matcher. If the call fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a title is missing, or `X` has other columns than in :meth:`fit`.

        Notes
        -----
        The catalogue is the same in whatever parts its titles came; it is matched among
        itself when :meth:`transform` or :meth:`explain` is next called. The embedders,
        and so their inverse document frequencies, and the counts of the words of
        :meth:`fit` stay; the counts of the words of the catalogue are those of all its
        titles.
        """
        if not hasattr(self, "_model_"):
            return self.fit(X, y)
        self._check_params()
        titles, fields = self._read(X)
        return self._keep(
            np.concatenate([self._catalogue_.titles, titles]),
            np.concatenate([self._catalogue_.fields, fields]),
        )

    def remove(self, rows: ArrayLike) -> Self:
        """Remove titles from the catalogue; those after them move up.

        Parameters
        ----------
        rows : array-like of int of shape (n_removed,)
            Rows of the catalogue, in ``[0, n_samples_fit_)``, without repetition.

        Returns
        -------
        self : PairClassifierMatcher
            The matcher. If the call fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a row is none of the catalogue or is there twice, or no title is left.
        """
        check_is_fitted(self)
        removed = self._check_rows(rows)
        if len(removed) == self.n_samples_fit_:
            raise ValueError(
                f"rows holds all {self.n_samples_fit_} rows of the catalogue; expected "
                "fewer."
            )
        return self._keep(
            np.delete(self._catalogue_.titles, removed),
            np.delete(self._catalogue_.fields, removed, axis=0),
        )

    def update(self, rows: ArrayLike, X: Any) -> Self:
        """Replace titles of the catalogue.

        Parameters
        ----------
        rows : array-like of int of shape (n_updated,)
            Rows of the catalogue, in ``[0, n_samples_fit_)``, without repetition.
        X : array-like of str of shape (n_updated,) or (n_updated, n_fields)
            What they are now.

        Returns
        -------
        self : PairClassifierMatcher
            The matcher. If the call fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a row is none of the catalogue or is there twice, a title is missing, or
            `X` has not a row for each.
        """
        check_is_fitted(self)
        updated = self._check_rows(rows)
        titles, fields = self._read(X)
        if len(updated) != len(titles):
            raise ValueError(
                f"rows holds {len(updated)} rows and X {len(titles)}; expected as many."
            )
        of_all = self._catalogue_.titles.copy(), self._catalogue_.fields.copy()
        of_all[0][updated], of_all[1][updated] = titles, fields
        return self._keep(*of_all)

    def _check_rows(self, rows: Any) -> NDArray[np.intp]:
        """Return rows of the catalogue; raise if one is none, or is there twice."""
        found = np.asarray(rows)
        found = found.astype(np.intp) if found.shape == (0,) else found
        if found.ndim != 1 or found.dtype.kind not in "iu":
            raise ValueError(
                f"rows has shape {found.shape} and dtype {found.dtype}; expected "
                "(n_rows,) of int, rows of the catalogue."
            )
        is_row = (found >= 0) & (found < self.n_samples_fit_)
        if not is_row.all():
            raise ValueError(
                f"rows holds {found[~is_row][0]}; expected rows of the catalogue, in "
                f"[0, {self.n_samples_fit_})."
            )
        distinct, counts = np.unique(found, return_counts=True)
        if len(distinct) < len(found):
            raise ValueError(f"rows holds {distinct[counts > 1][0]} twice.")
        return found.astype(np.intp)

    def _keep(self, titles: Titles, fields: Titles) -> Self:
        """Have another catalogue; one assignment makes the change."""
        catalogue = LazyCatalogue(self._model_, titles, fields, self.n_jobs)
        changed = {"_catalogue_": catalogue, "n_samples_fit_": len(titles)}
        self.__dict__ = self.__dict__ | changed
        return self

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
            that of a fold, or less than a third, and the threshold was tuned, and if
            many more words of `X` are new than were in the folds.
        """
        graph = self._score_graph(X)
        for what in self._doubts(X):
            warnings.warn(what, UserWarning, stacklevel=2)
        return self.decide(graph)

    def score_graph(
        self, X: Any, catalogue: Any = None, n_matches: int | None = None
    ) -> csr_array:
        """Return the probability that two titles are the same product.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, matched with one another or with those of `catalogue`.
        catalogue : array-like of str of shape (n_catalogue,) or (n_catalogue, \
n_fields), default=None
            Titles to match those of `X` with. The probabilities of each row of `X` then
            depend on no other one.
        n_matches : int or None, default=None
            How many of the highest scores of each row are kept, with `catalogue`. None
            keeps all.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, n_samples), dtype float32
            Probabilities in ``[0, 1]``, symmetric, without the diagonal. Those below
            0.01 are not stored, but for the largest one of each row. Propagated ones
            reach beyond the candidates. Of a title that more than 16 rows have, the
            first 16 are scored, and the others have the probabilities of the first.
            With more than 500 rows of a title, pairs of two later ones are not stored,
            and a warning says so. With `catalogue`, of shape (n_samples, n_catalogue).
        """
        check_n_matches(n_matches, catalogue)
        if catalogue is None:
            return self._score_graph(X)
        check_is_fitted(self)
        self._check_params()
        others = LazyCatalogue(self._model_, *self._read(catalogue), self.n_jobs)
        graph = self._score_against(others, X)
        return keep_matches(graph, 0.0, max_matches=n_matches)

    def _doubts(self, X: Any) -> list[str]:
        """Tell, to warn of, why what the folds told may not hold for a gallery."""
        titles, _ = self._read(X)
        doubts = []
        if self.threshold == "tuned" and not np.isnan(self.gallery_size_):
            doubts = doubt_size(len(titles), self.gallery_size_, "cv")
        if len(titles) < _FEW_TITLES:
            return doubts
        share = share_unseen(titles, self._model_.describer.text_features.counts)
        if share > 2 * self.unseen_words_ + _MORE_UNSEEN:  # not if that is nan
            doubts.append(
                f"{share:.0%} of the words of X are in no training title; in the folds "
                f"of fit, {self.unseen_words_:.0%} were. best_score_ may not hold for "
                "X; foreign_score_ is more careful. See adapt."
            )
        return doubts

    def decide(self, score_graph: Any) -> csr_array:
        """Decide by a score graph which rows match: the second half of :meth:`predict`.

        Parameters
        ----------
        score_graph : array-like or sparse array of shape (n_samples, n_samples)
            Probabilities, as of :meth:`score_graph`.

        Returns
        -------
        matches : csr_array of shape (n_samples, n_samples), dtype bool
            As :meth:`predict`, without its warnings.

        Raises
        ------
        ValueError
            As :func:`decide_matches`.
        """
        check_is_fitted(self)
        self._check_params()
        return decide_matches(score_graph, self._threshold(), **self._refinements())

    def _score_graph(self, X: Any) -> csr_array:
        """Score the rows of `X`; the warning points at the caller of the caller."""
        check_is_fitted(self)
        self._check_params()
        titles, fields = self._read(X)
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
        with showing_progress(self.verbose):
            graph = self._model_.score_graph(
                titles[rows], fields[rows], effective_n_jobs(self.n_jobs)
            )
        graph = shift_log_odds(graph, self.log_odds_shift_)
        if self._answers_ is not None:
            graph = self._answers_.apply(graph, fields[rows])
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
        graph = self._score_against(self._catalogue_, X)
        return keep_matches(graph, self._threshold(), **self._refinements())

    def _score_against(self, catalogue: LazyCatalogue, X: Any) -> csr_array:
        """Score the rows of `X` against a catalogue: (n_samples, n_catalogue)."""
        with showing_progress(self.verbose):
            graph = self._model_.score_against(
                catalogue.described, *self._read(X), effective_n_jobs(self.n_jobs)
            )
        graph = shift_log_odds(graph, self.log_odds_shift_)
        return catalogue.copies.spread_columns(graph)

    def adapt(self, X: Any) -> Self:
        """Return a matcher that has also learned from the titles of a foreign gallery.

        The groups that this matcher finds among them join the labels of :meth:`fit` as
        further products, and a new matcher is fitted on all. Use it where the words of
        `X` are others than those of the training titles.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, matched with one another; no label of them is read. None of them is
            to be among those of :meth:`fit`.

        Returns
        -------
        adapted : PairClassifierMatcher
            A new matcher, whose catalogue has the rows of :meth:`fit`, though
            :meth:`remove` or :meth:`update` changed them, and then those of `X`; it
            takes as long as a fit. Its `adaptation_` tells what has changed,
            and its `best_score_` includes the groups, which may be wrong.

        Raises
        ------
        ValueError
            If this matcher has no labels to begin with.

        Notes
        -----
        This is one round of self-training. Further rounds repeat what is wrong in the
        first: two products that have become one stay one. If fewer than 0.8 of the
        matches of `X` are still there, a warning says so; check some of them.
        """
        graph = self._score_graph(X)
        if self.supervision_ == "none":
            raise ValueError(
                "adapt adds to labels, and this matcher has none; fit it on the titles "
                "themselves: fit(X)."
            )
        level = 0.5 if np.isnan(self.threshold_) else max(self.threshold_, _LEAST)
        groups = group_matches(graph, method="average", threshold=level)
        _, fields = self._read(X)
        rows = np.concatenate([self._fields_, fields])
        labels = np.concatenate([self._labels_, self._labels_.max() + 1 + groups])
        pairs = is_match = None
        if self._judged_ is not None:
            pairs = np.column_stack(self._judged_.indices)
            is_match = self._judged_.is_match
        # The rows have no names: columns are named by place, and get their names after.
        kinds = check_columns(self.columns).values()
        places = dict(zip(self._besides_, kinds, strict=True))
        adapted = clone(self).set_params(columns=places or None)
        adapted.fit(rows, labels, pairs=pairs, is_match=is_match)
        adapted.columns = self.columns
        if hasattr(self, "feature_names_in_"):
            adapted.feature_names_in_ = self.feature_names_in_
        before, after = self.decide(graph), adapted.decide(adapted._score_graph(X))
        n_before, n_after = (
            int(matches.sum()) - len(groups) for matches in (before, after)
        )
        n_both = int(before.multiply(after).sum()) - len(groups)
        adapted.adaptation_ = {
            "n_titles": len(groups),
            "n_groups": int(groups.max()) + 1,
            "n_matches_before": n_before // 2,
            "n_matches_after": n_after // 2,
            "share_kept": n_both / n_before if n_before else 1.0,
        }
        if adapted.adaptation_["share_kept"] < _AGREED:
            warnings.warn(
                f"Of the {n_before // 2:,} matches of X, the adapted matcher keeps "
                f"{adapted.adaptation_['share_kept']:.0%}; they disagree, and either "
                "may be wrong.",
                UserWarning,
                stacklevel=2,
            )
        return adapted

    def suggest_pairs(self, X: Any, n_pairs: int) -> NDArray[np.intp]:
        """Return the pairs of titles whose answers would teach most.

        Judge them, and fit again with ``fit(X, pairs=pairs, is_match=answers)``.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, matched with one another.
        n_pairs : int
            Number of pairs, at least 1.

        Returns
        -------
        pairs : ndarray of shape (n_suggested, 2), dtype intp
            Rows of `X`, drawn at random, more often where the probability ``p`` of a
            match is uncertain: by the square root of ``p (1 - p)``. No title is in two
            of them while there are others, and there are fewer than `n_pairs` if there
            are not as many candidates.
        """
        check_scalar(n_pairs, "n_pairs", Integral, min_val=1)
        graph = self._score_graph(X)
        titles, _ = self._read(X)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return draw_uncertain(graph, titles, n_pairs, seed)

    def explain(
        self, title_a: Any, title_b: Any, gallery: Any = None
    ) -> PairExplanation:
        """Tell why two titles match or do not.

        Parameters
        ----------
        title_a, title_b : int, str or array-like of shape (n_fields,)
            With `gallery`, two rows of it, int. Else two titles, each as a row of `X`,
            in any order, which are matched beside the catalogue.
        gallery : array-like of str of shape (n_samples,) or (n_samples, n_fields), \
default=None
            Titles that are matched with one another. The first call takes as long as
            :meth:`predict`; what it found is kept for the next ones with this gallery.

        Returns
        -------
        explanation : PairExplanation
            The probability, with `gallery` that of :meth:`score_graph`, the one before
            it is propagated, and for each feature its name, its value and what it adds
            to the latter: the change of the log-odds against the mean over training
            pairs whose value of this feature, and nothing else, is taken instead. What
            stacking levels say of other titles is one of them, "other_titles". With
            `gallery`, which matches of both titles had the largest say in the
            propagation. As a str it is a table. Without `gallery` the probability is
            near that of :meth:`transform`, not equal to it: both titles are matched
            beside the catalogue, and neither is in it.

        Raises
        ------
        ValueError
            If a row is none of the gallery, both are the same, or a title is missing.

        Notes
        -----
        What a feature adds is measured through all levels [1]_. Features that say the
        same hide one another: contributions do not sum to the log-odds.

        References
        ----------
        .. [1] M. Robnik-Sikonja and I. Kononenko, "Explaining classifications for
           individual instances", IEEE TKDE 20(5), 2008. :doi:`10.1109/TKDE.2007.190734`
        """
        if gallery is not None:
            return self._explain_in_gallery(title_a, title_b, gallery)
        check_is_fitted(self)
        self._check_params()
        rows = []
        for name, title in (("title_a", title_a), ("title_b", title_b)):
            is_text = isinstance(title, str)
            has_order = isinstance(title, Sequence) or getattr(title, "shape", ()) != ()
            if isinstance(title, bytes) or not (is_text or has_order):
                raise ValueError(
                    f"{name}={title!r}; expected a title of type str, or its fields; "
                    "a row needs gallery."
                )
            row = [title] if is_text else list(title)
            rows.append(row)
            if len(row) != self.n_features_in_:
                raise ValueError(
                    f"{name} has {len(row)} fields; expected {self.n_features_in_}, "
                    "as X in fit."
                )
        # Of another estimator: these rows have no names, even if those of fit had.
        titles, _ = check_titles(
            BaseEstimator(), rows, reset=True, besides=self._besides_
        )
        catalogue = self._catalogue_.described
        said = explain_pair(self._model_, catalogue, titles, _fields(rows))
        return self._finish(said, _fields(rows))

    def _explain_in_gallery(self, a: Any, b: Any, X: Any) -> PairExplanation:
        """Explain what :meth:`score_graph` says of two rows."""
        check_is_fitted(self)
        self._check_params()
        titles, fields = self._read(X)
        for name, row in (("title_a", a), ("title_b", b)):
            is_int = isinstance(row, (int, np.integer)) and not isinstance(row, bool)
            if not is_int or not 0 <= row < len(titles) or a == b:
                raise ValueError(
                    f"{name}={row!r:.50}; expected one of two different rows of the "
                    f"gallery, int in [0, {len(titles)})."
                )
        with showing_progress(self.verbose):
            known = self._catalogue_.match(titles, fields)
        rows = known.copies.at(int(a), int(b))
        said = explain_in_gallery(self._model_, known.described, *rows)
        return self._finish(said, fields[[int(a), int(b)]])

    def _finish(self, said: PairExplanation, fields: Titles) -> PairExplanation:
        """Shift the probability of a pair, and put a known answer in its place."""
        p = np.array([[0, said.probability], [said.probability, 0]], np.float32)
        graph = shift_log_odds(csr_array(p), self.log_odds_shift_)
        if self._answers_ is not None:
            graph = self._answers_.apply(graph, fields)
        return said._replace(probability=float(graph[0, 1]))

    def get_pair_feature_names(self) -> list[str]:
        """Return the names of the features that the last classifier sees.

        Returns
        -------
        names : list of str
            Names in the order of the columns.
        """
        check_is_fitted(self)
        return self._model_.feature_names()

    def _read(self, X: Any) -> tuple[Titles, Titles]:
        """Return the titles of `X`, and its rows as they were given."""
        titles, _ = check_titles(self, X, reset=False, besides=self._besides_)
        return titles, _fields(X)

    def _check_labels(self, X: Any, y: Any) -> tuple[Titles, NDArray[np.intp]]:
        """Return titles, and the code of each one's label; -1 is none."""
        besides = check_columns(self.columns)
        if y is None:
            titles, _ = check_titles(self, X, reset=True, besides=besides)
            return titles, np.full(len(titles), -1)
        labels = encode_known_labels(y, "y")
        # Checked by scikit-learn for its length; it would refuse what is missing.
        titles, _ = check_titles(self, X, labels, reset=True, besides=besides)
        return titles, labels

    def _settings(self, of_columns: list[Callable[..., Any]]) -> PairSettings:
        """Return what a model of pairs is made of."""
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        return PairSettings(
            embedders=make_embedders(self.embedders, seed),
            classifier=make_classifier(self.classifier, seed),
            pair_features=(*of_columns, *self.pair_features),
            n_candidates=self.n_candidates,
            n_levels=self.n_levels,
            propagates=self.propagation,
            seed=seed,
            n_threads=effective_n_jobs(self.n_jobs),
            cross_encoder=make_cross_encoder(self.cross_encoder, seed),
        )

    def _leave_threshold(self) -> None:
        """Set what product ids would have told: the expected F1 has to decide."""
        self._tuned_threshold_ = np.nan
        self.best_score_ = self.candidate_recall_ = self.gallery_size_ = np.nan
        self.unseen_words_ = self.foreign_score_ = np.nan

    def _choose_by_folds(
        self,
        training: TrainingTitles,
        partitions: list[list[Any]],
        galleries: list[LabelledPairs],
        said: list[Level],
    ) -> list[str]:
        """Set what the folds tell, and return what to warn of."""
        folds: list[list[Fold]] = [[] for _ in partitions]
        tests = [test for splits in partitions for _, test in splits]
        for test, own, level in zip(tests, galleries, said, strict=False):
            n_true = int(own.is_match.sum())
            folds[own.partition].append(Fold(training.labels[test], n_true, level))
        scores, *foreign = map(FoldScores, folds)
        failed = self._choose_threshold(scores)
        rule, asked = self._threshold(), Refinements.of(self)
        self.foreign_score_ = foreign[0].score(rule, asked) if foreign else np.nan
        titles_of = [(training.titles[a], training.titles[b]) for a, b in partitions[0]]
        self.unseen_words_ = float(
            np.mean([share_unseen(b, count_words(a)) for a, b in titles_of])
        )
        return failed + self._failed_assumptions(scores)

    def _choose_threshold(self, folds: FoldScores) -> list[str]:
        """Set the threshold, and what the folds say of it; return what to warn of."""
        refinements = Refinements.of(self)
        tuned, score = folds.best(refinements, scoring=self.scoring)
        self._tuned_threshold_ = tuned
        self.best_score_ = folds.score(self._threshold(), refinements)
        self.candidate_recall_ = folds.candidate_recall
        self.gallery_size_ = folds.mean_size
        return [] if score else [say_nothing_scores(self.scoring)]

    def _failed_assumptions(self, folds: FoldScores) -> list[str]:
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
            folds.best(unlimited)[1] - best,
            f"max_matches={self.max_matches} with mutual={self.mutual} assumes that no "
            f"title has more matches, but {too_many:.1%} of the titles have",
        )
        return failed

    def _n_folds(self) -> int:
        """Return the number of folds of judged pairs."""
        if not isinstance(self.cv, Integral):
            raise ValueError(
                f"cv={self.cv!r}; expected an int, the number of folds, where pairs "
                "are judged and y is None."
            )
        return int(self.cv)

    def _partition(self, training: TrainingTitles, seed: int) -> list[list[Any]]:
        """Part the training titles by product: at random and by words, or as asked."""
        n_products = len(np.unique(training.labels))
        if n_products < 2:
            raise ValueError(
                f"y has {n_products} class, a single product; PairClassifierMatcher "
                "needs at least 2 to learn what tells products apart."
            )
        if not isinstance(self.cv, Integral):
            return [self._split(self.cv, training)]
        n_folds = min(int(self.cv), n_products)
        at_random = ClassDisjointKFold(n_folds, shuffle=True, random_state=seed)
        by_words = ClusterDisjointKFold(n_folds)
        return [self._split(cv, training) for cv in (at_random, by_words)]

    def _split(self, cv: Any, training: TrainingTitles) -> list[Any]:
        """Return the rows of each fold, of a title that is there very often a few."""
        labels = training.labels
        scored = find_copies(training.titles, labels).scored
        is_scored = np.isin(np.arange(len(labels)), scored)
        splits = []
        for train, test in list_splits(cv, training.titles, labels):
            common = np.intersect1d(labels[train], labels[test])
            if common.size:
                raise ValueError(
                    f"cv={self.cv!r} has a product with titles on both sides of a "
                    "split; expected class-disjoint folds, as of ClassDisjointKFold."
                )
            train, test = np.asarray(train), np.asarray(test)
            splits.append((train[is_scored[train]], test[is_scored[test]]))
        if len(splits) < 2:
            raise ValueError(
                f"cv={self.cv!r} gives {len(splits)} split; expected at least 2, since "
                "what one tells the classifier of the other is out-of-fold."
            )
        return splits

    @property
    def threshold_(self) -> float:
        """The threshold in use; nan where the expected F1 decides."""
        check_is_fitted(self)
        rule = self._threshold()
        return np.nan if isinstance(rule, str) else float(rule)

    def _threshold(self) -> float | str:
        """Return the threshold; where none could be tuned, the rule that needs none."""
        if self.threshold != "tuned":
            return self.threshold
        tuned = self._tuned_threshold_
        return "expected_f1" if np.isnan(tuned) else tuned

    def _refinements(self) -> dict[str, Any]:
        return Refinements.of(self)._asdict()

    def _check_params(self) -> None:
        """Raise if a parameter is out of its range."""
        check_pair_params(self)
        if isinstance(self.cv, Integral):
            check_scalar(self.cv, "cv", Integral, min_val=2)
        check_scoring(self.scoring)
        rules = ("tuned", "expected_f1")
        if isinstance(self.threshold, str) and self.threshold not in rules:
            raise ValueError(
                f"threshold={self.threshold!r}; expected a probability in [0, 1] or "
                f"one of {rules}."
            )
        if not isinstance(self.threshold, str):
            check_number(self.threshold, "threshold", min_val=0, max_val=1)
        check_decision(0.0, self.max_matches, self.mutual)
        check_scalar(self.match_singletons, "match_singletons", (bool, np.bool_))

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.string = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def _are_single(labels: NDArray[np.intp]) -> bool:
    """Tell whether no product has two titles; -1 is none."""
    return bool(np.bincount(labels[labels >= 0]).max() < 2)


_is_missing = np.frompyfunc(lambda x: type(x).__name__ in ("NAType", "NaTType"), 1, 1)


def _fields(X: Any) -> Titles:
    """Return the rows of X as they were given: of shape (n,) or (n, n_fields).

    What pandas has for a missing value, and a save does not know, is None.
    """
    fields = np.array(X, dtype=object)
    fields[_is_missing(fields).astype(bool)] = None
    return fields[:, 0] if fields.ndim == 2 and fields.shape[1] == 1 else fields
