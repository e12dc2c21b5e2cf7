"""What the estimators with a network of torch share: state, training, checks."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, check_scalar

from skmatch._documented import Documented
from skmatch._numbers import check_number
from skmatch.embedders._device import find_device, seeded
from skmatch.embedders._progress import show_progress
from skmatch.persistence import Checkpoint

if TYPE_CHECKING:
    import torch
    from torch import nn

    from skmatch.embedders._training import TrainingSettings

# torch takes seconds to import: only when it is used.

_LARGEST_COUNT = 2**31


class TrainingRun(NamedTuple):
    """A training that begins, or goes on from its checkpoint."""

    settings: TrainingSettings
    seed: int
    generator: torch.Generator
    checkpoint: Checkpoint | None
    start_from: dict[str, Any] | None  # what the checkpoint holds

    @property
    def on_state(self) -> Callable[[dict[str, Any]], object] | None:
        """What to call with the state of the training after each epoch."""
        if self.checkpoint is None:
            return None
        return partial(_keep_state, self.checkpoint, self.seed)

    def finish(self) -> None:
        """Delete what is needed no more."""
        if self.checkpoint is not None:
            self.checkpoint.delete()


class NetworkEstimator(Documented, BaseEstimator):
    """Base of the estimators that train a network and keep it as `module_`.

    A subclass packs its module as weights, and makes it again of them.
    """

    # Of the training; a subclass may make parameters of them.
    warm_up = 0.3
    weight_decay = 0.0
    cache_gradients = False

    def _begin(self, texts: list[Any], labels: Any) -> TrainingRun:
        """Begin a training on these texts and labels, or find where it was left."""
        import torch

        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        start_from = None
        checkpoint = self._find_checkpoint(texts, labels)
        if checkpoint is not None:
            start_from = checkpoint.load()
            seed = seed if start_from is None else int(start_from["seed"])
        return TrainingRun(
            self._training_settings(find_device(self.device)),
            seed,
            torch.Generator().manual_seed(seed),
            checkpoint,
            start_from,
        )

    @contextmanager
    def _reports(self, run: TrainingRun, n_titles: int) -> Iterator[dict[str, Any]]:
        """Seed torch for a while, and give what the training loop calls."""
        total = run.settings.n_epochs * run.settings.count_batches(n_titles)
        with (
            seeded(run.settings.device, run.seed),
            show_progress(total, self.verbose, self.log_dir) as (on_batch, on_epoch),
        ):
            yield {
                "on_batch": on_batch,
                "on_epoch": on_epoch,
                "start_from": run.start_from,
                "on_state": run.on_state,
            }

    @abstractmethod
    def _pack(self) -> dict[str, Any]:
        """Return the module as weights and what else it takes to make it again."""

    @abstractmethod
    def _unpack(self, packed: dict[str, Any]) -> nn.Module:
        """Make the module of what `_pack` returned."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "module_" in state:
            state["module_"] = self._pack()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "module_" in state:
            self.module_ = self._unpack(state["module_"]).eval()

    def _state_to_save(self) -> dict[str, Any]:
        """Return what :func:`skmatch.save` keeps: objects of the training are not."""
        state = NetworkEstimator.__getstate__(self)
        if "module_" not in state:
            return state
        defaults = type(self)().get_params(deep=False)
        for name in state.keys() & {"loss", "miner"}:
            if not isinstance(state[name], (str, type(None))):
                state[name] = defaults[name]
        return state

    def _find_checkpoint(self, texts: list[Any], labels: Any) -> Checkpoint | None:
        """Return where the state of this training is kept, if it shall be."""
        if self.checkpoint_dir is None:
            return None
        of = [type(self).__name__, *self._training_params().values(), texts, labels]
        return Checkpoint(self.checkpoint_dir, of)

    def _training_params(self) -> dict[str, Any]:
        """Return the parameters that make a difference to a training."""
        params: dict[str, Any] = self.get_params(deep=False)
        for name in ("checkpoint_dir", "log_dir", "stop_on_interrupt", "verbose"):
            del params[name]
        if not isinstance(self.random_state, Integral):
            del params["random_state"]  # the seed that was drawn is in the state
        return params

    def _prepare(self) -> tuple[nn.Module, torch.device, torch.dtype]:
        """Return the module where it is to embed, that device, and the type."""
        device = find_device(self.device)
        module = self.module_
        if device.type != "cpu":  # the fitted module rests on the CPU
            module = deepcopy(module).to(device)
        return module, device, self._find_dtype(device)

    def _find_dtype(self, device: torch.device) -> torch.dtype:
        """Return the type to compute in."""
        import torch

        return torch.bfloat16 if device.type == "cuda" else torch.float32

    def _training_settings(self, device: torch.device) -> TrainingSettings:
        """Return what the training loop needs to know."""
        from skmatch.embedders._training import TrainingSettings

        return TrainingSettings(
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warm_up=self.warm_up,
            weight_decay=self.weight_decay,
            cache_gradients=self.cache_gradients,
            patience=self.patience,
            device=device,
            dtype=self._find_dtype(device),
            stops_on_interrupt=self.stop_on_interrupt,
        )

    def _check_params(self) -> None:
        """Raise if a parameter that all networks share is out of its range."""
        for name, least in (("n_epochs", 1), ("batch_size", 4), ("patience", 1)):
            check_scalar(
                getattr(self, name),
                name,
                Integral,
                min_val=least,
                max_val=_LARGEST_COUNT,
            )
        check_number(
            self.learning_rate,
            "learning_rate",
            min_val=0,
            include_boundaries="neither",
        )
        check_number(
            self.validation_fraction,
            "validation_fraction",
            min_val=0,
            max_val=1,
            include_boundaries="left",
        )
        for name in ("log_dir", "checkpoint_dir"):
            check_scalar(getattr(self, name), name, (str, os.PathLike, type(None)))
        check_scalar(self.verbose, "verbose", (Integral, np.bool_))
        for name in ("cache_gradients", "stop_on_interrupt"):
            check_scalar(getattr(self, name), name, (bool, np.bool_))


def _keep_state(checkpoint: Checkpoint, seed: int, state: dict[str, Any]) -> None:
    """Save the state of a training, with the seed that it began with."""
    checkpoint.save(state | {"seed": seed})
