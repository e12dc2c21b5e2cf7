"""Metric learning of any module: train it, and embed with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_TITLES_PER_BATCH = 8192
_FEWEST_BATCHES = 8  # of an epoch, so that few titles train too

History = list[dict[str, float]]


class Titles(Protocol):
    """Titles that a module can read; what a batch is, only the module knows."""

    lengths: NDArray[np.int64]

    def take(
        self, rows: NDArray[np.intp], generator: torch.Generator | None = None
    ) -> Any:
        """Return the batch of some rows; a generator asks for augmented ones."""
        ...


def count_batches(n_titles: int, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    return max(_FEWEST_BATCHES, n_titles // batch_size)


def embed(
    module: nn.Module, titles: Titles, device: torch.device
) -> NDArray[np.float32]:
    """Embed all titles in eval mode: float32 (n_titles, embedding_dim)."""
    order = np.argsort(titles.lengths, kind="stable")
    was_training = module.training
    module.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(order), _TITLES_PER_BATCH):
            batch = titles.take(order[start : start + _TITLES_PER_BATCH])
            with _autocast(device):
                parts.append(module(batch.to(device)).float().cpu().numpy())
    module.train(was_training)
    embeddings = np.concatenate(parts)
    return embeddings[np.argsort(order)]


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
    patience: int,
    device: torch.device,
    generator: torch.Generator,
    validate: Callable[[], float] | None,
    report: Callable[[dict[str, float]], None],
    progress: Any,
) -> tuple[History, int]:
    """Train a module, and leave it in its best epoch.

    `labels` are 0, 1, ... Returns the history and the number of the best epoch, from 1:
    the one with the highest result of `validate`, or the last where there is none.
    """
    module.to(device).train()
    loss.to(device)
    weights = [*module.parameters(), *loss.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    n_batches = count_batches(len(labels), batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _warm_up_and_decay(step, n_epochs * n_batches)
    )
    batches = _class_batches(labels, batch_size, generator)
    watch = _LossWatch(loss)
    history: History = []
    best_epoch, best_score, best_weights = 0, -math.inf, {}
    for epoch in range(1, n_epochs + 1):
        began = time.perf_counter()
        for _ in range(n_batches):
            rows = next(batches)
            label = torch.from_numpy(labels[rows]).to(device)
            with _autocast(device):
                embeddings = module(titles.take(rows, generator).to(device)).float()
            mined = miner(embeddings, label) if miner is not None else None
            value = loss(embeddings, label, mined)
            watch.add(value)
            optimizer.zero_grad()
            value.backward()
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
            best_weights = deepcopy(module.state_dict()) if validate else {}
        elif epoch - best_epoch >= patience:
            break
    if best_weights:
        module.load_state_dict(best_weights)
    module.cpu().eval()
    return history, best_epoch


def _autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 on a GPU, in float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def _warm_up_and_decay(step: int, n_steps: int) -> float:
    """Learning rate as a share of the largest: linear warm-up, then a cosine."""
    warm_up = max(1, round(0.3 * n_steps))
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
