"""AdapterBertEmbedder: a frozen BERT, of which an adapter is trained."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.utils import Tags

from skmatch.embedders._backbones import load_tokenizer
from skmatch.embedders._base import TitleEmbedder
from skmatch.embedders._device import find_device
from skmatch.embedders._language_model import (
    TEXTS_OF_CALIBRATION,
    AdaptedLanguageModel,
    check_choice,
)
from skmatch.persistence import savable
from skmatch.titles import check_titles, distinct

if TYPE_CHECKING:
    from torch import nn

    from skmatch.embedders._batches import TextBatches
    from skmatch.embedders._networks import AdapterBert

_POOLINGS = ("mean", "cls", "pooler")
_TITLES_OF_START = 4000  # whose principal directions the projection starts with


@savable
class AdapterBertEmbedder(AdaptedLanguageModel, TitleEmbedder):
    r"""Embed titles by a frozen BERT with a trained adapter and a projection.

    The weights of the language model stay as they are. Small bottleneck layers after
    the attention and the feed-forward part of each of its layers [1]_, from the
    ``adapters`` library [2]_, and a linear projection of the pooled states are trained
    by metric learning to put the titles of a product together. Needs ``pip install
    'skmatch[bert]'``, or ``skmatch[peft]`` with a ``peft.LoraConfig``.

    Parameters
    ----------
    model_name : str, default="bert-base-multilingual-uncased"
        Name of a BERT-family model of the Hugging Face hub, or a folder with one:
        config.json, \*.safetensors and the files of its tokenizer.
    revision : str or None, default=None
        Branch, tag or commit of the model of the hub.
    local_files_only : bool, default=False
        Whether to look for a model of the hub among the downloaded ones only.
    adapter : str, AdapterConfig, LoraConfig, dict or None, default="houlsby"
        What is trained inside the language model: "houlsby", "pfeiffer", "lora", "ia3"
        or another configuration of the ``adapters`` library, by name or as an object.
        None trains nothing: the embeddings are the pooled states of the language model
        as it is, of its width, and :meth:`fit` needs no labels.
        A ``peft.LoraConfig`` needs ``pip install 'skmatch[peft]'`` instead of that
        library, which holds back transformers; of its settings ``r``, ``lora_alpha``,
        ``lora_dropout``, ``target_modules`` as a list, ``use_rslora`` and ``use_dora``
        may be chosen.
    reduction_factor : float, default=16
        Width of the language model by that of a bottleneck that is asked for by name.
    pooling : {"mean", "cls", "pooler"}, default="mean"
        What of a title is projected: the mean of the states of its tokens, the state of
        the first one, or the output of the model's own pooler.
    embedding_dim : int, default=384
        Number of columns of the embeddings, unless `adapter` is None.
    max_length : int, default=64
        Largest number of tokens of a title that are read, with the two special ones.
    loss : str or loss of pytorch-metric-learning, default="multi_similarity"
        As in :class:`LSTMTitleEmbedder`.
    miner : str, miner of pytorch-metric-learning or None, default=None
        As in :class:`LSTMTitleEmbedder`.
    n_epochs : int, default=6
        Largest number of passes over the titles. A pass has at least 8 batches.
    batch_size : int, default=1024
        Number of titles that the loss compares: two of each of ``batch_size // 2``
        products.
    cache_gradients : bool, default=True
        Whether the titles of a batch pass through the network twice in training, part
        by part, so that the gradient is that of the whole batch in the memory of a part
        [3]_. Without, training is a quarter faster, in three times the memory.
    learning_rate : float, default=0.002
        Largest learning rate of AdamW.
    warm_up : float, default=0.15
        Share of the batches, in ``[0, 1]``, in which the learning rate rises linearly;
        then it falls to 0 as a cosine.
    weight_decay : float, default=0.0
        Weight decay of AdamW, at least 0.
    validation_fraction : float, default=0.1
        Share of the products, in ``[0, 1)``, that is kept out of the training to find
        the best epoch by row-wise F1. With fewer than two such products, or 0, all
        epochs run and the last one counts.
    patience : int, default=3
        Number of epochs without a better validation score after which training stops.
    device : str, default="auto"
        Device of torch for the time of a call: "cpu", "cuda", "cuda:1", ... "auto" is
        a GPU if there is one.
    precision : {"auto", "float32", "bfloat16", "int8"}, default="auto"
        Type to compute in. "auto" is bfloat16 on a GPU and on a CPU with AVX512-BF16 or
        AMX, where it is about twice as fast, and float32 elsewhere. "int8" needs
        ``backend="openvino"``: :meth:`transform` then computes in integers, after a
        calibration on titles of :meth:`fit`. Tune the threshold on such embeddings.
    backend : {"torch", "openvino"}, default="torch"
        What computes in :meth:`transform`. "openvino" is quicker on a CPU; it needs
        ``pip install 'skmatch[openvino]'``. The network is compiled at the first call,
        and a RuntimeError tells if its embeddings are not those of torch.
    store_backbone : bool, default=True
        Whether a save or a pickle holds the frozen weights, too. Without them it is a
        few MB, and finds the language model again by `model_name`.
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
        Seed of everything random, as in :class:`LSTMTitleEmbedder`.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    module_ : torch.nn.Module
        The network, on the CPU and in eval mode.
    tokenizer_ : transformers.PreTrainedTokenizerFast
        The tokenizer of the language model.
    adapter_config_ : dict or None
        Settings of the adapter.
    history_ : list of dict
        A row for each epoch, as of :class:`LSTMTitleEmbedder`.
    best_epoch_ : int
        The epoch, from 1, whose adapter and projection were kept.
    n_features_in_ : int
        Number of fields of the titles seen in :meth:`fit`; 1 for 1-D titles.
    feature_names_in_ : ndarray of shape (`n_features_in_`,), dtype object
        Names of the fields, where `X` was a DataFrame with str column names.

    See Also
    --------
    LSTMTitleEmbedder : Needs no language model, and is quicker.
    FaissThresholdMatcher : Match the embeddings.

    Notes
    -----
    Titles are read in lower case. Those that are equal are encoded once, and titles of
    like length pass through the network together. The projection starts as the
    principal directions of the pooled states of the titles of :meth:`fit`, so that
    training starts from what the language model knows. In training, 15 % of the tokens
    of a title are left out at random, others each time.

    Files of a model are data: only JSON and safetensors are read, a configuration that
    names code is refused, and ``trust_remote_code`` is never set. A pickle of the
    embedder can run code; a folder that :func:`skmatch.save` wrote cannot.

    References
    ----------
    .. [1] N. Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML,
       2019. :arxiv:`1902.00751`
    .. [2] C. Poth et al., "Adapters: A Unified Library for Parameter-Efficient and
       Modular Transfer Learning", EMNLP, 2023. :arxiv:`2311.11077`
    .. [3] L. Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory
       Limited Setup", RepL4NLP, 2021. :arxiv:`2101.06983`

    Examples
    --------
    >>> from skmatch import AdapterBertEmbedder
    >>> embedder = AdapterBertEmbedder("bert-base-multilingual-uncased")
    >>> embedder.fit(titles, product_ids)  # doctest: +SKIP
    >>> embedder.transform(["Paper Bag 20 cm"]).shape  # doctest: +SKIP
    (1, 384)

    As it comes, without labels and training:

    >>> frozen = AdapterBertEmbedder("all-MiniLM-L6-v2", adapter=None)
    >>> frozen.fit_transform(titles).shape  # doctest: +SKIP
    (3, 384)
    """

    def __init__(
        self,
        model_name: str = "bert-base-multilingual-uncased",
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        adapter: Any = "houlsby",
        reduction_factor: float = 16,
        pooling: str = "mean",
        embedding_dim: int = 384,
        max_length: int = 64,
        loss: Any = "multi_similarity",
        miner: Any = None,
        n_epochs: int = 6,
        batch_size: int = 1024,
        cache_gradients: bool = True,
        learning_rate: float = 0.002,
        warm_up: float = 0.15,
        weight_decay: float = 0.0,
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
        self.pooling = pooling
        self.embedding_dim = embedding_dim
        self.max_length = max_length
        self.loss = loss
        self.miner = miner
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.cache_gradients = cache_gradients
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

    def _fit(self, X: Any, y: ArrayLike | None) -> None:
        if self.adapter is not None:
            super()._fit(X, y)
            return
        self._check_params()
        titles, _ = check_titles(self, X, reset=True)
        folder = self._find_backbone()
        self.tokenizer_ = load_tokenizer(folder)
        module = self._load_module(folder, pooling=self.pooling, embedding_dim=None)
        self.module_ = module.eval()
        self._calibration_ = ["", *distinct(titles)[0][: TEXTS_OF_CALIBRATION - 1]]
        self.history_, self.best_epoch_ = [], 0

    def _start(self, texts: list[str], seed: int) -> tuple[nn.Module, TextBatches]:
        folder = self._find_backbone()
        self.tokenizer_ = load_tokenizer(folder)
        module = self._load_module(
            folder, pooling=self.pooling, embedding_dim=int(self.embedding_dim)
        )
        batches = self._read(texts)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(texts), min(len(texts), _TITLES_OF_START), replace=False)
        calibration = drawn[: TEXTS_OF_CALIBRATION - 1]
        self._calibration_ = ["", *(texts[index] for index in calibration)]
        pooled = self._pool(module, batches.select(drawn))
        _start_projection(module.project, pooled, seed)
        return module, batches

    def _read(self, texts: list[str]) -> TextBatches:
        from skmatch.embedders._batches import TextBatches

        return TextBatches(
            self._tokenize(texts),
            self.tokenizer_.pad_token_id or 0,
            self._tokens_per_pass(),
        )

    def _network(self) -> Any:
        from skmatch.embedders._networks import AdapterBert

        return AdapterBert

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.pooling, "pooling", _POOLINGS)

    @property
    def _n_features_out(self) -> int:
        module: Any = self.module_
        return int(module.embedding_dim)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.adapter is not None
        return tags

    def _pool(self, module: AdapterBert, titles: TextBatches) -> NDArray[np.float32]:
        """Return the pooled states of titles: float32 (n_titles, hidden_size)."""
        from torch import nn

        from skmatch.embedders._training import embed

        class Pool(nn.Module):
            def forward(self, batch: Any) -> Any:
                return module.pool(batch)

        device = find_device(self.device)
        module.to(device).eval()
        return embed(Pool(), titles, device, self._find_dtype(device))


def _start_projection(project: nn.Linear, pooled: NDArray[Any], seed: int) -> None:
    """Let a projection start as the principal directions of pooled states.

    What is projected has mean 0 and mean norm 1; weights that are left over are small.
    """
    import torch

    n_components = min(project.out_features, *pooled.shape)
    pca = PCA(n_components, random_state=seed).fit(pooled)
    scale = 1 / np.linalg.norm(pca.transform(pooled), axis=1).mean().clip(1e-6)
    with torch.no_grad():
        weight, bias = project.weight, project.bias
        weight[:n_components] = torch.from_numpy(scale * pca.components_)
        weight[n_components:] *= 0.1
        bias.copy_(-weight @ torch.from_numpy(pca.mean_).to(weight))
