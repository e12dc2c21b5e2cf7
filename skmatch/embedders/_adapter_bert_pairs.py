"""AdapterBertPairClassifier: a language model reads two titles at once, and decides."""

from __future__ import annotations

import os
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch._fitting import fitting
from skmatch.embedders._backbones import load_tokenizer
from skmatch.embedders._language_model import (
    TEXTS_OF_CALIBRATION,
    AdaptedLanguageModel,
)
from skmatch.evaluation import (
    best_pair_f1,
    check_answers,
    check_validation,
    find_classes,
    find_products,
    halve_columns,
    join_sides,
)
from skmatch.persistence import savable
from skmatch.titles import check_titles, distinct

if TYPE_CHECKING:
    from skmatch.embedders._batches import PairBatches, TextBatches

Pair = tuple[str, str]


@savable
class AdapterBertPairClassifier(ClassifierMixin, AdaptedLanguageModel):
    r"""Decide whether two titles are the same product by a language model with adapter.

    A cross-encoder: the language model reads both titles at once, so that each word is
    seen beside those of the other title [1]_. Its weights stay as they are; bottleneck
    adapters in its layers [2]_ and a small head are trained on pairs that are labelled.
    It is slower than what encodes each title once; as the `cross_encoder` of
    :class:`PairClassifierMatcher` it is asked about the uncertain candidates alone, as
    that of :class:`TitlePairClassifier` about the pairs that are decided. Needs ``pip
    install 'skmatch[bert]'``, or ``skmatch[peft]`` with a ``peft.LoraConfig``.

    Parameters
    ----------
    model_name : str, default="bert-base-multilingual-uncased"
        Name of a BERT-family model of the Hugging Face hub, or a folder with one:
        config.json, \*.safetensors and the files of its tokenizer.
    revision : str or None, default=None
        Branch, tag or commit of the model of the hub.
    local_files_only : bool, default=False
        Whether to look for a model of the hub among the downloaded ones only.
    adapter : str, adapters.AdapterConfig, peft.LoraConfig or dict, default="houlsby"
        What is trained inside the language model, as of :class:`AdapterBertEmbedder`.
    reduction_factor : float, default=16
        Width of the language model by that of a bottleneck that is asked for by name,
        above 0.
    max_length : int, default=128
        Largest number of tokens of both titles that are read, at least 6, with the
        three or four special ones; of the longer title the end is left out first.
    n_epochs : int, default=8
        Largest number of passes over the pairs, at least 1. A pass has at least 8
        batches.
    batch_size : int, default=32
        Number of pairs in a batch, at least 4.
    learning_rate : float, default=0.001
        Largest learning rate of AdamW, above 0.
    warm_up : float, default=0.1
        Share of the batches, in ``[0, 1]``, in which the learning rate rises linearly;
        then it falls to 0 as a cosine.
    weight_decay : float, default=0.01
        Weight decay of AdamW, at least 0.
    validation_fraction : float, default=0.1
        Share of the products, in ``[0, 0.5]``, whose pairs are kept out of the training
        to find the best epoch by the F1 of the matching class. A pair of one of these
        and another product does neither. With fewer than two pairs of each answer on
        one of both sides, or 0, all epochs run and the last one counts.
    patience : int, default=3
        Number of epochs without a better validation score, at least 1, after which
        training stops.
    device : str, default="auto"
        Device of torch for the time of a call: "cpu", "cuda", "cuda:1", ... "auto" is
        a GPU if there is one.
    precision : {"auto", "float32", "bfloat16", "int8"}, default="auto"
        Type to compute in, as of :class:`AdapterBertEmbedder`.
    backend : {"torch", "openvino"}, default="torch"
        What computes in :meth:`predict_proba`, as of :class:`AdapterBertEmbedder`.
    store_backbone : bool, default=True
        Whether a save or a pickle holds the frozen weights, too. Without them it is a
        few MB, and finds the language model again by `model_name`.
    log_dir : str, path-like or None, default=None
        Folder for a TensorBoard log of `history_`; needs ``skmatch[tensorboard]``.
    checkpoint_dir : str, path-like or None, default=None
        Folder in which each epoch leaves what it takes to go on from there, as of
        :class:`AdapterBertEmbedder`.
    stop_on_interrupt : bool, default=False
        Whether an interrupt (Ctrl-C) ends the training as `patience` does, once an
        epoch is over: the best one so far is kept, and a warning names it. Else the
        estimator is as it was.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random, as in :class:`LSTMTitleEmbedder`.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two answers in `y`; the second one is a match.
    module_ : torch.nn.Module
        The network, on the CPU and in eval mode.
    tokenizer_ : transformers.PreTrainedTokenizerFast
        The tokenizer of the language model.
    adapter_config_ : dict
        Settings of the adapter.
    history_ : list of dict
        A row for each epoch, as of :class:`LSTMTitleEmbedder`; "validation_score" is
        the F1 of the matching class at its best threshold.
    best_epoch_ : int
        The epoch, from 1, whose weights were kept.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the columns, where `X` was a DataFrame with str column names.

    See Also
    --------
    TitlePairClassifier : Needs no language model; may ask one.
    PairClassifierMatcher : Finds the pairs, too; may ask one.
    AdapterBertEmbedder : Encodes each title once.

    Notes
    -----
    Titles are read in lower case. The order of the two titles of a pair makes no
    difference: they are read in that of the alphabet, and in training in either. A
    title of several fields is these, joined by a space.

    The head compares the mean state of all tokens, and the difference and the product
    of the mean states of both titles.

    Files of a model are data, as of :class:`AdapterBertEmbedder`.

    References
    ----------
    .. [1] Y. Li et al., "Deep Entity Matching with Pre-Trained Language Models", PVLDB
       14(1), 2020. :arxiv:`2004.00584`
    .. [2] N. Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML,
       2019. :arxiv:`1902.00751`

    Examples
    --------
    >>> from skmatch import AdapterBertPairClassifier, PairClassifierMatcher
    >>> pairs = [["Paper Bag 20 cm", "paper bag 20cm"], ["Maling 397gr", "Paper Bag"]]
    >>> classifier = AdapterBertPairClassifier("bert-base-multilingual-uncased")
    >>> classifier.fit(pairs, [True, False])  # doctest: +SKIP
    >>> classifier.predict([["Maling Pork 397gr", "maling 397 gr"]])  # doctest: +SKIP
    array([ True])
    >>> matcher = PairClassifierMatcher(cross_encoder=classifier)  # asks it
    """

    def __init__(
        self,
        model_name: str = "bert-base-multilingual-uncased",
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        adapter: Any = "houlsby",
        reduction_factor: float = 16,
        max_length: int = 128,
        n_epochs: int = 8,
        batch_size: int = 32,
        learning_rate: float = 0.001,
        warm_up: float = 0.1,
        weight_decay: float = 0.01,
        validation_fraction: float = 0.1,
        patience: int = 3,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "torch",
        store_backbone: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        stop_on_interrupt: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.model_name = model_name
        self.revision = revision
        self.local_files_only = local_files_only
        self.adapter = adapter
        self.reduction_factor = reduction_factor
        self.max_length = max_length
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warm_up = warm_up
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.precision = precision
        self.backend = backend
        self.store_backbone = store_backbone
        self.log_dir = log_dir
        self.checkpoint_dir = checkpoint_dir
        self.stop_on_interrupt = stop_on_interrupt
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: ArrayLike, *, X_val: Any = None, y_val: ArrayLike | None = None
    ) -> Self:
        """Learn from labelled pairs.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2) or (n_pairs, 2 * n_fields), or two of these
            Titles of both sides, as of :class:`TitlePairClassifier`.
        y : array-like of shape (n_pairs,), bool, or 0 and 1
            Whether a pair is the same product.
        X_val : array-like, as `X`, default=None
            Pairs to find the best epoch by, instead of a share of the products of `X`.
            Those that `X` has, too, tell nothing.
        y_val : array-like, as `y`, default=None
            Whether a pair of `X_val` is the same product.

        Returns
        -------
        self : AdapterBertPairClassifier
            The fitted classifier. If the fit fails or is interrupted, it is as it was.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title or an answer is missing, all
            answers are the same, or the loss does not stay finite.
        ImportError
            If ``skmatch[bert]``, or what else a parameter needs, is not installed.
        """
        with fitting(self) as fitted:
            fitted._fit(X, y, X_val, y_val)
        return self

    def _fit(self, X: Any, y: Any, X_val: Any, y_val: Any) -> None:
        self._check_params()
        if y is None:
            raise ValueError(
                "AdapterBertPairClassifier requires y to be passed, but the target y "
                "is None."
            )
        pairs = self._read_pairs(X, reset=True)
        is_match = check_answers(y, "y", len(pairs))
        self.classes_ = find_classes(y, "y")
        n_pairs = len(pairs)
        validation = check_validation(X_val, y_val, self._read_pairs)
        if validation is not None:
            pairs += validation[0]
            is_match = np.concatenate([is_match, validation[1]])

        from skmatch.embedders._losses import Objective, PairLoss
        from skmatch.embedders._training import ShuffledBatches, train
        from skmatch.embedders._validation import Validation

        run = self._begin([n_pairs, *pairs], is_match)
        settings, generator = run.settings, run.generator
        rows, others = np.split(np.arange(len(pairs)), [n_pairs])
        if not len(others):
            rows, others = _split_products(
                pairs, is_match, self.validation_fraction, run.seed
            )
        with self._reports(run, len(rows)) as reports:
            texts, text_of_row = _distinct_pairs(pairs)
            folder = self._find_backbone()
            self.tokenizer_ = load_tokenizer(folder)
            if self.tokenizer_.sep_token_id is None:
                raise ValueError(
                    f"The tokenizer of {self.model_name!r} has no separator token; "
                    "expected one, between two titles."
                )
            module = self._load_module(
                folder, separator=int(self.tokenizer_.sep_token_id)
            )
            batches = self._read_both_orders(texts)
            rng = np.random.default_rng(run.seed)
            drawn = rng.permutation(len(texts))[: TEXTS_OF_CALIBRATION - 1]
            self._calibration_ = [("", ""), *(texts[index] for index in drawn)]
            validate = None
            if len(others):
                validate = Validation(
                    module,
                    batches.select(text_of_row[others]),
                    is_match[others],
                    settings.device,
                    settings.dtype,
                    best_pair_f1,
                )
            history, best_epoch = train(
                module,
                batches.select(text_of_row[rows]),
                is_match[rows],
                ShuffledBatches(len(rows), settings.batch_size, generator),
                Objective(PairLoss()),
                settings,
                generator,
                validate=validate,
                **reports,
            )
        self.module_ = module
        self.history_, self.best_epoch_ = history, best_epoch
        run.finish()

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability that pairs are the same product.

        Parameters
        ----------
        X : array-like, as of :meth:`fit`
            Pairs of titles.

        Returns
        -------
        probabilities : ndarray of shape (n_pairs, 2), dtype float64
            That a pair is of the first and of the second class, in ``[0, 1]``. They
            depend on the two titles alone, in either order.

        Raises
        ------
        NotFittedError
            If there was no :meth:`fit`.
        ValueError
            If a title is missing, or `X` has other columns than in :meth:`fit`.
        RuntimeError
            If the network that OpenVINO compiled does not say what that of torch says.
        """
        check_is_fitted(self)
        pairs = self._read_pairs(X)

        from skmatch.embedders._training import embed

        module, device, dtype = self._prepare()
        texts, text_of_row = _distinct_pairs(pairs)
        odds = embed(module, self._read(texts), device, dtype)[text_of_row]
        p = expit(odds.astype(np.float64))
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

    def _read_pairs(self, X: Any, *, reset: bool = False) -> list[Pair]:
        """Return the titles of pairs."""
        X = join_sides(X)
        check_titles(self, X, reset=reset)
        sides = halve_columns(np.asarray(X, dtype=object))
        left, right = (
            check_titles(BaseEstimator(), side, reset=True)[0] for side in sides
        )
        return [*zip(left.tolist(), right.tolist(), strict=True)]

    def _read(self, texts: list[Pair]) -> TextBatches:
        from skmatch.embedders._batches import TextBatches

        left, right = map(list, zip(*texts, strict=True))
        padding = self.tokenizer_.pad_token_id or 0
        ids = self._tokenize(left, right)
        return TextBatches(ids, padding, self._tokens_per_pass())

    def _read_both_orders(self, texts: list[Pair]) -> PairBatches:
        """Return pairs as batches that, augmented, have them in either order."""
        from skmatch.embedders._batches import PairBatches

        left, right = map(list, zip(*texts, strict=True))
        padding = self.tokenizer_.pad_token_id or 0
        ids = [*self._tokenize(left, right), *self._tokenize(right, left)]
        pairs = np.arange(len(texts))
        return PairBatches(ids, padding, self._tokens_per_pass(), pairs)

    def _network(self) -> Any:
        from skmatch.embedders._networks import AdapterBertPairs

        return AdapterBertPairs

    def _check_params(self) -> None:
        super()._check_params()
        if self.adapter is None:
            raise ValueError("adapter=None; expected one to train.")
        check_scalar(self.max_length, "max_length", Integral, min_val=6)
        if self.validation_fraction > 0.5:
            raise ValueError(
                f"validation_fraction == {self.validation_fraction}, must be <= 0.5."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.classifier_tags.multi_class = False
        return tags


def _distinct_pairs(pairs: list[Pair]) -> tuple[list[Pair], NDArray[np.intp]]:
    """Return each pair of normalised titles once, in order, and the one of each row."""
    sides = np.array([title for pair in pairs for title in pair], dtype=object)
    texts, text_of = distinct(sides)
    places: dict[Pair, int] = {}
    rows = []
    for a, b in text_of.reshape(-1, 2).tolist():
        one, other = sorted((texts[a], texts[b]))
        rows.append(places.setdefault((one, other), len(places)))
    return list(places), np.array(rows, np.intp)


def _split_products(
    pairs: list[Pair], is_match: NDArray[np.bool_], fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs that train and those that validate, of other products.

    There are none of the latter if either would lack two pairs of an answer.
    """
    every, none = np.arange(len(pairs)), np.empty(0, np.intp)
    if fraction == 0:
        return every, none
    left, right = map(list, zip(*pairs, strict=True))
    titles, products = find_products(left, right, is_match)
    n_products = products.max() + 1
    shuffled = np.random.default_rng(seed).permutation(n_products)
    kept_out = shuffled[: round(fraction * n_products)]
    a, b = np.isin(products, kept_out)[titles]
    train, test = np.flatnonzero(~a & ~b), np.flatnonzero(a & b)
    counts = [np.bincount(is_match[rows], minlength=2) for rows in (train, test)]
    return (train, test) if np.min(counts) > 1 else (every, none)
