"""Trainings that were stopped go on as if they had not been."""

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skmatch import LSTMTitleEmbedder, load
from skmatch.embedders import _network_estimator
from skmatch.persistence import Checkpoint

SCRIPT = """
import sys
from skmatch import LSTMTitleEmbedder, make_product_titles, save
folder, out = sys.argv[1:]
titles, labels = make_product_titles(n_products=60, random_state=0)
embedder = LSTMTitleEmbedder(
    embedding_dim=32, hidden_size=8, n_epochs=6, batch_size=64, random_state=0,
    checkpoint_dir=folder, device="cpu",
)
save(embedder.fit(titles, labels), out)
"""


class Stopped(KeyboardInterrupt):
    pass


@pytest.fixture
def stop_after(monkeypatch):
    """Interrupt the training when it has written its state so many times."""

    def stop_after(n_epochs):
        keep = _network_estimator._keep_state

        def keep_and_stop(checkpoint, seed, state):
            keep(checkpoint, seed, state)
            if len(state["history"]) == n_epochs:
                raise Stopped

        monkeypatch.setattr(_network_estimator, "_keep_state", keep_and_stop)

    yield stop_after
    monkeypatch.undo()


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def assert_same_training(one, other, titles):
    for name, weight in one.module_.state_dict().items():
        assert torch.equal(weight, other.module_.state_dict()[name]), name
    assert_array_equal(one.transform(titles), other.transform(titles))
    assert_array_equal(
        [list(row.values()) for row in without_seconds(one.history_)],
        [list(row.values()) for row in without_seconds(other.history_)],
    )
    assert one.best_epoch_ == other.best_epoch_


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "n_epochs"),
    [
        ({}, 1),
        ({}, 5),
        ({"loss": "arcface"}, 3),
        ({"random_state": None}, 3),
    ],
)
def test_goes_on_at_the_last_epoch(
    quick, listings, tmp_path, monkeypatch, stop_after, params, n_epochs
):
    np.random.seed(3)  # noqa: NPY002
    unbroken = quick(n_epochs=6, **params).fit(*listings)
    embedder = quick(n_epochs=6, checkpoint_dir=tmp_path, **params)
    np.random.seed(3)  # noqa: NPY002
    stop_after(n_epochs)
    with pytest.raises(Stopped):
        embedder.fit(*listings)
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    assert_same_training(embedder.fit(*listings), unbroken, listings[0])
    assert not list(tmp_path.iterdir())


def test_patience_counts_across_the_stop(
    quick, listings, tmp_path, monkeypatch, stop_after
):
    params = {"n_epochs": 9, "patience": 1, "learning_rate": 1e-9}
    unbroken = quick(**params).fit(*listings)
    stop_after(len(unbroken.history_))
    embedder = quick(checkpoint_dir=tmp_path, **params)
    with pytest.raises(Stopped):
        embedder.fit(*listings)
    monkeypatch.undo()
    assert_same_training(embedder.fit(*listings), unbroken, listings[0])


def test_another_training_starts_anew(
    quick, listings, tmp_path, monkeypatch, stop_after
):
    stop_after(1)
    with pytest.raises(Stopped):
        quick(checkpoint_dir=tmp_path).fit(*listings)
    monkeypatch.undo()
    other = quick(checkpoint_dir=tmp_path, random_state=1).fit(*listings)
    expected = quick(random_state=1).fit(*listings)
    assert_same_training(other, expected, listings[0])
    assert len(list(tmp_path.iterdir())) == 1  # that of the first one is still there


def test_adapter_goes_on_at_the_last_epoch(
    bert_folder, listings, tmp_path, monkeypatch, stop_after
):
    from skmatch import AdapterBertEmbedder

    params = {"embedding_dim": 8, "n_epochs": 3, "batch_size": 32, "random_state": 0}
    params |= {"learning_rate": 0.01, "device": "cpu", "precision": "float32"}
    unbroken = AdapterBertEmbedder(str(bert_folder), **params).fit(*listings)
    embedder = AdapterBertEmbedder(str(bert_folder), checkpoint_dir=tmp_path, **params)
    stop_after(2)
    with pytest.raises(Stopped):
        embedder.fit(*listings)
    monkeypatch.undo()
    assert_same_training(embedder.fit(*listings), unbroken, listings[0])


@pytest.mark.slow
def test_killed_training_goes_on(listings, tmp_path):
    def start(folder):
        command = [sys.executable, "-c", SCRIPT, tmp_path / folder, tmp_path / "saved"]
        return subprocess.Popen(command)

    process = start("states")
    while not list(tmp_path.glob("states/*/skmatch.json")):
        assert process.poll() is None, "the training ended before it was killed"
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start("states").wait() == 0
    resumed = load(tmp_path / "saved")
    assert start("others").wait() == 0
    unbroken = load(tmp_path / "saved")
    assert_same_training(resumed, unbroken, listings[0])


def test_state_that_was_altered(tmp_path):
    checkpoint = Checkpoint(tmp_path, ["it"])
    checkpoint.save({"values": np.arange(3.0)})
    assert_array_equal(Checkpoint(tmp_path, ["it"]).load()["values"], [0, 1, 2])
    assert Checkpoint(tmp_path, ["other"]).load() is None
    next(tmp_path.glob("*/*.npy")).write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"cannot be read \(.*; delete it to train"):
        checkpoint.load()
    checkpoint.delete()
    assert checkpoint.load() is None
    assert not list(tmp_path.iterdir())


def test_equal_titles_have_equal_checkpoints(tmp_path):
    one, other = ("".join(["paper", " bag"]) for _ in range(2))
    folders = [
        Checkpoint(tmp_path, [[one, x], np.arange(3), "a", 0.5, None])._path
        for x in (one, other)
    ]
    assert folders[0] == folders[1]


def test_fitted_embedder_with_a_checkpoint_is_pickled(quick, listings, tmp_path):
    embedder = quick(n_epochs=1, checkpoint_dir=tmp_path).fit(*listings)
    again = pickle.loads(pickle.dumps(embedder))
    assert again.checkpoint_dir == tmp_path
    assert isinstance(again, LSTMTitleEmbedder)
