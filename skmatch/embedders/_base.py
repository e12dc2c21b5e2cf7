"""Trainable title embedders: the scikit-learn shells around module and training."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from skmatch.evaluation._metrics import best_rowwise_f1, encode_labels
from skmatch.titles._tokens import (
    TitleTokens,
    Vocabulary,
    check_titles,
    distinct,
    tokenize,
)
from skmatch.titles._word_vectors import open_word_vectors, train_word_vectors

if TYPE_CHECKING:
    import torch

# torch and pytorch-metric-learning take seconds to import: only when they are used.


_TITLES_PER_PASS = 8192


class _TitleEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What all title embedders do; a subclass reads titles and makes the module."""

    # What a subclass may make parameters of.
    warm_up = 0.3
    weight_decay = 0.0
    cache_gradients = False

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn to put the titles of a product together and those of others apart.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, n_columns)
            Titles, of type str. The columns of a 2-D array or a DataFrame become str
            and are joined by a space. An empty title is legal.
        y : array-like of shape (n_samples,)
            Product labels, int or str.

        Returns
        -------
        self : object
            The fitted embedder.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title is None or NaN (the row is
            named), `y` has fewer than two labels or no label has two titles, or the
            loss does not stay finite.
        """
        fitted = type(self)(**self.get_params(deep=False))
        fitted._fit(X, y)
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # not before all went well
        self.__dict__.update(vars(fitted))
        return self

    def _fit(self, X: Any, y: ArrayLike) -> None:
        """Fit a new estimator."""
        self._check_params()
        if y is not None and getattr(y, "ndim", 1) == 1:
            encode_labels(y, "y")  # scikit-learn would not name the row
        titles, y = check_titles(self, X, y, reset=True)
        labels = _check_labels(y)

        import torch

        from skmatch.embedders._losses import make_loss, make_miner
        from skmatch.embedders._training import count_batches, train

        device = _find_device(self.device)
        dtype = self._find_dtype(device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with _seeded(device, seed), _open_log(self.log_dir) as log:
            generator = torch.Generator().manual_seed(seed)
            validates = _draw_validation(labels, self.validation_fraction, generator)
            classes, train_labels = np.unique(labels[~validates], return_inverse=True)
            loss = make_loss(self.loss, len(classes), self.embedding_dim)
            miner = make_miner(self.miner)
            texts, text_of_row = distinct(titles)
            module = self._start(texts, seed)
            read = self._read(texts)
            train_titles = _Rows(read, text_of_row[~validates])
            validate = None
            if validates.any():
                validate = _Validation(
                    module,
                    _Rows(read, text_of_row[validates]),
                    labels[validates],
                    device,
                    dtype,
                )
            total = self.n_epochs * count_batches(len(train_labels), self.batch_size)
            with tqdm(total=total, disable=not self.verbose, unit="batch") as progress:

                def report(row: dict[str, float]) -> None:
                    progress.set_postfix(
                        loss=row["loss"], validation_f1=row["validation_score"]
                    )
                    for name in row.keys() - {"epoch"} if log is not None else ():
                        log.add_scalar(name, row[name], row["epoch"])

                self.history_, self.best_epoch_ = train(
                    module,
                    train_titles,
                    train_labels,
                    loss=loss,
                    miner=miner,
                    n_epochs=self.n_epochs,
                    batch_size=self.batch_size,
                    learning_rate=self.learning_rate,
                    warm_up=self.warm_up,
                    weight_decay=self.weight_decay,
                    cache_gradients=self.cache_gradients,
                    patience=self.patience,
                    device=device,
                    dtype=dtype,
                    generator=generator,
                    validate=validate,
                    report=report,
                    progress=progress,
                )
        self.module_ = module
        self._n_features_out = self.embedding_dim
        self._warn_of_training(train_titles)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed titles.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, n_columns)
            Titles, as in :meth:`fit`.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, embedding_dim), dtype float32
            Rows of unit L2 norm. A row depends on its own title only, and titles that
            differ in nothing but case and spaces have the same one.

        Raises
        ------
        ValueError
            If a title is None or NaN (the row is named) or the number of columns is
            another than in :meth:`fit`.
        """
        check_is_fitted(self)
        titles, _ = check_titles(self, X, reset=False)

        from skmatch.embedders._training import embed

        module, device, dtype = self._prepare()
        texts, text_of_row = distinct(titles)
        rows = _Rows(self._read(texts), np.arange(len(texts)))
        return embed(module, rows, len(texts), device, dtype)[text_of_row]

    @abstractmethod
    def _start(self, texts: list[str], seed: int) -> torch.nn.Module:
        """Learn from the texts all that is not trained; return an untrained module."""

    @abstractmethod
    def _read(self, texts: list[str]) -> Any:
        """Turn texts into what the module reads, as `_TokenBatches` does."""

    def _prepare(self) -> tuple[torch.nn.Module, torch.device, torch.dtype]:
        """Return the module where it is to embed, that device, and the type."""
        device = _find_device(self.device)
        module = self.module_
        if device.type != "cpu":  # the fitted module rests on the CPU
            module = deepcopy(module).to(device)
        return module, device, self._find_dtype(device)

    def _find_dtype(self, device: torch.device) -> torch.dtype:
        """Return the type to compute in."""
        import torch

        return torch.bfloat16 if device.type == "cuda" else torch.float32

    def _check_params(self) -> None:
        """Raise if a parameter that all embedders share is out of its range."""
        check_scalar(self.embedding_dim, "embedding_dim", Integral, min_val=1)
        check_scalar(self.n_epochs, "n_epochs", Integral, min_val=1)
        check_scalar(self.batch_size, "batch_size", Integral, min_val=4)
        check_scalar(self.patience, "patience", Integral, min_val=1)
        check_scalar(
            self.learning_rate,
            "learning_rate",
            Real,
            min_val=0,
            include_boundaries="neither",
        )
        check_scalar(
            self.validation_fraction,
            "validation_fraction",
            Real,
            min_val=0,
            max_val=1,
            include_boundaries="left",
        )

    def _warn_of_training(self, titles: _Rows) -> None:
        """Warn of batches that taught nothing and of a collapse to one point."""
        from skmatch.embedders._training import count_batches, embed

        n_batches = count_batches(len(titles.rows), self.batch_size)
        n_batches *= len(self.history_)
        n_empty = sum(row["empty_batches"] for row in self.history_)
        if n_empty > n_batches / 10:
            warnings.warn(
                f"{n_empty:.0f} of {n_batches} batches had no triplet with a non-zero "
                "loss and taught nothing; try another loss, miner or batch_size.",
                UserWarning,
                stacklevel=4,
            )
        n_sample = min(1000, len(titles.rows))
        embeddings = embed(self.module_, titles, n_sample, _find_device("cpu"))
        mean_cosine = (embeddings.sum(axis=0) ** 2).sum() / n_sample**2
        if mean_cosine > 0.95:
            warnings.warn(
                f"The embeddings have collapsed: the mean cosine similarity of two "
                f"titles is {mean_cosine:.3f}. Try another loss or miner, a smaller "
                "learning_rate, or larger batches.",
                UserWarning,
                stacklevel=4,
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags


class LSTMTitleEmbedder(_TitleEmbedder):
    """Embed titles by a word LSTM, a character LSTM and hashed character n-grams.

    A cascade that knows no "unknown word": tokens that have a word vector go through a
    word-level bidirectional LSTM over the frozen vectors; all others, sorted and joined
    by a space, through a character-level one. What they read decides how much each
    token of the title counts: the character n-grams of the tokens, hashed into
    `embedding_dim` columns [1]_, are summed with these weights. A projection of the
    states of both LSTMs is added, and the sum scaled to unit norm. The network is
    trained by metric learning [2]_ to put the titles of a product together.

    Parameters
    ----------
    word_vectors : str, path-like or gensim KeyedVectors, default="corpus"
        The frozen vectors of the word branch.

        - "corpus": 100-dimensional skip-gram vectors, trained with gensim on the titles
          of :meth:`fit`; no download.
        - a path: a word2vec file (text or binary, plain or .gz), GloVe's text file, or
          a save of ``KeyedVectors``. Only the vectors of needed words are read; a .gz
          is unpacked in memory, and the last file stays open for the next call.
        - a ``KeyedVectors``: it is shared with clones, not copied.
        - any other str: a name that :mod:`gensim.downloader` knows, such as
          "glove-twitter-25".
    embedding_dim : int, default=512
        Number of columns of the embeddings.
    hidden_size : int, default=32
        Size of the state of each LSTM, in each direction.
    n_layers : int, default=1
        Number of layers of each LSTM.
    dropout : float, default=0.1
        Share of the inputs and the states that is set to 0 in training, in ``[0, 1)``.
    ngram_range : tuple (min_n, max_n) or None, default=(2, 5)
        Lengths of the character n-grams. With None there are no n-grams, and the
        projection of the states alone is the embedding.
    loss : str or loss of pytorch-metric-learning, default="multi_similarity"
        One of "arcface", "circle", "contrastive", "cosface", "multi_similarity",
        "normalized_softmax", "ntxent", "proxy_anchor", "sphereface", "supcon" and
        "triplet", or a loss object, of which a copy is trained.
    miner : str, miner of pytorch-metric-learning or None, default=None
        One of "batch_easy_hard", "batch_hard", "multi_similarity" and
        "triplet_margin", or a miner object. It picks the pairs or triplets of a batch
        that the loss sees; with None it sees all.
    n_epochs : int, default=20
        Largest number of passes over the titles. A pass has at least 8 batches.
    batch_size : int, default=2048
        Number of titles in a batch: two of each of ``batch_size // 2`` products. Large
        batches find more products that are hard to tell apart.
    learning_rate : float, default=0.005
        Largest learning rate of AdamW; it warms up linearly over 30 % of the batches
        and falls to 0 as a cosine.
    validation_fraction : float, default=0.1
        Share of the products, in ``[0, 1)``, that is kept out of the training to find
        the best epoch by row-wise F1. With fewer than two such products, or 0, all
        epochs run and the last one counts.
    patience : int, default=5
        Number of epochs without a better validation score after which training stops.
    device : str, default="auto"
        Device of torch for the time of a call: "cpu", "cuda", "cuda:1", ... "auto" is
        a GPU if there is one. On a GPU the network computes in bfloat16.
    log_dir : str, path-like or None, default=None
        Folder for a TensorBoard log of `history_`; needs ``skmatch[tensorboard]``.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random. With an int, equal seeds give equal results, and no
        global random state is used or changed; None draws a seed from numpy's global
        state, as everywhere in scikit-learn.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    module_ : torch.nn.Module
        The trained network, on the CPU and in eval mode.
    vocabulary_ : object
        Words, characters and word vectors of the titles of :meth:`fit`.
    history_ : list of dict
        For each epoch: "epoch" from 1, mean "loss", "nonzero_share" of the terms
        (triplets, pairs or anchors) of the loss, number of "empty_batches" where all
        of them were 0, "validation_score" (row-wise F1 at its best threshold; NaN
        without validation) and "seconds". ``pandas.DataFrame(history_)`` is a table.
    best_epoch_ : int
        The epoch, from 1, whose network was kept.
    n_features_in_ : int
        Number of columns of the titles seen in :meth:`fit`; 1 for 1-D titles.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the columns, where `X` was a DataFrame with str column names.

    See Also
    --------
    FaissThresholdMatcher : Match the embeddings.
    sklearn.feature_extraction.text.TfidfVectorizer : The baseline, with
        ``analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True``.

    Notes
    -----
    The vectors are whitened, and are frozen. A word that they know takes the word
    branch also where the titles of :meth:`fit` lack it, while the vectors are at hand:
    as a ``KeyedVectors`` in this process, or as a file that is still there.

    A pickle carries the network and the vectors of the words of the titles of
    :meth:`fit`, and no other vectors: of a ``KeyedVectors``, the same words remain in
    `word_vectors`; a path stays a path. A copy of a fitted embedder carries the same,
    and so does the cache of ``Pipeline(memory=...)``: give it a path, so that a cached
    embedder still finds the words that the titles of :meth:`fit` lack.

    Files of vectors run no code when they are read, also a save of ``KeyedVectors``,
    which is a pickle. A pickle of the embedder itself does: load those that you trust.

    References
    ----------
    .. [1] K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning",
       ICML, 2009. :arxiv:`0902.2206`
    .. [2] X. Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep
       Metric Learning", CVPR, 2019. :arxiv:`1904.06627`

    Examples
    --------
    >>> from skmatch import LSTMTitleEmbedder, make_product_titles
    >>> titles, product_ids = make_product_titles(n_products=30, random_state=0)
    >>> embedder = LSTMTitleEmbedder(n_epochs=1, random_state=0)
    >>> embedder.fit(titles, product_ids).transform(["Paper Bag 20 cm"]).shape
    (1, 512)
    """

    def __init__(
        self,
        word_vectors: Any = "corpus",
        *,
        embedding_dim: int = 512,
        hidden_size: int = 32,
        n_layers: int = 1,
        dropout: float = 0.1,
        ngram_range: tuple[int, int] | None = (2, 5),
        loss: Any = "multi_similarity",
        miner: Any = None,
        n_epochs: int = 20,
        batch_size: int = 2048,
        learning_rate: float = 0.005,
        validation_fraction: float = 0.1,
        patience: int = 5,
        device: str = "auto",
        log_dir: str | os.PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.word_vectors = word_vectors
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.ngram_range = ngram_range
        self.loss = loss
        self.miner = miner
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.log_dir = log_dir
        self.random_state = random_state
        self.verbose = verbose

    def _start(self, texts: list[str], seed: int) -> torch.nn.Module:
        """Learn vocabulary and vectors from the texts; return an untrained module."""
        from skmatch.embedders._networks import TitleLSTM

        sentences = tokenize(texts)
        if self._is_corpus():
            vectors = train_word_vectors(sentences, seed)
        else:
            opened = open_word_vectors(self.word_vectors)
            words = sorted({word for sentence in sentences for word in sentence})
            vectors = opened.select(words)
            self._vector_size = opened.vector_size
            if not vectors:
                warnings.warn(
                    "word_vectors knows none of the words of the titles, which are "
                    "taken in lower case: all take the character branch.",
                    UserWarning,
                    stacklevel=5,
                )
        self.vocabulary_ = Vocabulary(
            sentences, vectors, self.ngram_range, self.embedding_dim
        )
        return TitleLSTM(
            self.vocabulary_.vector_size,
            len(self.vocabulary_.letters),
            hidden_size=self.hidden_size,
            n_layers=self.n_layers,
            embedding_dim=self.embedding_dim,
            dropout=self.dropout,
            has_ngrams=self.ngram_range is not None,
        )

    def _read(self, texts: list[str]) -> Any:
        """Turn texts into tokens."""
        return _TokenBatches(self.vocabulary_.tokenize(texts, self._live_vectors()))

    def _is_corpus(self) -> bool:
        return isinstance(self.word_vectors, str) and self.word_vectors == "corpus"

    def _live_vectors(self) -> Any:
        """Return the word vectors themselves if they are at hand."""
        if self._is_corpus():
            return None
        try:
            vectors = open_word_vectors(self.word_vectors, download=False)
        except FileNotFoundError:
            warnings.warn(
                f"word_vectors={self.word_vectors!r} is not at hand: words that the "
                "titles of fit lack take the character branch.",
                UserWarning,
                stacklevel=4,
            )
            return None
        if vectors.vector_size != self._vector_size:
            raise ValueError(
                f"word_vectors={self.word_vectors!r} has {vectors.vector_size} "
                f"dimensions now; expected {self._vector_size}, as in fit."
            )
        return vectors

    def _check_params(self) -> None:
        super()._check_params()
        check_scalar(self.hidden_size, "hidden_size", Integral, min_val=1)
        check_scalar(self.n_layers, "n_layers", Integral, min_val=1)
        check_scalar(
            self.dropout,
            "dropout",
            Real,
            min_val=0,
            max_val=1,
            include_boundaries="left",
        )
        if self.ngram_range is not None:
            lengths = np.asarray(self.ngram_range)
            if lengths.shape != (2,) or not 1 <= lengths[0] <= lengths[1]:
                raise ValueError(
                    f"ngram_range == {self.ngram_range!r}, must be None or a pair "
                    "(min_n, max_n) with 1 <= min_n <= max_n."
                )

    def __sklearn_clone__(self) -> Self:
        # Frozen vectors are shared: a copy of a million rows would help nobody.
        light = copy(self)
        light.word_vectors = None
        clone = super(LSTMTitleEmbedder, light).__sklearn_clone__()
        return clone.set_params(word_vectors=self.word_vectors)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if hasattr(self, "vocabulary_") and hasattr(self.word_vectors, "key_to_index"):
            state["word_vectors"] = _keep_words(self.word_vectors, self.vocabulary_)
        return state


class _TokenBatches:
    """Tokenised titles as batches of tensors."""

    def __init__(self, tokens: TitleTokens) -> None:
        self._tokens = tokens
        self.lengths = tokens.n_characters

    def n_per_pass(self, longest: int) -> int:
        """Return how many titles pass through the module together."""
        return _TITLES_PER_PASS

    def take(self, rows: NDArray[np.intp], generator: Any = None) -> Any:
        """Return the batch of some rows; a generator asks for augmented ones."""
        import torch

        from skmatch.embedders._networks import TokenBatch

        def draw(n: int) -> NDArray[np.float32]:
            return torch.rand(n, generator=generator).numpy()

        arrays = self._tokens.take(rows, draw if generator is not None else None)
        return TokenBatch(
            **{name: torch.from_numpy(array) for name, array in arrays.items()}
        )


class _Rows:
    """Rows of titles over their distinct, tokenised texts."""

    def __init__(self, tokens: Any, rows: NDArray[np.intp]) -> None:
        self.tokens, self.rows = tokens, rows

    def split(self, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part rows into such as pass through the module together: of like length."""
        lengths = self.tokens.lengths[self.rows[rows]]
        order = np.argsort(-lengths, kind="stable")
        parts, start = [], 0
        while start < len(order):
            longest = int(lengths[order[start]])
            end = start + self.tokens.n_per_pass(longest)
            parts.append(rows[order[start:end]])
            start = end
        return parts

    def take(self, rows: NDArray[np.intp], generator: Any = None) -> Any:
        """Return the batch of some rows."""
        return self.tokens.take(self.rows[rows], generator)


class _Validation:
    """Row-wise F1, at its best threshold, of products that do not train."""

    def __init__(
        self,
        module: Any,
        titles: _Rows,
        labels: NDArray[np.int64],
        device: Any,
        dtype: Any,
    ) -> None:
        self._module, self._titles, self._labels = module, titles, labels
        self._device, self._dtype = device, dtype

    def __call__(self) -> float:
        """Return the score in [0, 1]."""
        from skmatch.embedders._training import embed

        n_titles = len(self._labels)
        embeddings = embed(
            self._module, self._titles, n_titles, self._device, self._dtype
        )
        return best_rowwise_f1(embeddings, self._labels)[0]


def _check_labels(y: Any) -> NDArray[np.int64]:
    """Return the labels as 0, 1, ...; raise if they cannot train, warn if few can."""
    labels = encode_labels(y, "y")
    n_rows = np.bincount(labels)
    if len(n_rows) < 2:
        raise ValueError(
            f"y has 1 class, {np.asarray(y).tolist()[0]!r}; expected at least two "
            "product labels."
        )
    n_single = int((n_rows == 1).sum())
    if n_single == len(n_rows):
        raise ValueError(
            f"Each of the {len(n_rows)} labels of y has one title (n_samples = "
            f"{len(labels)}); expected a label with two titles or more."
        )
    if n_single:
        warnings.warn(
            f"{n_single} of the {len(n_rows)} labels of y have a single title: they "
            "show the embedder what differs, but not what is the same.",
            UserWarning,
            stacklevel=4,
        )
    return labels


def _draw_validation(
    labels: NDArray[np.int64], fraction: float, generator: torch.Generator
) -> NDArray[np.bool_]:
    """Mark the rows of a share of the classes; none if too few classes would remain."""
    import torch

    n_classes = int(labels.max()) + 1
    n_drawn = round(fraction * n_classes)
    order = torch.randperm(n_classes, generator=generator).numpy()
    is_drawn = np.zeros(n_classes, dtype=bool)
    is_drawn[order[:n_drawn]] = True
    can_train = np.bincount(labels)[~is_drawn] > 1
    if n_drawn < 2 or can_train.size < 2 or not can_train.any():
        is_drawn[:] = False
    return is_drawn[labels]


def _find_device(name: str) -> torch.device:
    """Return the torch device of a name; "auto" is a GPU if there is one."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={name!r} cannot be used: {error}; expected 'auto', 'cpu' or a "
            "device that torch has here, such as 'cuda'."
        ) from error
    return device


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators for a while, as dropout draws from them."""
    import torch

    is_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if is_gpu else []):
        torch.default_generator.manual_seed(seed)
        if is_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _open_log(log_dir: str | os.PathLike[str] | None) -> Iterator[Any]:
    """Open a TensorBoard log, if one is asked for."""
    if log_dir is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "log_dir needs TensorBoard: pip install 'skmatch[tensorboard]'"
        ) from error
    with SummaryWriter(os.fspath(log_dir)) as log:
        yield log


def _keep_words(vectors: Any, vocabulary: Vocabulary) -> Any:
    """Return KeyedVectors of none but the words of a vocabulary."""
    from gensim.models import KeyedVectors

    words = list(vocabulary.row_of)
    kept = KeyedVectors(vectors.vector_size, count=0)
    if words:
        kept.add_vectors(words, np.array([vectors[word] for word in words]))
    return kept
