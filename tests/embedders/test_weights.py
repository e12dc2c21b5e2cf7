"""Weights that are put into a network."""

import pytest
import torch
from torch import nn

from skmatch.embedders._weights import all_weights, load_weights, make_module


def test_weights_are_put_into_a_module():
    module = nn.Linear(2, 1)
    load_weights(module, {"bias": torch.tensor([7.0])}, {"bias"}, "here")
    assert module.bias.item() == 7


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.ones(1, 2)}, r"here has weights 'weight' of shape \(1, 2\)"),
        ({}, "here lacks the weights 'bias'"),
        ({"bias": torch.ones(1, dtype=torch.int8)}, "of type torch.int8; expected tor"),
        ({"bias": torch.tensor([torch.inf])}, "here has NaN or inf in the weights 'bi"),
    ],
)
def test_weights_that_are_not_expected(weights, message):
    with pytest.raises(ValueError, match=message):
        load_weights(nn.Linear(2, 1), weights, {"bias"}, "here")


def test_a_weight_of_two_names_counts_once():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module.append(module[0])
    assert "2.weight" in module.state_dict()
    assert "2.weight" not in all_weights(module)
    assert "1.running_mean" in all_weights(module)


def test_module_of_absurd_size_takes_no_memory():
    with pytest.raises(ValueError, match=r"of shape \(2, 2\); expected \(1000000000"):
        make_module(lambda: nn.Linear(10**9, 10**9), {"weight": torch.ones(2, 2)}, "it")


def test_making_a_module_uses_no_random_state():
    before = torch.get_rng_state()
    made = make_module(lambda: nn.Linear(2, 1), nn.Linear(2, 1).state_dict(), "it")
    torch.set_rng_state(before)
    assert torch.equal(
        make_module(lambda: nn.Linear(2, 1), made.state_dict(), "it").weight,
        made.weight,
    )
    assert torch.equal(torch.get_rng_state(), before)
