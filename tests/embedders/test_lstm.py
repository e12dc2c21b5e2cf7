import io
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from gensim.models import KeyedVectors
from numpy.testing import assert_allclose, assert_array_equal
from pytorch_metric_learning import losses, miners
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skmatch import LSTMTitleEmbedder, make_product_titles, rowwise_f1_score
from skmatch.embedders import _lstm, _training
from skmatch.embedders._validation import best_rowwise_f1
from skmatch.titles import distinct, tokenize

NEW = ["", "Paper Bag 20 cm", "ÄÖ €€€ ☕", "x" * 500, "kopi hitam 200gr"]


def make_vectors(titles, size=6):
    words = sorted({word for title in titles for word in title.lower().split()})
    vectors = KeyedVectors(size, count=0)
    values = np.random.default_rng(0).normal(size=(len(words) + 1, size))
    vectors.add_vectors(["cup", *words], values.astype(np.float32))
    return vectors


def word_count(embedder, title):
    """Return how many tokens of a title take the word branch."""
    batch = embedder._read([title]).take(np.array([0]))
    return batch.n_words.item()


def test_embeddings_are_unit_float32(fitted):
    embeddings = fitted.transform(NEW)
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (5, 32)
    assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_embedding_is_the_same_alone_and_in_any_batch(fitted, listings):
    titles = [*NEW, *listings[0]]
    together = fitted.transform(titles)
    alone = np.vstack([fitted.transform([title]) for title in titles])
    assert_allclose(together, alone, rtol=0, atol=1e-6)
    assert_allclose(fitted.transform(titles[::-1])[::-1], together, rtol=0, atol=1e-6)


def test_titles_that_differ_in_case_and_spaces_are_one(fitted):
    once, again = fitted.transform(["Kopi Hitam 200gr", " kopi  HITAM 200GR "])
    assert_array_equal(once, again)


def test_equal_titles_are_encoded_once(fitted, monkeypatch):
    encoded = []
    encode = fitted.vocabulary_.encode
    monkeypatch.setattr(
        fitted.vocabulary_, "encode", lambda s, v: encoded.append(s) or encode(s, v)
    )
    fitted.transform(["Tea", "tea", "mug", "TEA "])
    assert encoded == [[["mug"], ["tea"]]]


def test_fit_tokenises_each_title_once(quick, listings, monkeypatch):
    texts = []
    monkeypatch.setattr(_lstm, "tokenize", lambda t: texts.append(t) or tokenize(t))
    quick(n_epochs=1).fit([*listings[0], *listings[0]], [*listings[1], *listings[1]])
    assert texts == [distinct(listings[0])[0]]


@pytest.mark.slow
def test_equal_seeds_give_equal_results(quick, listings):
    once, again = (quick(loss="arcface").fit(*listings) for _ in range(2))
    other = quick(loss="arcface", random_state=1).fit(*listings)
    assert_array_equal(once.transform(NEW), again.transform(NEW))
    assert not np.allclose(once.transform(NEW), other.transform(NEW))
    assert [row["loss"] for row in once.history_] == [
        row["loss"] for row in again.history_
    ]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["corpus", "file"])
def test_equal_seeds_give_equal_results_in_another_process(
    quick, listings, tmp_path, source
):
    if source == "file":
        source = str(tmp_path / "vectors.txt")
        make_vectors(listings[0]).save_word2vec_format(source)
    code = """
import sys
import numpy as np
from skmatch import LSTMTitleEmbedder, make_product_titles
embedder = LSTMTitleEmbedder(
    sys.argv[1],
    embedding_dim=32, hidden_size=8, n_epochs=2, batch_size=64, random_state=0
).fit(*make_product_titles(n_products=60, random_state=0))
np.save(sys.stdout.buffer, embedder.transform(["kopi hitam 200gr"]))
"""
    expected = quick(source).fit(*listings).transform(NEW[-1:])
    for seed in ("1", "2"):  # of the hashes of str
        done = subprocess.run(
            [sys.executable, "-c", code, source],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert_array_equal(np.load(io.BytesIO(done.stdout)), expected)


@pytest.mark.parametrize("loss", ["triplet", "arcface", "supcon"])
@pytest.mark.parametrize("miner", [None, "batch_hard", "multi_similarity"])
def test_global_random_states_and_threads_stay(quick, listings, loss, miner):
    def states():
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        return (
            random.getstate(),
            numpy_state,
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
        )

    before = states()
    quick(n_epochs=1, loss=loss, miner=miner).fit(*listings).transform(NEW)
    assert states() == before


@pytest.mark.slow
def test_fit_rebuilds_everything(quick, listings):
    titles, product_ids = listings
    few = product_ids < 20
    embedder = quick().fit([[t, "x"] for t in titles[few]], product_ids[few])
    first = embedder.module_
    embedder.fit(titles, product_ids)
    assert embedder.module_ is not first
    assert embedder.n_features_in_ == 1
    assert_array_equal(
        embedder.transform(NEW), quick().fit(titles, product_ids).transform(NEW)
    )


@pytest.mark.parametrize("params", [{"loss": "hinge"}, {"embedding_dim": 16}])
def test_fit_that_fails_leaves_the_old_one(quick, listings, monkeypatch, params):
    embedder = quick().fit(*listings)
    before = embedder.transform(NEW)

    def interrupt(*args, **params):
        raise KeyboardInterrupt

    monkeypatch.setattr(_training, "train", interrupt)
    embedder.set_params(**params)
    known = set(vars(embedder))
    with pytest.raises((KeyboardInterrupt, ValueError)):
        embedder.fit(["tea", "Tea", "mug", "Mug"], [0, 0, 1, 1])
    assert set(vars(embedder)) == known
    assert_array_equal(embedder.transform(NEW), before)
    new = quick()
    with pytest.raises(KeyboardInterrupt):
        new.fit(*listings)
    with pytest.raises(NotFittedError):
        new.transform(NEW)


@pytest.mark.parametrize("fraction", [0.3, 0.0])
def test_interrupt_may_end_a_training(quick, listings, monkeypatch, fraction):
    stopped = quick(n_epochs=5, validation_fraction=fraction, stop_on_interrupt=True)
    whole = clone(stopped).fit(*listings)
    describe, trained_weights = _training._describe_epoch, _training.trained_weights

    def interrupt(epoch, *args):
        if epoch == 3:
            raise KeyboardInterrupt
        return describe(epoch, *args)

    kept = []

    def keep(module):
        weights = trained_weights(module)
        kept.append({name: w.detach().clone() for name, w in weights.items()})
        return weights

    monkeypatch.setattr(_training, "_describe_epoch", interrupt)
    monkeypatch.setattr(_training, "trained_weights", keep)
    with pytest.warns(UserWarning, match="Interrupted in epoch 3: epoch [12] is kept"):
        stopped.fit(*listings)
    assert [row["loss"] for row in stopped.history_] == [
        row["loss"] for row in whole.history_[:2]
    ]
    scores = [row["validation_score"] for row in stopped.history_]
    assert stopped.best_epoch_ == (1 + np.argmax(scores) if fraction else 2)
    for name, weight in trained_weights(stopped.module_).items():
        assert torch.equal(weight, kept[-1][name])
    monkeypatch.setattr(
        _training, "_describe_epoch", lambda epoch, *args: interrupt(3, *args)
    )
    fresh = clone(stopped)
    with pytest.raises(KeyboardInterrupt):  # no epoch is over
        fresh.fit(*listings)
    assert not hasattr(fresh, "module_")


def test_fit_forgets_names_of_fields(quick, listings):
    frame = pd.DataFrame({"title": listings[0]})
    embedder = quick().fit(frame, listings[1])
    assert embedder.feature_names_in_.tolist() == ["title"]
    assert not hasattr(embedder.fit(*listings), "feature_names_in_")


@pytest.mark.slow
def test_training_beats_no_training_on_new_products(quick):
    titles, product_ids = make_product_titles(n_products=300, random_state=0)
    is_new = product_ids >= 200
    scores = []
    for rate in (1e-9, 0.01):
        embedder = quick(n_epochs=8, learning_rate=rate, ngram_range=None)
        embedder.fit(titles[~is_new], product_ids[~is_new])
        unit = embedder.transform(titles[is_new])
        scores.append(best_rowwise_f1(unit, product_ids[is_new]))
    alone = rowwise_f1_score(product_ids[is_new], np.eye(is_new.sum()))
    assert scores[0] + 0.05 < scores[1]
    assert alone < scores[1]


def test_without_ngrams_it_is_the_plain_cascade(quick, listings):
    embedder = quick(ngram_range=None, n_layers=2).fit(*listings)
    assert not embedder.module_.has_ngrams
    batch = embedder._read(["kopi"]).take(np.array([0]))
    assert batch.gram_values.numel() == 0
    assert_allclose(np.linalg.norm(embedder.transform(NEW), axis=1), 1, atol=1e-6)


def test_any_integer_is_a_dimension(quick, listings):
    embedder = quick(embedding_dim=True).fit(*listings)
    assert embedder.transform(NEW).shape == (len(NEW), 1)


def test_ngram_range_may_be_an_array(quick, listings):
    lengths = np.array([2, 3])
    embeddings = [
        quick(ngram_range=pair).fit(*listings).transform(NEW)
        for pair in (lengths, (2, 3))
    ]
    assert_array_equal(*embeddings)


def test_labels_may_be_str_and_not_consecutive(quick, listings):
    titles, product_ids = listings
    names = np.array([f"sku-{9 * p}" for p in product_ids], dtype=object)
    by_name = quick(n_epochs=1).fit(titles, names)
    assert np.isfinite(by_name.transform(NEW)).all()


def test_history_is_a_table(fitted):
    table = pd.DataFrame(fitted.history_)
    assert table["epoch"].tolist() == [1, 2]
    assert table["validation_score"].between(0, 1).all()
    assert fitted.best_epoch_ == table["validation_score"].argmax() + 1


@pytest.mark.slow
def test_best_epoch_is_the_one_that_is_kept(quick, listings):
    embedder = quick(n_epochs=12, learning_rate=0.3, patience=3).fit(*listings)
    scores = [row["validation_score"] for row in embedder.history_]
    assert embedder.best_epoch_ == np.argmax(scores) + 1
    assert embedder.best_epoch_ < len(scores)  # so large a rate does harm in the end
    longer = clone(embedder).set_params(patience=12).fit(*listings)
    assert len(longer.history_) == 12
    assert longer.best_epoch_ == embedder.best_epoch_
    assert_array_equal(longer.transform(NEW), embedder.transform(NEW))


def test_validation_products_do_not_train(quick, listings, monkeypatch):
    titles, product_ids = listings
    seen = []
    train = _training.train

    def spy(module, batches, labels, *others, **options):
        seen.append((len(labels), len(set(labels.tolist()))))
        return train(module, batches, labels, *others, **options)

    monkeypatch.setattr(_training, "train", spy)
    quick(n_epochs=1, validation_fraction=0.25).fit(titles, product_ids)
    quick(n_epochs=1, validation_fraction=0).fit(titles, product_ids)
    assert seen[0][1] == 45
    assert seen[0][0] < seen[1][0]
    assert seen[1] == (len(titles), 60)


def test_too_few_products_to_validate_with(quick, listings):
    titles, product_ids = listings
    few = product_ids < 5
    embedder = quick().fit(titles[few], product_ids[few])
    assert np.isnan(embedder.history_[0]["validation_score"])
    assert embedder.best_epoch_ == 2


def test_loss_and_miner_objects_are_not_changed(quick, listings):
    loss, miner = losses.ArcFaceLoss(60, 32), miners.BatchHardMiner()
    before = loss.W.detach().clone()
    quick(loss=loss, miner=miner, n_epochs=1).fit(*listings)
    assert torch.equal(loss.W, before)


def test_verbose_shows_a_bar(quick, listings, capsys):
    quick(n_epochs=1).fit(*listings)
    assert capsys.readouterr() == ("", "")
    quick(n_epochs=1, verbose=True).fit(*listings)
    assert "8/8" in capsys.readouterr().err


def test_log_dir_holds_the_history(quick, listings, tmp_path):
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    embedder = quick(log_dir=tmp_path / "log").fit(*listings)
    log = events.EventAccumulator(str(tmp_path / "log")).Reload()
    logged = [event.value for event in log.Scalars("loss")]
    assert_allclose(logged, [row["loss"] for row in embedder.history_], rtol=1e-6)


def test_log_dir_without_tensorboard(quick, listings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'skmatch\[tensorboard\]'"):
        quick(log_dir=tmp_path).fit(*listings)


def test_module_rests_on_the_cpu_in_eval_mode(fitted):
    assert {weight.device.type for weight in fitted.module_.parameters()} == {"cpu"}
    assert not fitted.module_.training


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu_gives_nearly_the_same(quick, listings):
    embedder = quick(device="cuda").fit(*listings)
    assert {weight.device.type for weight in embedder.module_.parameters()} == {"cpu"}
    on_gpu = embedder.transform(NEW)
    on_cpu = embedder.set_params(device="cpu").transform(NEW)
    assert (on_gpu * on_cpu).sum(axis=1).min() > 0.99


# Word vectors


def test_vectors_of_an_object_are_shared_and_not_pickled_whole(quick, listings):
    vectors = make_vectors(listings[0])
    vectors.add_vectors([f"w{i}" for i in range(50_000)], np.ones((50_000, 6), "f4"))
    embedder = quick(vectors)
    assert clone(embedder).word_vectors is vectors
    embedder.fit(*listings)
    pickled = pickle.dumps(embedder)
    assert len(pickled) < len(pickle.dumps(vectors)) / 4
    again = pickle.loads(pickled)
    assert_array_equal(again.transform(listings[0]), embedder.transform(listings[0]))
    assert "w1" not in again.word_vectors
    assert embedder.word_vectors is vectors
    refitted = clone(again).fit(*listings)
    assert_array_equal(refitted.transform(NEW), embedder.transform(NEW))


def test_word_that_only_the_vectors_know(quick, listings, tmp_path):
    vectors = make_vectors(listings[0])
    path = tmp_path / "vectors.txt"
    vectors.save_word2vec_format(path)
    assert word_count(quick().fit(*listings), "cup") == 0
    from_object = quick(vectors).fit(*listings)
    from_file = quick(path).fit(*listings)
    assert word_count(from_object, "cup") == word_count(from_file, "cup") == 1
    assert_allclose(
        from_object.transform(["cup 20 cm"]),
        from_file.transform(["cup 20 cm"]),
        atol=1e-5,
    )
    # a pickle of the object is without the word, one of the path finds it again
    assert word_count(pickle.loads(pickle.dumps(from_object)), "cup") == 0
    again = pickle.loads(pickle.dumps(from_file))
    assert word_count(again, "cup") == 1
    path.unlink()
    with pytest.warns(UserWarning, match="words that the titles of fit") as told:
        again.transform(["cup"])
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="is not at hand"):
        assert word_count(again, "cup") == 0


def test_file_with_vectors_of_another_size(quick, listings, tmp_path):
    path = tmp_path / "vectors.txt"
    make_vectors(listings[0]).save_word2vec_format(path)
    embedder = quick(path).fit(*listings)
    make_vectors(listings[0], size=9).save_word2vec_format(path)
    with pytest.raises(ValueError, match=r"9 dimensions .* expected 6"):
        embedder.transform(["cup"])


def test_downloader_name(quick, listings, tmp_path, monkeypatch):
    import gensim.downloader

    folder = tmp_path / "tiny-6"
    folder.mkdir()
    make_vectors(listings[0]).save_word2vec_format(folder / "tiny-6.gz")
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path))
    monkeypatch.setattr(
        gensim.downloader, "load", lambda name, return_path: folder / f"{name}.gz"
    )
    embedder = quick("tiny-6").fit(*listings)
    assert word_count(embedder, "cup kopi") == 2
    assert word_count(pickle.loads(pickle.dumps(embedder)), "cup kopi") == 2


def test_vectors_that_know_no_word_of_the_titles(quick, listings):
    vectors = KeyedVectors(3, count=0)
    vectors.add_vectors(["zzz"], np.ones((1, 3), np.float32))
    match = "knows none of the words of the titles"
    with pytest.warns(UserWarning, match=match) as told:
        embedder = quick(vectors).fit(*listings)
    assert told[0].filename == __file__
    assert np.isfinite(embedder.transform([*NEW, "zzz"])).all()


# Bad input


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"embedding_dim": 0}, "embedding_dim == 0, must be >= 1"),
        ({"hidden_size": 0}, "hidden_size == 0, must be >= 1"),
        ({"n_layers": 0}, "n_layers == 0, must be >= 1"),
        ({"dropout": 1.0}, "dropout == 1.0, must be < 1"),
        ({"ngram_range": (3, 2)}, r"ngram_range == \(3, 2\), must be None or"),
        ({"ngram_range": (2, 3.5)}, r"ngram_range == \(2, 3.5\), must be None or"),
        ({"ngram_range": 3}, "ngram_range == 3, must be None or"),
        ({"n_epochs": 0}, "n_epochs == 0, must be >= 1"),
        ({"batch_size": 3}, "batch_size == 3, must be >= 4"),
        ({"learning_rate": 0}, "learning_rate == 0, must be > 0"),
        ({"validation_fraction": 1.0}, "validation_fraction == 1.0, must be < 1"),
        ({"patience": 0}, "patience == 0, must be >= 1"),
        ({"loss": "hinge"}, "loss='hinge'; expected one of"),
        ({"miner": "hinge"}, "miner='hinge'; expected None, one of"),
        ({"device": "tpu9"}, "device='tpu9' cannot be used"),
        ({"word_vectors": 7}, "word_vectors=7; expected 'corpus'"),
    ],
)
def test_parameter_out_of_range(quick, listings, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(*listings)


def test_nothing_is_checked_before_fit():
    params = {"embedding_dim": -1, "word_vectors": object(), "device": "tpu9"}
    assert LSTMTitleEmbedder(**params).get_params()["embedding_dim"] == -1


def test_missing_title_is_named(fitted, quick):
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        fitted.transform(["tea", None])
    with pytest.raises(ValueError, match="row 2 of X holds NaN"):
        quick().fit(["tea", "tea", float("nan")], [0, 0, 1])
    with pytest.raises(ValueError, match="row 0 of X holds NaN"):
        fitted.transform(pd.Series([np.nan, np.nan]))


@pytest.mark.parametrize(
    "X", [["tea", ["mug"]], [["mug", "red"], ["tea"]], pd.Series([{"mug"}, {"tea"}])]
)
def test_title_that_is_a_container_is_named(fitted, X):
    with pytest.raises(ValueError, match=r"row \d of X holds the (list|set)"):
        fitted.transform(X)


def test_missing_label_is_named(quick):
    for y in (["a", "a", None], pd.Series(["a", "a", pd.NA]), [0.0, 0.0, np.nan]):
        with pytest.raises(ValueError, match="row 2 of y is"):
            quick().fit(["tea", "tea", "mug"], y)


def test_missing_labels_are_told_by_a_public_name(quick):
    with pytest.raises(ValueError, match=r"^LSTMTitleEmbedder requires y to be passed"):
        quick().fit(["tea", "mug"])


def test_labels_that_cannot_train(quick):
    with pytest.raises(ValueError, match="y has 1 class, 'a'; expected at least two"):
        quick().fit(["tea", "mug"], ["a", "a"])
    with pytest.raises(ValueError, match="Each of the 2 labels of y has one title"):
        quick().fit(["tea", "mug"], ["a", "b"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(["tea", "mug"], ["a"])


# Warnings


def test_labels_with_one_title_are_told(quick, listings):
    titles, product_ids = [*listings[0], "mug", "tea"], [*listings[1], 97, 98]
    match = "2 of the 62 labels of y have a single title"
    with pytest.warns(UserWarning, match=match) as told:
        quick(n_epochs=1).fit(titles, product_ids)
    assert told[0].filename == __file__


def test_batches_without_a_triplet_are_told(quick, listings):
    loss = losses.TripletMarginLoss(margin=-3.0)
    match = "16 of 16 batches had no triplet with a non-zer"
    with pytest.warns(UserWarning, match=match) as told:
        quick(loss=loss).fit(*listings)
    assert told[0].filename == __file__


@pytest.mark.slow
def test_collapse_is_told(quick, listings):
    class Attract(losses.BaseMetricLossFunction):
        """Pull all titles to one point."""

        def compute_loss(self, embeddings, labels, *others):
            apart = (embeddings - embeddings[:1].detach()).pow(2).sum(1)
            return {
                "loss": {
                    "losses": apart,
                    "indices": torch.arange(len(apart)),
                    "reduction_type": "element",
                }
            }

        def get_default_distance(self):
            from pytorch_metric_learning.distances import CosineSimilarity

            return CosineSimilarity()

    with pytest.warns(UserWarning, match="collapsed: the mean cosine similarity"):
        quick(
            loss=Attract(),
            ngram_range=None,
            n_epochs=10,
            learning_rate=0.05,
            validation_fraction=0,
        ).fit(*listings)
