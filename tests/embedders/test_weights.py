"""Files of weights and settings, whole or not at all."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from skmatch.embedders._weights import (
    _replace,
    load_weights,
    read_settings,
    read_weights,
    write_folder,
)

load_file = pytest.importorskip("safetensors.torch").load_file


def test_what_is_written_is_read(tmp_path):
    weights = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2)}
    write_folder(
        tmp_path / "new", {"size": np.int64(3), "share": np.float32(0.5)}, weights
    )
    settings = read_settings(tmp_path / "new")
    assert (settings["size"], settings["share"]) == (3, 0.5)
    found = read_weights(tmp_path / "new", settings["weights"])
    assert found["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["b"].tolist() == [1, 1]


def test_the_new_weights_take_the_place_of_the_old(tmp_path):
    for value in (1.0, 2.0):
        write_folder(tmp_path, {}, {"a": torch.full((2,), value)})
    (path,) = tmp_path.glob("*.safetensors")
    assert json.loads((tmp_path / "settings.json").read_text())["weights"] == path.name
    assert load_file(path)["a"].tolist() == [2, 2]


def test_settings_that_json_does_not_know(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be written: .* of type object"):
        write_folder(tmp_path / "new", {"loss": object()}, {"a": torch.ones(1)})
    assert not (tmp_path / "new").exists()


def test_weights_outside_of_the_folder(tmp_path):
    with pytest.raises(ValueError, match=r"names '\.\./a'; expected the name of a"):
        read_weights(tmp_path, "../a")


def test_weights_are_put_into_a_module():
    module = nn.Linear(2, 1)
    load_weights(module, {"bias": torch.tensor([7.0])}, {"bias"}, "here")
    assert module.bias.item() == 7
    with pytest.raises(
        ValueError, match=r"here has weights 'weight' of shape \(1, 2\)"
    ):
        load_weights(module, {"weight": torch.ones(1, 2)}, {"bias"}, "here")
    with pytest.raises(ValueError, match="here lacks the weights 'bias'"):
        load_weights(module, {}, {"bias"}, "here")


def test_write_that_is_cut_leaves_no_file(tmp_path):
    with pytest.raises(TypeError, match="bytes-like object is required"):
        _replace(tmp_path / "a", object())
    assert list(tmp_path.iterdir()) == []
