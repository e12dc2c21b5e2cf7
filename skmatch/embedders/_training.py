"""Metric learning of any module: train it, and embed with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_FEWEST_BATCHES = 8  # of an epoch, so that few titles train too

History = list[dict[str, float]]


class Titles(Protocol):
    """Titles that a module can read; what a batch is, only the module knows."""

    def split(self, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part rows into such as pass through the module together."""
        ...

    def take(
        self, rows: NDArray[np.intp], generator: torch.Generator | None = None
    ) -> Any:
        """Return the batch of some rows; a generator asks for augmented ones."""
        ...


def count_batches(n_titles: int, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    return max(_FEWEST_BATCHES, n_titles // batch_size)


def embed(
    module: nn.Module,
    titles: Titles,
    n_titles: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> NDArray[np.float32]:
    """Embed titles 0, 1, ... in eval mode: float32 (n_titles, embedding_dim)."""
    was_training = module.training
    module.eval()
    parts = titles.split(np.arange(n_titles))
    with torch.inference_mode(), _autocast(device, dtype):
        embeddings = [
            module(titles.take(part).to(device)).float().cpu().numpy() for part in parts
        ]
    module.train(was_training)
    return np.concatenate(embeddings)[np.argsort(np.concatenate(parts))]


def train(
    module: nn.Module,
    titles: Titles,
    labels: NDArray[np.int64],
    *,
    loss: nn.Module,
    miner: nn.Module | None,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    warm_up: float,
    weight_decay: float,
    cache_gradients: bool,
    patience: int,
    device: torch.device,
    dtype: torch.dtype,
    generator: torch.Generator,
    validate: Callable[[], float] | None,
    report: Callable[[dict[str, float]], None],
    progress: Any,
) -> tuple[History, int]:
    """Train what is not frozen in a module, and leave it in its best epoch.

    `labels` are 0, 1, ... Returns the history and the number of the best epoch, from 1:
    the one with the highest result of `validate`, or the last where there is none.
    """
    module.to(device).train()
    loss.to(device)
    weights = [*trained_weights(module).values(), *loss.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay)
    n_batches = count_batches(len(labels), batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _warm_up_and_decay(step, n_epochs * n_batches, warm_up)
    )
    batches = _class_batches(labels, batch_size, generator)
    watch = _LossWatch(loss)
    history: History = []
    best_epoch, best_score, best_weights = 0, -math.inf, {}
    for epoch in range(1, n_epochs + 1):
        began = time.perf_counter()
        for _ in range(n_batches):
            parts = titles.split(next(batches))
            label = torch.from_numpy(labels[np.concatenate(parts)]).to(device)
            taken = [titles.take(part, generator) for part in parts]

            def measure(
                embeddings: Tensor, label: Tensor = label, watch: _LossWatch = watch
            ) -> Tensor:
                mined = miner(embeddings, label) if miner is not None else None
                value = loss(embeddings, label, mined)
                watch.add(value)
                return value

            optimizer.zero_grad()
            seed = int(torch.randint(2**31, (1,), generator=generator))
            forward = _Forward(module, device, dtype, seed)
            backward = _backward_in_parts if cache_gradients else _backward
            backward(forward, taken, measure)
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            progress.update()
        row = {"epoch": epoch, **watch.pop()}
        if not math.isfinite(row["loss"]):
            raise ValueError(
                f"The loss became {row['loss']} in epoch {epoch}; try a learning_rate "
                f"below {learning_rate}."
            )
        row["validation_score"] = validate() if validate is not None else math.nan
        row["seconds"] = time.perf_counter() - began
        history.append(row)
        report(row)
        if validate is None or row["validation_score"] > best_score:
            best_epoch, best_score = epoch, row["validation_score"]
            best_weights = deepcopy(trained_weights(module)) if validate else {}
        elif epoch - best_epoch >= patience:
            break
    if best_weights:
        module.load_state_dict(best_weights, strict=False)
    module.cpu().eval()
    return history, best_epoch


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

    def __call__(self, part: Any, number: int) -> Tensor:
        """Embed a part; the same part and number give the same dropout."""
        _seed(self.device, self.seed + number)
        with _autocast(self.device, self.dtype):
            return self.module(part.to(self.device)).float()


def _backward(
    forward: _Forward, parts: list[Any], measure: Callable[[Tensor], Tensor]
) -> None:
    """Add the gradients of the loss of a batch."""
    embeddings = [forward(part, number) for number, part in enumerate(parts)]
    measure(torch.cat(embeddings)).backward()


def _backward_in_parts(
    forward: _Forward, parts: list[Any], measure: Callable[[Tensor], Tensor]
) -> None:
    """Do the same in the memory of a part (L. Gao et al., 2021, arXiv:2101.06983).

    Each part passes through the module twice: once to know the gradient of the loss by
    all embeddings, and once more to carry its share of that back.
    """
    with torch.no_grad():
        embeddings = [forward(part, number) for number, part in enumerate(parts)]
    whole = torch.cat(embeddings).requires_grad_()
    measure(whole).backward()
    assert whole.grad is not None
    gradients = whole.grad.split([len(part) for part in embeddings])
    for number, (part, gradient) in enumerate(zip(parts, gradients, strict=True)):
        forward(part, number).backward(gradient)


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generators that dropout draws from; the caller restores them."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Compute in another type than float32, where that is asked for."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)


def _warm_up_and_decay(step: int, n_steps: int, share: float) -> float:
    """Learning rate as a share of the largest: linear warm-up, then a cosine."""
    warm_up = max(1, round(share * n_steps))
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


def _class_batches(
    labels: NDArray[np.int64], batch_size: int, generator: torch.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield for ever batches with two rows of each of batch_size / 2 classes.

    Every class comes once before any comes again; one with a single row comes with it.
    """
    by_class = np.argsort(labels, kind="stable")
    n_rows = np.bincount(labels)
    first = n_rows.cumsum() - n_rows
    n_classes = min(batch_size // 2, len(n_rows))
    queue = np.empty(0, np.int64)
    while True:
        if len(queue) < n_classes:
            deal = torch.randperm(len(n_rows), generator=generator).numpy()
            waits = np.isin(deal, queue)  # no class may stand in a batch twice
            queue = np.concatenate([queue, deal[~waits], deal[waits]])
        classes, queue = queue[:n_classes], queue[n_classes:]
        draw = torch.rand(2, len(classes), generator=generator).numpy()
        one = (draw[0] * n_rows[classes]).astype(np.int64)
        other = (draw[1] * (n_rows[classes] - 1)).astype(np.int64)
        other += other >= one  # any row of the class but the first one
        has_two = n_rows[classes] > 1
        places = [first[classes] + one, (first[classes] + other)[has_two]]
        yield by_class[np.concatenate(places)]


class _LossWatch:
    """Means over an epoch of the loss and of the share of its terms that are not 0."""

    def __init__(self, loss: nn.Module) -> None:
        self._rows: list[tuple[Tensor, float]] = []
        self._n_terms = self._n_nonzero = 0
        reducer = getattr(loss, "reducer", None)
        if reducer is not None:
            reducer.register_forward_pre_hook(self._count)

    def _count(self, reducer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Count the terms of a loss before they are reduced to their mean."""
        for part in inputs[0].values():
            if part["reduction_type"] != "already_reduced":
                self._n_terms += part["losses"].numel()
                self._n_nonzero += int((part["losses"] > 0).sum())

    def add(self, value: Tensor) -> None:
        """Note the loss of a batch."""
        share = self._n_nonzero / self._n_terms if self._n_terms else float(value != 0)
        self._rows.append((value.detach(), share))
        self._n_terms = self._n_nonzero = 0

    def pop(self) -> dict[str, float]:
        """Return the means since the last call."""
        losses = torch.stack([loss.float().cpu() for loss, _ in self._rows])
        shares = np.array([share for _, share in self._rows])
        self._rows = []
        return {
            "loss": losses.mean().item(),
            "nonzero_share": float(shares.mean()),
            "empty_batches": int((shares == 0).sum()),
        }
