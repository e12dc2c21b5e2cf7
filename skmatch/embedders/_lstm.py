"""LSTMTitleEmbedder: words, characters and n-grams, without a language model."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import check_scalar

from skmatch._numbers import check_number
from skmatch.embedders._base import TitleEmbedder
from skmatch.persistence import savable
from skmatch.titles import (
    Vocabulary,
    WordVectors,
    open_word_vectors,
    tokenize,
    train_word_vectors,
)

if TYPE_CHECKING:
    from torch import nn

    from skmatch.embedders._batches import TokenBatches


@savable
class LSTMTitleEmbedder(TitleEmbedder):
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
          is unpacked in memory, to at most 100 times its size or 16 MB, and the last
          file stays open for the next call. No code in a file is run.
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
    checkpoint_dir : str, path-like or None, default=None
        Folder in which each epoch leaves what it takes to go on from there. A fit that
        was killed is resumed by the same fit: equal parameters, titles and labels, and
        versions of skmatch and torch; on a CPU its result is that of an unbroken one,
        bit for bit. A folder of its own for each training is deleted at its end, so
        several may share `checkpoint_dir`, as in a grid search.
    stop_on_interrupt : bool, default=False
        Whether an interrupt (Ctrl-C) ends the training as `patience` does, once an
        epoch is over: the best one so far is kept, and a warning names it. Else the
        estimator is as it was.
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
        Number of fields of the titles seen in :meth:`fit`; 1 for 1-D titles.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the fields, where `X` was a DataFrame with str column names.

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
        checkpoint_dir: str | os.PathLike[str] | None = None,
        stop_on_interrupt: bool = False,
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
        self.checkpoint_dir = checkpoint_dir
        self.stop_on_interrupt = stop_on_interrupt
        self.random_state = random_state
        self.verbose = verbose

    def _start(self, texts: list[str], seed: int) -> tuple[nn.Module, TokenBatches]:
        from skmatch.embedders._batches import TokenBatches
        from skmatch.embedders._networks import TitleLSTM

        sentences = tokenize(texts)
        if self._is_corpus():
            vectors = train_word_vectors(sentences, seed)
        else:
            opened = open_word_vectors(self.word_vectors)
            words = sorted({word for sentence in sentences for word in sentence})
            vectors = opened.select(words)
            self._vector_size_ = opened.vector_size
            if not vectors:
                warnings.warn(
                    "word_vectors knows none of the words of the titles, which are "
                    "taken in lower case: all take the character branch.",
                    UserWarning,
                    stacklevel=4,
                )
        vocabulary = Vocabulary(
            sentences, vectors, self.ngram_range, self.embedding_dim
        )
        self.vocabulary_ = vocabulary
        module = TitleLSTM(
            vocabulary.vector_size,
            len(vocabulary.letters),
            hidden_size=self.hidden_size,
            n_layers=self.n_layers,
            embedding_dim=int(self.embedding_dim),
            dropout=self.dropout,
            has_ngrams=self.ngram_range is not None,
        )
        return module, TokenBatches(vocabulary.encode(sentences))

    def _read(self, texts: list[str]) -> TokenBatches:
        from skmatch.embedders._batches import TokenBatches

        tokens = self.vocabulary_.encode(tokenize(texts), self._live_vectors())
        return TokenBatches(tokens)

    def _is_corpus(self) -> bool:
        return isinstance(self.word_vectors, str) and self.word_vectors == "corpus"

    def _live_vectors(self) -> WordVectors | None:
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
                stacklevel=5,
            )
            return None
        if vectors.vector_size != self._vector_size_:
            raise ValueError(
                f"word_vectors={self.word_vectors!r} has {vectors.vector_size} "
                f"dimensions now; expected {self._vector_size_}, as in fit."
            )
        return vectors

    def _check_params(self) -> None:
        super()._check_params()
        check_scalar(
            self.hidden_size, "hidden_size", Integral, min_val=1, max_val=2**16
        )
        check_scalar(self.n_layers, "n_layers", Integral, min_val=1, max_val=100)
        check_number(
            self.dropout,
            "dropout",
            min_val=0,
            max_val=1,
            include_boundaries="left",
        )
        if self.ngram_range is not None:
            lengths = np.array(self.ngram_range, dtype=object)
            is_pair = lengths.shape == (2,) and all(
                isinstance(length, Integral) for length in lengths
            )
            if not is_pair or not 1 <= lengths[0] <= lengths[1]:
                raise ValueError(
                    f"ngram_range == {self.ngram_range!r}, must be None or a pair "
                    "(min_n, max_n) with 1 <= min_n <= max_n."
                )

    def __sklearn_clone__(self) -> Self:
        # Frozen vectors are shared: a copy of a million rows would help nobody.
        light = type(self)(**(self.get_params(deep=False) | {"word_vectors": None}))
        clone = super(LSTMTitleEmbedder, light).__sklearn_clone__()
        return clone.set_params(word_vectors=self.word_vectors)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if hasattr(self, "vocabulary_") and hasattr(self.word_vectors, "key_to_index"):
            state["word_vectors"] = _keep_words(self.word_vectors, self.vocabulary_)
        return state

    def _pack(self) -> dict[str, Any]:
        module: Any = self.module_
        return {"settings": module.settings, "weights": dict(module.state_dict())}

    def _unpack(self, packed: dict[str, Any]) -> nn.Module:
        from skmatch.embedders._networks import TitleLSTM
        from skmatch.embedders._weights import make_module

        if packed["settings"]["n_layers"] > len(packed["weights"]):
            raise ValueError(
                f"n_layers={packed['settings']['n_layers']}, but there are weights of "
                f"{len(packed['weights'])} names only."
            )
        return make_module(
            lambda: TitleLSTM(**packed["settings"]),
            packed["weights"],
            "a saved LSTMTitleEmbedder",
        )


def _keep_words(vectors: Any, vocabulary: Vocabulary) -> Any:
    """Return KeyedVectors of none but the words of a vocabulary."""
    from gensim.models import KeyedVectors

    words = list(vocabulary.index_of)
    kept = KeyedVectors(vectors.vector_size, count=0)
    if words:
        kept.add_vectors(words, np.array([vectors[word] for word in words]))
    return kept
