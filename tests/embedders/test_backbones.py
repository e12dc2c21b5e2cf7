"""Models are data: nothing in their files may run."""

import json
import pickle

import pytest

from skmatch.embedders._backbones import (
    add_adapter,
    check_settings,
    find_backbone,
    fingerprint,
    load_backbone,
    load_tokenizer,
    make_backbone,
)


def change(folder, file, **settings):
    path = folder / file
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | settings))


def test_model_of_a_folder(bert_folder):
    folder = find_backbone(str(bert_folder))
    backbone = load_backbone(folder)
    assert backbone.config.hidden_size == 16
    assert backbone.config._attn_implementation == "eager"
    ids = load_tokenizer(folder)(["paper bag"])["input_ids"][0]
    assert len(ids) >= 4


def test_model_that_is_nowhere(monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="model_name='no/such' is neither a folder"):
        find_backbone("no/such", local_files_only=True)
    with pytest.raises(ValueError, match="is neither a folder nor a model"):
        find_backbone("not a name at all!")


@pytest.mark.parametrize(
    "settings",
    [
        {"_attn_implementation": "someone/kernels"},
        {"_attn_implementation_internal": "someone/kernels:main"},
        {"attn_implementation": "https://example.org/x"},
        {"_attn_implementation": {"": "sdpa", "text_config": "someone/kernels"}},
        {"text_config": {"_attn_implementation": "someone/kernels"}},
        {"parts": [{"deep": {"_attn_implementation_autoset": "someone/kernels"}}]},
    ],
)
def test_attention_of_a_repository_is_refused(bert_copy, settings, monkeypatch):
    change(bert_copy, "config.json", **settings)
    import transformers

    def load(*args, **kwargs):
        raise AssertionError("transformers has seen the file")

    for name in ("AutoModel", "AutoConfig", "AutoTokenizer"):
        monkeypatch.setattr(getattr(transformers, name), "from_pretrained", load)
    with pytest.raises(ValueError, match="CVE-2026-4372"):
        find_backbone(str(bert_copy))


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_a_model_is_refused(bert_copy, file):
    change(bert_copy, file, auto_map={"AutoModel": "modeling.Evil"})
    with pytest.raises(ValueError, match=f"{file} names code of its own"):
        find_backbone(str(bert_copy))


@pytest.mark.parametrize("value", ["eager", "sdpa", None, {"": "sdpa"}])
def test_attention_that_transformers_knows(value):
    check_settings({"_attn_implementation": value, "layers": [1, {"a": 2}]}, "here")


def test_pickled_weights_are_not_read(bert_copy):
    class Evil:
        def __reduce__(self):
            raise AssertionError("the pickle was made by hand, not read")

    for path in bert_copy.glob("*.safetensors"):
        path.unlink()
    ran = bert_copy / "ran"
    code = f"open({str(ran)!r}, 'w').close()"
    (bert_copy / "pytorch_model.bin").write_bytes(
        b"cbuiltins\nexec\n(" + pickle.dumps(code, protocol=0)[:-1] + b"tR."
    )
    with pytest.raises(ValueError, match="are pickles, which can run code"):
        find_backbone(str(bert_copy))
    assert not ran.exists()


def test_settings_that_are_not_there_or_no_json(bert_copy):
    (bert_copy / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json cannot be read as JSON"):
        find_backbone(str(bert_copy))
    (bert_copy / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json cannot be read as JSON"):
        find_backbone(str(bert_copy))


@pytest.mark.parametrize(
    "adapter", ["houlsby", "pfeiffer", "seq_bn", "lora", "ia3", "par_bn", "loreft"]
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


def test_model_of_stored_settings(bert_folder):
    config = load_backbone(bert_folder).config.to_dict()
    assert make_backbone(config).config.hidden_size == 16
    with pytest.raises(ValueError, match="CVE-2026-4372"):
        make_backbone(config | {"_attn_implementation": "someone/kernels"})
