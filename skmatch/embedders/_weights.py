"""Weights, put into a network after a check that they are those of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def all_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return all weights of a module, one that has two names by the first of them."""
    named = dict(module.named_parameters(remove_duplicate=False))
    once = dict(module.named_parameters())
    return {
        name: weight
        for name, weight in module.state_dict().items()
        if name in once or name not in named
    }


def make_module(
    make: Callable[[], nn.Module], weights: dict[str, Tensor], where: str
) -> nn.Module:
    """Make a module and put weights into it; all of them, and no others.

    It is made without memory first: sizes that are not those of the weights are refused
    before memory is taken.
    """
    with torch.device("meta"):
        empty = make()
    _check_weights(all_weights(empty), weights, where)
    with torch.random.fork_rng(devices=[]):  # the new weights are random at first
        module = make()
    load_weights(module, weights, set(all_weights(module)), where)
    return module


def load_weights(
    module: nn.Module, weights: dict[str, Tensor], expected: set[str], where: str
) -> None:
    """Put weights into a module; raise unless they are those that are expected."""
    own = module.state_dict()
    _check_weights({name: own[name] for name in expected}, weights, where)
    module.load_state_dict(weights, strict=False)


def _check_weights(
    expected: dict[str, Tensor], weights: dict[str, Tensor], where: str
) -> None:
    """Raise unless weights are finite, of the names, shapes and types expected."""
    for name, weight in weights.items():
        own = expected.get(name)
        shape = "no such weights" if own is None else tuple(own.shape)
        if own is None or shape != tuple(weight.shape):
            raise ValueError(
                f"{where} has weights {name!r} of shape {tuple(weight.shape)}; "
                f"expected {shape}."
            )
        if own.dtype != weight.dtype:
            raise ValueError(
                f"{where} has weights {name!r} of type {weight.dtype}; expected "
                f"{own.dtype}."
            )
        if not torch.isfinite(weight).all():
            raise ValueError(f"{where} has NaN or inf in the weights {name!r}.")
    if missing := expected.keys() - weights.keys():
        raise ValueError(f"{where} lacks the weights {min(missing)!r}.")
