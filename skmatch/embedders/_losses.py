"""Losses and miners of pytorch-metric-learning, by name or as objects."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pytorch_metric_learning import losses, miners
from torch import nn

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
