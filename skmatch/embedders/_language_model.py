"""What the estimators on a frozen language model with an adapter share."""

from __future__ import annotations

import os
from abc import abstractmethod
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import check_scalar

from skmatch._numbers import check_number
from skmatch.embedders._adapters import add_adapter, is_adapter, to_settings
from skmatch.embedders._backbones import (
    check_settings,
    check_sizes,
    find_backbone,
    fingerprint,
    load_backbone,
    make_backbone,
    read_tokenizer,
    write_tokenizer,
)
from skmatch.embedders._device import find_device, has_fast_bfloat16
from skmatch.embedders._network_estimator import NetworkEstimator
from skmatch.persistence import load, save

if TYPE_CHECKING:
    import torch
    from torch import nn

    from skmatch.embedders._batches import TextBatches

_CHOICES = {
    "precision": ("auto", "float32", "bfloat16", "int8"),
    "backend": ("torch", "openvino"),
}
TEXTS_OF_CALIBRATION = 300
_TOKENS_PER_PASS = 1024  # what is computed of them stays in the cache
_TOKENS_PER_PASS_OF_GPU = 32768


class AdaptedLanguageModel(NetworkEstimator):
    """Base of the estimators that train an adapter of a language model, and a head.

    A subclass names the network that it puts on the language model, and reads what it
    is given into batches of token ids. A network keeps what it takes to make it again,
    besides the language model, as its `settings`.
    """

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the estimator to a folder, as :func:`skmatch.save`.

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
        estimator : object
            The fitted estimator.
        """
        estimator = load(folder, model_name=model_name)
        if not isinstance(estimator, cls):
            raise ValueError(
                f"{folder} holds a {type(estimator).__name__}; expected a "
                f"{cls.__name__}."
            )
        return estimator

    @abstractmethod
    def _network(self) -> Any:
        """Return the class of the network."""

    @abstractmethod
    def _read(self, texts: list[Any]) -> TextBatches:
        """Return distinct texts as batches for the network, a row for each."""

    def _find_backbone(self) -> Path:
        """Return the checked folder of the language model."""
        return find_backbone(
            os.fspath(self.model_name),
            revision=self.revision,
            local_files_only=self.local_files_only,
        )

    def _make_module(
        self, backbone: Any, adapter: Any, settings: dict[str, Any]
    ) -> Any:
        """Put the adapter and the network on a language model."""
        if not _needs_pooler(settings):
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
        return self._network()(backbone, **settings)

    def _load_module(self, folder: Path, **settings: Any) -> Any:
        """Load the model of a checked folder, and put what is trained on it."""
        backbone = load_backbone(folder, _needs_pooler(settings))
        return self._make_module(backbone, self.adapter, settings)

    def _training_params(self) -> dict[str, Any]:
        # Of a set in an object, the order differs from process to process.
        return super()._training_params() | {"adapter": to_settings(self.adapter)}

    def _tokenize(self, *sides: list[str]) -> list[list[int]]:
        """Return the token ids of texts, or of pairs of texts."""
        tokens = self.tokenizer_(*sides, truncation=True, max_length=self.max_length)
        ids: list[list[int]] = tokens["input_ids"]
        return ids

    def _tokens_per_pass(self) -> int:
        """Return how many tokens pass through the network together."""
        on_cpu = find_device(self.device).type == "cpu"
        return _TOKENS_PER_PASS if on_cpu else _TOKENS_PER_PASS_OF_GPU

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
        texts = self._read(self._calibration_)
        parts = texts.split(np.arange(len(texts)))
        samples = [texts.take(part) for part in parts]
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
        check_scalar(self.revision, "revision", (str, type(None)))
        check_scalar(self.local_files_only, "local_files_only", (bool, np.bool_))
        if self.adapter is not None and not is_adapter(self.adapter):
            raise ValueError(
                f"adapter={self.adapter!r}; expected the name of a configuration of "
                "the adapters library, an AdapterConfig, a peft.LoraConfig, a dict of "
                "one of these, or None."
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
            check_choice(getattr(self, name), name, known)
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
            "settings": module.settings,
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
        is_name = not isinstance(self.adapter_config_, dict | None)
        if is_name or (self.adapter is None) != (self.adapter_config_ is None):
            raise ValueError(
                f"adapter_config_={self.adapter_config_!r} in a save; expected a dict, "
                "or None with adapter=None: a name could be one of the hub."
            )
        where, weights = f"a saved {type(self).__name__}", packed["weights"]
        settings, config = packed["settings"], packed["config"]

        def put_on(backbone: Any) -> Any:
            return self._make_module(backbone, self.adapter_config_, settings)

        if config is not None:
            check_sizes(config, len(weights))
            return make_module(lambda: put_on(make_backbone(config)), weights, where)
        backbone = load_backbone(self._find_backbone(), _needs_pooler(settings))
        with torch.random.fork_rng(devices=[]):  # the new weights are random at first
            module: nn.Module = put_on(backbone)
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
        state["adapter"] = to_settings(self.adapter)
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        if "tokenizer_" in state:
            state["tokenizer_"] = read_tokenizer(state["tokenizer_"])
        self.__setstate__(state)


def check_language_model(estimator: AdaptedLanguageModel) -> None:
    """Raise if a parameter is out of its range, or there is no language model."""
    estimator._check_params()
    estimator._find_backbone()


def check_choice(choice: Any, name: str, known: tuple[str, ...]) -> None:
    """Raise unless a parameter is one of those that are known."""
    if not isinstance(choice, str) or choice not in known:
        raise ValueError(f"{name}={choice!r}; expected one of {known}.")


def _needs_pooler(settings: dict[str, Any]) -> bool:
    return settings.get("pooling") == "pooler"
