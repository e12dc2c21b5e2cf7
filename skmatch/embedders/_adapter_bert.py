"""AdapterBertEmbedder: a frozen BERT, of which an adapter is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.utils import check_scalar

from skmatch._numbers import check_number
from skmatch.embedders._backbones import (
    add_adapter,
    check_settings,
    check_sizes,
    find_backbone,
    fingerprint,
    load_backbone,
    load_tokenizer,
    make_backbone,
    read_tokenizer,
    write_tokenizer,
)
from skmatch.embedders._base import TitleEmbedder
from skmatch.embedders._device import find_device, has_fast_bfloat16
from skmatch.persistence import load, savable, save

if TYPE_CHECKING:
    import torch
    from torch import nn

    from skmatch.embedders._batches import TextBatches
    from skmatch.embedders._networks import AdapterBert

_CHOICES = {
    "pooling": ("mean", "cls", "pooler"),
    "precision": ("auto", "float32", "bfloat16", "int8"),
    "backend": ("torch", "openvino"),
}
_TITLES_OF_CALIBRATION = 300
_TITLES_OF_START = 4000  # whose principal directions the projection starts with
_TOKENS_PER_PASS = 1024  # what is computed of them stays in the cache
_TOKENS_PER_PASS_OF_GPU = 32768


@savable
class AdapterBertEmbedder(TitleEmbedder):
    r"""Embed titles by a frozen BERT with a trained adapter and a projection.

    The weights of the language model stay as they are. Small bottleneck layers after
    the attention and the feed-forward part of each of its layers [1]_, from the
    ``adapters`` library [2]_, and a linear projection of the pooled states are trained
    by metric learning to put the titles of a product together. Needs ``pip install
    'skmatch[bert]'``.

    Parameters
    ----------
    model_name : str, default="bert-base-multilingual-uncased"
        Name of a BERT-family model of the Hugging Face hub, or a folder with one:
        config.json, \*.safetensors and the files of its tokenizer.
    revision : str or None, default=None
        Branch, tag or commit of the model of the hub.
    local_files_only : bool, default=False
        Whether to look for a model of the hub among the downloaded ones only.
    adapter : str, dict or adapters.AdapterConfig, default="houlsby"
        What is trained inside the language model: "houlsby", "pfeiffer", "lora", "ia3"
        or another configuration of the ``adapters`` library, by name or as an object.
    reduction_factor : float, default=16
        Width of the language model by that of a bottleneck that is asked for by name.
    pooling : {"mean", "cls", "pooler"}, default="mean"
        What of a title is projected: the mean of the states of its tokens, the state of
        the first one, or the output of the model's own pooler.
    embedding_dim : int, default=384
        Number of columns of the embeddings.
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
    adapter_config_ : dict
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
    training starts from what the language model knows.

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
        self.random_state = random_state
        self.verbose = verbose

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the embedder to a folder, as :func:`skmatch.save`.

        Parameters
        ----------
        folder : str or path-like
            Folder to write to; it is made if need be.
        """
        save(self, folder)

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], *, model_name: str | None = None
    ) -> Self:
        """Read what :meth:`save` wrote, as :func:`skmatch.load`.

        Parameters
        ----------
        folder : str or path-like
            Folder that :meth:`save` wrote.
        model_name : str or None, default=None
            Where the language model is now; None is where it was.

        Returns
        -------
        embedder : AdapterBertEmbedder
            The fitted embedder.
        """
        embedder = load(folder, model_name=model_name)
        if not isinstance(embedder, cls):
            raise ValueError(
                f"{folder} holds a {type(embedder).__name__}; expected a "
                f"{cls.__name__}."
            )
        return embedder

    def _start(self, texts: list[str], seed: int) -> tuple[nn.Module, TextBatches]:
        found = self._find_backbone()
        self.tokenizer_ = load_tokenizer(found)
        backbone = load_backbone(found, self.pooling == "pooler")
        module = self._make_module(
            backbone, self.adapter, self.pooling, int(self.embedding_dim)
        )
        batches = self._read(texts)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(texts), min(len(texts), _TITLES_OF_START), replace=False)
        calibration = drawn[: _TITLES_OF_CALIBRATION - 1]
        self._calibration_ = ["", *(texts[index] for index in calibration)]
        pooled = self._pool(module, batches.select(drawn))
        _start_projection(module.project, pooled, seed)
        return module, batches

    def _find_backbone(self) -> Path:
        """Return the checked folder of the language model."""
        return find_backbone(
            os.fspath(self.model_name),
            revision=self.revision,
            local_files_only=self.local_files_only,
        )

    def _make_module(
        self, backbone: Any, adapter: Any, pooling: str, embedding_dim: int
    ) -> AdapterBert:
        """Put the adapter and the projection on a language model."""
        from skmatch.embedders._networks import AdapterBert

        if pooling != "pooler":
            backbone.pooler = None  # many a model comes without its weights
        elif getattr(backbone, "pooler", None) is None:
            raise ValueError(
                f"pooling='pooler', but a {type(backbone).__name__} has no pooler; "
                "expected 'mean' or 'cls'."
            )
        most = getattr(backbone.config, "max_position_embeddings", self.max_length)
        if self.max_length > most:
            raise ValueError(
                f"max_length == {self.max_length}, must be <= {most}, the number of "
                f"positions of {self.model_name!r}."
            )
        self.adapter_config_ = add_adapter(backbone, adapter, self.reduction_factor)
        return AdapterBert(backbone, pooling, embedding_dim)

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

    def _read(self, texts: list[str]) -> TextBatches:
        from skmatch.embedders._batches import TextBatches

        tokenizer = self.tokenizer_
        ids = tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
        on_cpu = find_device(self.device).type == "cpu"
        n_tokens = _TOKENS_PER_PASS if on_cpu else _TOKENS_PER_PASS_OF_GPU
        return TextBatches(ids, tokenizer.pad_token_id or 0, n_tokens)

    def _prepare(self) -> tuple[nn.Module, torch.device, torch.dtype]:
        self._check_params()
        if self.backend == "torch":
            return super()._prepare()
        import torch

        from skmatch.embedders._openvino import compile_module

        cpu = torch.device("cpu")
        precision = self.precision
        if precision == "auto":
            precision = str(self._find_dtype(cpu)).removeprefix("torch.")
        titles = self._read(self._calibration_)
        parts = titles.split(np.arange(len(titles)))
        samples = [titles.take(part) for part in parts]
        return compile_module(self.module_, samples, precision), cpu, torch.float32

    def _find_dtype(self, device: torch.device) -> torch.dtype:
        import torch

        if self.precision in ("auto", "int8"):
            is_fast = device.type == "cuda" or has_fast_bfloat16()
            return torch.bfloat16 if is_fast else torch.float32
        return torch.float32 if self.precision == "float32" else torch.bfloat16

    def _check_params(self) -> None:
        super()._check_params()
        check_scalar(self.model_name, "model_name", (str, os.PathLike))
        if not isinstance(self.adapter, (str, Mapping)):
            raise ValueError(
                f"adapter={self.adapter!r}; expected the name of a configuration of "
                "the adapters library, a dict, or an AdapterConfig."
            )
        check_number(
            self.reduction_factor,
            "reduction_factor",
            min_val=0,
            include_boundaries="neither",
        )
        check_scalar(self.max_length, "max_length", Integral, min_val=3)
        check_number(self.warm_up, "warm_up", min_val=0, max_val=1)
        check_number(self.weight_decay, "weight_decay", min_val=0)
        for name, known in _CHOICES.items():
            choice = getattr(self, name)
            if not isinstance(choice, str) or choice not in known:
                raise ValueError(f"{name}={choice!r}; expected one of {known}.")
        check_scalar(self.store_backbone, "store_backbone", (bool, np.bool_))
        if self.precision == "int8" and self.backend != "openvino":
            raise ValueError(
                f"precision='int8' with backend={self.backend!r}; expected "
                "backend='openvino'."
            )

    def _pack(self) -> dict[str, Any]:
        from skmatch.embedders._training import trained_weights
        from skmatch.embedders._weights import all_weights

        # The class of a model with an adapter is made at run time: it has no pickle.
        module: Any = self.module_
        whole = self.store_backbone
        return {
            "pooling": module.pooling,
            "embedding_dim": module.project.out_features,
            "config": module.backbone.config.to_dict() if whole else None,
            "hash": fingerprint(module.backbone),
            "weights": all_weights(module) if whole else trained_weights(module),
        }

    def _unpack(self, packed: dict[str, Any]) -> nn.Module:
        import torch

        from skmatch.embedders._training import trained_weights
        from skmatch.embedders._weights import load_weights, make_module

        self._check_params()
        check_settings(self.adapter_config_, "the saved adapter")
        if not isinstance(self.adapter_config_, dict):  # a name could be of the hub
            raise ValueError(
                f"adapter_config_={self.adapter_config_!r} in a save; expected a dict."
            )
        where, weights = "a saved AdapterBertEmbedder", packed["weights"]
        pooling, config = packed["pooling"], packed["config"]

        def put_on(backbone: Any) -> AdapterBert:
            return self._make_module(
                backbone, self.adapter_config_, pooling, packed["embedding_dim"]
            )

        if config is not None:
            check_sizes(config, len(weights))
            return make_module(lambda: put_on(make_backbone(config)), weights, where)
        backbone = load_backbone(self._find_backbone(), pooling == "pooler")
        with torch.random.fork_rng(devices=[]):  # the new weights are random at first
            module = put_on(backbone)
        if fingerprint(module.backbone) != packed["hash"]:
            raise ValueError(
                f"model_name={self.model_name!r} is another language model than the "
                f"one that the adapter was trained in; expected weights of the hash "
                f"{packed['hash']}."
            )
        load_weights(module, weights, set(trained_weights(module)), where)
        return module

    def _state_to_save(self) -> dict[str, Any]:
        state = super()._state_to_save()
        if "module_" in state:
            state["tokenizer_"] = write_tokenizer(self.tokenizer_)
        if hasattr(self.adapter, "to_dict"):
            state["adapter"] = self.adapter.to_dict()
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        if "tokenizer_" in state:
            state["tokenizer_"] = read_tokenizer(state["tokenizer_"])
        self.__setstate__(state)


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
        bias.copy_(-weight @ torch.from_numpy(pca.mean_).float())
