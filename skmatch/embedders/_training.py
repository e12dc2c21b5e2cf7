"""Train any module on batches of titles or of pairs, and compute with it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skmatch._progress import track
from skmatch.embedders._batches import TitleBatches
from skmatch.embedders._device import seed_torch
from skmatch.embedders._losses import Objective

_FEWEST_BATCHES = 8  # of an epoch, so that few titles train too

History = list[dict[str, float]]


class TrainingSettings(NamedTuple):
    """How to train: what the training loop needs to know besides what it trains."""

    n_epochs: int
    batch_size: int
    learning_rate: float  # the largest one
    warm_up: float  # share of the steps in which the learning rate rises
    weight_decay: float
    cache_gradients: bool  # whether a batch needs the memory of a part only
    patience: int  # epochs without a better validation score
    device: torch.device
    dtype: torch.dtype
    stops_on_interrupt: bool = False  # with the best epoch, if one is over

    def count_batches(self, n_titles: int) -> int:
        """Return the number of batches of an epoch."""
        return max(_FEWEST_BATCHES, n_titles // self.batch_size)


class Batches(Protocol):
    """The rows of batches, without end."""

    queue: NDArray[np.int64]  # what comes next, as a checkpoint keeps it

    def __next__(self) -> NDArray[np.intp]:
        """Draw the rows of a batch."""
        ...


def embed(
    module: nn.Module,
    titles: TitleBatches,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> NDArray[np.float32]:
    """Compute all rows in eval mode: float32 (n_rows, ...), as the module has it."""
    was_training = module.training
    module.eval()
    parts = titles.split(np.arange(len(titles)))
    with torch.inference_mode(), _autocast(device, dtype):
        embeddings = [
            module(titles.take(part).to(device)).float().cpu().numpy()
            for part in track(parts, "Titles embedded")
        ]
    module.train(was_training)
    return np.concatenate(embeddings)[np.argsort(np.concatenate(parts))]


def train(
    module: nn.Module,
    titles: TitleBatches,
    labels: NDArray[Any],
    batches: Batches,
    objective: Objective,
    settings: TrainingSettings,
    generator: torch.Generator,
    *,
    validate: Callable[[], float] | None = None,
    on_batch: Callable[[int], object] = lambda n_batches: None,
    on_epoch: Callable[[dict[str, float]], object] = lambda row: None,
    start_from: dict[str, Any] | None = None,
    on_state: Callable[[dict[str, Any]], object] | None = None,
) -> tuple[History, int]:
    """Train what is not frozen in a module, and leave it in its best epoch.

    1. Draw the rows of a batch; part it by length.
    2. Add the gradients of the objective of all its outputs; take a step of AdamW.
    3. After each epoch, validate, and stop if `patience` epochs were not better.

    There is one of `labels` for each row of `titles`. `on_batch` is called with the
    number of batches that are done, `on_epoch` with each row of the history, and
    `on_state` with all that it takes to go on from there: given as `start_from`, it
    makes this training the same as one that was not interrupted. With
    `stops_on_interrupt`, one ends the training as step 3 does.
    Returns the history and the number of the best epoch, from 1: the one with the
    highest result of `validate`, or the last where there is none.
    """
    module.to(settings.device).train()
    objective.to(settings.device)
    weights = [*trained_weights(module).values(), *objective.loss.parameters()]
    optimizer = torch.optim.AdamW(
        weights, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    n_batches = settings.count_batches(len(labels))
    n_steps = settings.n_epochs * n_batches
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _warm_up_and_decay(step, n_steps, settings.warm_up)
    )
    history: History = []
    best_epoch, best_score, best_weights = 0, -math.inf, {}
    if start_from is not None:
        module.load_state_dict(start_from["weights"], strict=False)
        objective.loss.load_state_dict(start_from["objective"])
        optimizer.load_state_dict(start_from["optimizer"])
        schedule.load_state_dict(start_from["schedule"])
        batches.queue = start_from["queue"]
        history, best_weights = start_from["history"], start_from["best_weights"]
        best_epoch, best_score = start_from["best_epoch"], start_from["best_score"]
        generator.set_state(start_from["generator"])
        on_batch(n_batches * len(history))
    for epoch in range(len(history) + 1, settings.n_epochs + 1):
        if validate is not None and epoch - 1 - best_epoch >= settings.patience:
            break
        began = time.perf_counter()
        try:
            for _ in range(n_batches):
                parts = titles.split(next(batches))
                label = torch.from_numpy(labels[np.concatenate(parts)])
                label = label.to(settings.device)
                taken = [titles.take(part, generator) for part in parts]
                seed = int(torch.randint(2**31, (1,), generator=generator))
                forward = _Forward(module, settings.device, settings.dtype, seed)
                optimizer.zero_grad()
                backward = _backward_in_parts if settings.cache_gradients else _backward
                backward(forward, taken, partial(objective, labels=label))
                nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                schedule.step()
                on_batch(1)
            row = _describe_epoch(epoch, objective, validate, settings)
        except KeyboardInterrupt:
            if not (settings.stops_on_interrupt and history):
                raise
            warnings.warn(
                f"Interrupted in epoch {epoch}: epoch {best_epoch} is kept, the best "
                "so far.",
                UserWarning,
                stacklevel=5,
            )
            break
        row["seconds"] = time.perf_counter() - began
        history.append(row)
        on_epoch(row)
        if validate is None or row["validation_score"] > best_score:
            best_epoch, best_score = epoch, row["validation_score"]
            is_needed = validate is not None or settings.stops_on_interrupt
            best_weights = deepcopy(trained_weights(module)) if is_needed else {}
        if on_state is not None:
            on_state(
                {
                    "weights": trained_weights(module),
                    "objective": dict(objective.loss.state_dict()),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "queue": batches.queue,
                    "history": history,
                    "best_weights": best_weights,
                    "best_epoch": best_epoch,
                    "best_score": best_score,
                    "generator": generator.get_state(),
                }
            )
    if best_weights:
        module.load_state_dict(best_weights, strict=False)
    module.cpu().eval()
    return history, best_epoch


def _describe_epoch(
    epoch: int,
    objective: Objective,
    validate: Callable[[], float] | None,
    settings: TrainingSettings,
) -> dict[str, float]:
    """Return the row of an epoch, with the score of its validation."""
    row = {"epoch": epoch, **objective.pop_means()}
    if not math.isfinite(row["loss"]):
        raise ValueError(
            f"The loss became {row['loss']} in epoch {epoch}; try a learning_rate "
            f"below {settings.learning_rate}."
        )
    return row | {"validation_score": math.nan if validate is None else validate()}


def trained_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a module that are not frozen, by name."""
    return {
        name: weight
        for name, weight in module.named_parameters()
        if weight.requires_grad
    }


class _Forward(NamedTuple):
    """How a part of a batch passes through a module."""

    module: nn.Module
    device: torch.device
    dtype: torch.dtype
    seed: int

    def __call__(self, part: Any, index: int) -> Tensor:
        """Embed a part; the same part and index give the same dropout."""
        seed_torch(self.device, self.seed + index)  # the caller restores the state
        with _autocast(self.device, self.dtype):
            return self.module(part.to(self.device)).float()


def _backward(
    forward: _Forward, parts: list[Any], measure: Callable[[Tensor], Tensor]
) -> None:
    """Add the gradients of the loss of a batch; `measure` is the loss of embeddings."""
    embeddings = [forward(part, index) for index, part in enumerate(parts)]
    measure(torch.cat(embeddings)).backward()


def _backward_in_parts(
    forward: _Forward, parts: list[Any], measure: Callable[[Tensor], Tensor]
) -> None:
    """Do the same in the memory of a part (L. Gao et al., 2021, arXiv:2101.06983).

    1. Embed all parts without a graph.
    2. Compute the gradient of the loss with respect to the embeddings.
    3. Embed each part again, now with a graph, and carry its gradients back.
    """
    with torch.no_grad():
        embeddings = [forward(part, index) for index, part in enumerate(parts)]
    whole = torch.cat(embeddings).requires_grad_()
    measure(whole).backward()
    assert whole.grad is not None
    gradients = whole.grad.split([len(part) for part in embeddings])
    for index, (part, gradient) in enumerate(zip(parts, gradients, strict=True)):
        forward(part, index).backward(gradient)


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Compute in another type than float32, where that is asked for."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)


def _warm_up_and_decay(step: int, n_steps: int, share: float) -> float:
    """Learning rate as a share of the largest: linear warm-up, then a cosine."""
    warm_up = max(1, round(share * n_steps))
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


class ClassBatches:
    """Batches, without end, with two rows of each of batch_size / 2 classes.

    Every class comes once before any comes again; one with a single row comes with it.
    """

    def __init__(
        self, labels: NDArray[np.intp], batch_size: int, generator: torch.Generator
    ) -> None:
        self._by_class = np.argsort(labels, kind="stable")
        self._n_rows = np.bincount(labels)
        self._first = self._n_rows.cumsum() - self._n_rows
        self._n_classes = min(batch_size // 2, len(self._n_rows))
        self._generator = generator
        self.queue = np.empty(0, np.int64)  # classes whose turn is next

    def __next__(self) -> NDArray[np.intp]:
        """Draw the rows of a batch."""
        n_rows, generator = self._n_rows, self._generator
        if len(self.queue) < self._n_classes:
            deal = torch.randperm(len(n_rows), generator=generator).numpy()
            waits = np.isin(deal, self.queue)  # no class may stand in a batch twice
            self.queue = np.concatenate([self.queue, deal[~waits], deal[waits]])
        classes = self.queue[: self._n_classes]
        self.queue = self.queue[self._n_classes :]
        draw = torch.rand(2, len(classes), generator=generator).numpy()
        one = (draw[0] * n_rows[classes]).astype(np.int64)
        other = (draw[1] * (n_rows[classes] - 1)).astype(np.int64)
        other += other >= one  # any row of the class but the first one
        has_two = n_rows[classes] > 1
        first = self._first[classes]
        drawn = [first + one, (first + other)[has_two]]
        return self._by_class[np.concatenate(drawn)]


class ShuffledBatches:
    """Batches, without end, of rows in random order; all come once, then again."""

    def __init__(
        self, n_rows: int, batch_size: int, generator: torch.Generator
    ) -> None:
        self._n_rows, self._batch_size = n_rows, min(batch_size, n_rows)
        self._generator = generator
        self.queue = np.empty(0, np.int64)

    def __next__(self) -> NDArray[np.intp]:
        """Draw the rows of a batch."""
        if len(self.queue) < self._batch_size:
            deal = torch.randperm(self._n_rows, generator=self._generator).numpy()
            waits = np.isin(deal, self.queue)  # no row may stand in a batch twice
            self.queue = np.concatenate([self.queue, deal[~waits], deal[waits]])
        rows, self.queue = np.split(self.queue, [self._batch_size])
        return rows
