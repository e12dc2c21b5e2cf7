"""Models are data: nothing in their files may run."""

import json
import pickle

import pytest
import torch

from skmatch.embedders._adapters import add_adapter
from skmatch.embedders._backbones import (
    check_settings,
    find_backbone,
    fingerprint,
    load_backbone,
    load_tokenizer,
    make_backbone,
)

files = pytest.importorskip("safetensors.torch")
load_file, save_file = files.load_file, files.save_file


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


@pytest.mark.parametrize("where", ["config.json", "deep"])
def test_trust_that_a_config_asks_for_is_refused(bert_copy, where):
    settings = {"trust_remote_code": True}
    change(
        bert_copy, "config.json", **(settings if where != "deep" else {"a": settings})
    )
    with pytest.raises(
        ValueError, match=r"names code of its own \(trust_remote_code=T"
    ):
        find_backbone(str(bert_copy))


@pytest.mark.parametrize("model_type", ["lightglue", "gpt2", None, ["bert"]])
def test_model_of_another_type_is_refused(bert_copy, model_type):
    change(bert_copy, "config.json", model_type=model_type)
    with pytest.raises(
        ValueError, match=r"has model_type=.*; expected one of \('albert"
    ):
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


@pytest.mark.parametrize(
    "names",
    [
        ["../outside.safetensors"],
        ["/etc/outside.safetensors"],
        ["pytorch_model.bin"],
        ["part.safetensors", "..\\outside.safetensors"],
        ["missing.safetensors"],
        [],
    ],
)
def test_index_that_leads_outside(bert_copy, names):
    """Beside a decoy, and a file that is there."""
    weights = load_file(bert_copy / "model.safetensors")
    (bert_copy / "model.safetensors").rename(bert_copy / "part.safetensors")
    save_file(weights, bert_copy.parent / "outside.safetensors")
    (bert_copy / "pytorch_model.bin").write_bytes(b"a pickle")
    weight_map = dict(zip(weights, names, strict=False))
    index = json.dumps({"metadata": {}, "weight_map": weight_map})
    (bert_copy / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=r"index\.json (names|has no)|holds no "):
        find_backbone(str(bert_copy))


def test_weights_in_parts(bert_copy, bert_folder):
    weights = load_file(bert_copy / "model.safetensors")
    (bert_copy / "model.safetensors").unlink()
    names, weight_map = sorted(weights), {}
    for file, part in (("a.safetensors", names[::2]), ("b.safetensors", names[1::2])):
        save_file({name: weights[name] for name in part}, bert_copy / file)
        weight_map |= dict.fromkeys(part, file)
    index = json.dumps({"metadata": {}, "weight_map": weight_map})
    (bert_copy / "model.safetensors.index.json").write_text(index)
    backbone = load_backbone(find_backbone(str(bert_copy)))
    assert fingerprint(add(backbone)) == fingerprint(add(load_backbone(bert_folder)))


def add(backbone):
    add_adapter(backbone, "lora", 4)
    return backbone


def test_only_files_that_were_checked_are_read(bert_copy, bert_folder):
    """What else transformers could find in a folder makes no difference."""
    (bert_copy / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "someone/else", "peft_type": "LORA"})
    )
    (bert_copy / "pytorch_model.bin").write_bytes(b"a pickle")
    (bert_copy / "modeling.py").write_text("raise AssertionError('code was run')")
    backbone = load_backbone(find_backbone(str(bert_copy)))
    assert fingerprint(add(backbone)) == fingerprint(add(load_backbone(bert_folder)))


WORDS = "embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("change_weights", "message"),
    [
        (lambda w: w.pop(WORDS), f"lacks the weights '{WORDS}'"),
        (lambda w: w.update({WORDS: w[WORDS][:9].clone()}), f"'{WORDS}' of shape"),
        (
            lambda w: w[WORDS].fill_(torch.nan),
            f"has NaN or inf in the weights '{WORDS}",
        ),
        (
            lambda w: w.update({WORDS: w[WORDS].to(torch.int8)}),
            "of type torch.int8; exp",
        ),
        (lambda w: w.clear(), "lacks the weights|at most 0"),
    ],
)
def test_weights_that_are_wrong_or_missing(bert_copy, change_weights, message):
    weights = load_file(bert_copy / "model.safetensors")
    change_weights(weights)
    save_file(weights, bert_copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=message):
        load_backbone(find_backbone(str(bert_copy)))


def test_pooler_that_is_missing_matters_only_if_it_is_used(bert_copy):
    weights = load_file(bert_copy / "model.safetensors")
    kept = {k: w for k, w in weights.items() if not k.startswith("pooler.")}
    save_file(kept, bert_copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks the weights 'pooler\.dense\.weight'"):
        load_backbone(bert_copy)
    assert load_backbone(bert_copy, with_pooler=False).config.hidden_size == 16


@pytest.mark.parametrize(
    "settings",
    [
        {"num_hidden_layers": 10**9},
        {"hidden_size": 10**9},
        {"vocab_size": -1},
        {"num_attention_heads": 0},
        {"hidden_act": "no such"},
        {"max_position_embeddings": 10**6},
        {"hidden_size": "16"},
    ],
    ids=str,
)
def test_config_that_does_not_fit_the_weights(bert_copy, settings):
    change(bert_copy, "config.json", **settings)
    said = "expected at most|config.json says|holds no model that transformers can make"
    with pytest.raises(ValueError, match=said):
        load_backbone(find_backbone(str(bert_copy)))


def test_files_that_are_broken(bert_copy):
    (bert_copy / "tokenizer.json").write_text("{" * 9)
    with pytest.raises(ValueError, match="has no tokenizer that can be read"):
        load_tokenizer(bert_copy)
    (bert_copy / "model.safetensors").write_bytes(b"\xff" * 99)
    with pytest.raises(ValueError, match="holds weights that cannot be read"):
        load_backbone(bert_copy)
    (bert_copy / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        find_backbone(str(bert_copy))


def test_settings_that_are_not_there_or_no_json(bert_copy):
    (bert_copy / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json cannot be read as JSON"):
        find_backbone(str(bert_copy))
    (bert_copy / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json cannot be read as JSON"):
        find_backbone(str(bert_copy))


def test_model_of_stored_settings(bert_folder):
    config = load_backbone(bert_folder).config.to_dict()
    assert make_backbone(config).config.hidden_size == 16
    with pytest.raises(ValueError, match="CVE-2026-4372"):
        make_backbone(config | {"_attn_implementation": "someone/kernels"})
