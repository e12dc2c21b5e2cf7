"""Losses and miners of pytorch-metric-learning, by name or as objects."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from pytorch_metric_learning import losses, miners
from torch import Tensor, nn
from torch.nn import functional

LOSSES = {
    "arcface": lambda n, dim: losses.ArcFaceLoss(n, dim),
    "circle": lambda n, dim: losses.CircleLoss(),
    "contrastive": lambda n, dim: losses.ContrastiveLoss(),
    "cosface": lambda n, dim: losses.CosFaceLoss(n, dim),
    "multi_similarity": lambda n, dim: losses.MultiSimilarityLoss(),
    "normalized_softmax": lambda n, dim: losses.NormalizedSoftmaxLoss(n, dim),
    "ntxent": lambda n, dim: losses.NTXentLoss(temperature=0.07),
    "proxy_anchor": lambda n, dim: losses.ProxyAnchorLoss(n, dim),
    "sphereface": lambda n, dim: losses.SphereFaceLoss(n, dim),
    "supcon": lambda n, dim: losses.SupConLoss(temperature=0.07),
    "triplet": lambda n, dim: losses.TripletMarginLoss(margin=0.1),
}
MINERS = {
    "batch_easy_hard": miners.BatchEasyHardMiner,
    "batch_hard": miners.BatchHardMiner,
    "multi_similarity": miners.MultiSimilarityMiner,
    "triplet_margin": miners.TripletMarginMiner,
}


class Objective(nn.Module):
    """A loss over what a miner picks, which notes how much there was to learn.

    Most losses are a mean of terms (of triplets, pairs or anchors); those that are 0
    teach nothing.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module | None = None) -> None:
        super().__init__()
        self.loss, self.miner = loss, miner
        self._batches: list[tuple[Tensor, float]] = []  # loss, share of nonzero terms
        self._n_terms = self._n_nonzero = 0
        reducer = getattr(loss, "reducer", None)
        if reducer is not None:
            reducer.register_forward_pre_hook(self._count_terms)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch of embeddings (B, embedding_dim)."""
        mined = self.miner(embeddings, labels) if self.miner is not None else None
        self._n_terms = self._n_nonzero = 0
        value: Tensor = self.loss(embeddings, labels, mined)
        share = self._n_nonzero / self._n_terms if self._n_terms else float(value != 0)
        self._batches.append((value.detach(), share))
        return value

    def pop_means(self) -> dict[str, float]:
        """Return the means over the batches since the last call, by name."""
        values = torch.stack([value.float().cpu() for value, _ in self._batches])
        shares = torch.tensor([share for _, share in self._batches], dtype=torch.double)
        self._batches = []
        return {
            "loss": values.mean().item(),
            "nonzero_share": shares.mean().item(),
            "empty_batches": int((shares == 0).sum()),
        }

    def _count_terms(self, reducer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Count the terms of a loss before they are reduced to their mean."""
        for part in inputs[0].values():
            if part["reduction_type"] != "already_reduced":
                self._n_terms += part["losses"].numel()
                self._n_nonzero += int((part["losses"] > 0).sum())


class PairLoss(nn.Module):
    """Mean log loss of the log-odds of pairs; it is as a loss of embeddings is used."""

    def forward(self, odds: Tensor, is_match: Tensor, mined: None = None) -> Tensor:
        """Return the loss of B pairs."""
        return functional.binary_cross_entropy_with_logits(odds, is_match.float())


def make_loss(loss: Any, n_classes: int, embedding_dim: int) -> nn.Module:
    """Return a fresh loss: one of `LOSSES` by name, or a copy of an object."""
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss](n_classes, embedding_dim)
    kinds = (
        losses.BaseMetricLossFunction,
        losses.CrossBatchMemory,
        losses.MultipleLosses,
    )
    if not isinstance(loss, kinds):
        raise ValueError(
            f"loss={loss!r}; expected one of {sorted(LOSSES)} or a loss of "
            "pytorch-metric-learning that takes labels."
        )
    known = getattr(loss, "num_classes", n_classes)
    if known < n_classes:
        raise ValueError(
            f"loss has num_classes={known}; expected at least {n_classes}, the number "
            "of labels that train."
        )
    weights = getattr(loss, "W", None)  # of a loss with a weight for each class
    if weights is not None and embedding_dim not in weights.shape:
        raise ValueError(
            f"loss has weights of shape {tuple(weights.shape)}; expected embedding_dim="
            f"{embedding_dim} rows."
        )
    return deepcopy(loss)


def make_miner(miner: Any) -> nn.Module | None:
    """Return a fresh miner: one of `MINERS` by name, a copy of an object, or None."""
    if miner is None:
        return None
    if isinstance(miner, str) and miner in MINERS:
        return MINERS[miner]()
    if not isinstance(miner, miners.BaseMiner):
        raise ValueError(
            f"miner={miner!r}; expected None, one of {sorted(MINERS)} or a miner of "
            "pytorch-metric-learning."
        )
    return deepcopy(miner)
