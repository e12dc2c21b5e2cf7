"""What is trained inside a language model, by adapters or by peft."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmatch import AdapterBertEmbedder, AdapterBertPairClassifier, load, save
from skmatch.embedders._adapters import add_adapter
from skmatch.embedders._backbones import fingerprint, load_backbone

LoraConfig = pytest.importorskip("peft").LoraConfig


@pytest.mark.parametrize(
    "adapter",
    ["houlsby", "pfeiffer", "seq_bn", "lora", "ia3", "par_bn", "loreft", LoraConfig()],
)
def test_only_the_adapter_is_trained(bert_folder, adapter):
    backbone = load_backbone(bert_folder)
    before = fingerprint(backbone)
    add_adapter(backbone, adapter, 4)
    trained = [name for name, w in backbone.named_parameters() if w.requires_grad]
    assert trained
    assert all("skmatch" in name for name in trained)
    assert before != fingerprint(backbone)  # at first all weights would be trained


def test_width_of_a_bottleneck(bert_folder):
    backbone = load_backbone(bert_folder)
    settings = add_adapter(backbone, "houlsby", 4)
    assert settings["reduction_factor"] == 4
    assert settings["non_linearity"] == "relu"
    downs = [w for name, w in backbone.named_parameters() if "down.0.weight" in name]
    assert [tuple(w.shape) for w in downs] == [(4, 16)] * 4  # twice in each of 2 layers


def test_adapter_that_is_none(bert_folder):
    with pytest.raises(ValueError, match="adapter='houlsbee' does not fit"):
        add_adapter(load_backbone(bert_folder), "houlsbee", 16)


@pytest.mark.parametrize("store_backbone", [True, False])
def test_saved_with_lora(tiny_bert, listings, tmp_path, store_backbone):
    titles, product_ids = listings
    config = LoraConfig(r=2, lora_dropout=0.1, target_modules=["query", "key"])
    made = AdapterBertEmbedder(
        str(tiny_bert),
        adapter=config,
        embedding_dim=8,
        n_epochs=2,
        batch_size=32,
        store_backbone=store_backbone,
        random_state=0,
    ).fit(titles, product_ids)
    trained = [
        name for name, w in made.module_.backbone.named_parameters() if w.requires_grad
    ]
    assert len(trained) == 2 * 2 * 2  # two matrices of two modules in two layers
    assert made.adapter_config_["target_modules"] == ["key", "query"]
    save(made, tmp_path)
    again = load(tmp_path)
    assert_array_equal(again.transform(titles), made.transform(titles))
    assert again.adapter["r"] == 2
    refitted = again.fit(titles, product_ids)
    assert_array_equal(refitted.transform(titles), made.transform(titles))


def test_a_training_is_known_by_its_settings(tiny_bert):
    """Not by the order of a set, which another process has in another way."""
    config = LoraConfig(target_modules=["value", "query", "key"], task_type="TOKEN_CLS")
    params = AdapterBertEmbedder(str(tiny_bert), adapter=config)._training_params()
    assert params["adapter"]["target_modules"] == ["key", "query", "value"]
    assert "verbose" not in params


def test_pairs_with_lora(tiny_bert, listings):
    few = np.argsort(listings[1], kind="stable")[:12]
    titles, product_ids = listings[0][few], listings[1][few]
    left, right = np.triu_indices(12, 1)
    X, y = titles[np.c_[left, right]], product_ids[left] == product_ids[right]
    made = AdapterBertPairClassifier(
        str(tiny_bert), adapter=LoraConfig(r=2), n_epochs=1, random_state=0
    ).fit(X, y)
    assert made.adapter_config_["target_modules"] == ["query", "value"]
    assert made.history_[0]["loss"] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "IA3"}, "adapter has peft_type='IA3'; expected a LoraConfig"),
        ({"r": 17}, "adapter has r=17; expected 1 to 16, the width"),
        ({"r": 0}, "adapter has r=0; expected 1 to 16"),
        ({"r": "8"}, "adapter has r='8'; expected a LoraConfig with no other settings"),
        ({"target_modules": "all-linear"}, "target_modules being a list"),
        ({"target_modules": ["quer"]}, "adapter has 'quer' in target_modules; exp"),
        ({"target_modules": ["query", ".*"]}, r"adapter has '\.\*' in target_modules"),
        ({"lora_alpha": 0}, "lora_alpha of adapter == 0"),
        ({"lora_alpha": float("nan")}, "lora_alpha of adapter == nan"),
        ({"lora_alpha": 10**400}, "lora_alpha of adapter == 1000"),
        ({"lora_dropout": 2}, "lora_dropout of adapter == 2"),
        ({"r": np.ones(3)}, "adapter has r=array"),
        ({"megatron_core": "os"}, "adapter has megatron_core='os'; expected a"),
        ({"init_lora_weights": "pissa"}, "adapter has init_lora_weights='pissa'"),
    ],
)
def test_settings_of_peft_that_are_not_taken(tiny_bert, settings, message):
    with pytest.raises(ValueError, match=message):
        add_adapter(load_backbone(tiny_bert), {"peft_type": "LORA"} | settings, 16)


def test_without_peft(monkeypatch, tiny_bert):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"pip install 'skmatch\[peft\]'"):
        add_adapter(load_backbone(tiny_bert), {"peft_type": "LORA"}, 16)


def test_without_adapters(monkeypatch, tiny_bert):
    """Who has peft needs no library that holds transformers back."""
    monkeypatch.setitem(sys.modules, "adapters", None)
    assert add_adapter(load_backbone(tiny_bert), LoraConfig(), 16)["r"] == 8
