"""The loop, with a module that looks rows up in a table."""

from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pytorch_metric_learning import losses, miners
from torch import nn

from skmatch.embedders._losses import Objective
from skmatch.embedders._training import (
    ClassBatches,
    TrainingSettings,
    _backward_in_parts,
    _Forward,
    _warm_up_and_decay,
    embed,
    train,
    trained_weights,
)

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(
    n_epochs=6,
    batch_size=8,
    learning_rate=0.1,
    warm_up=0.3,
    weight_decay=0.0,
    cache_gradients=False,
    patience=2,
    device=CPU,
    dtype=torch.float32,
)


class Table(nn.Module):
    def __init__(self, n_rows):
        super().__init__()
        self.rows = nn.Embedding(n_rows, 4)
        self.modes = []

    def forward(self, rows):
        self.modes.append(self.training)
        return nn.functional.normalize(self.rows(rows))


class Titles:
    """Titles that are their own indices, in the parts that a test asks for."""

    def __init__(self, n_titles, in_parts=1):
        self.n_titles, self.in_parts = n_titles, in_parts

    def __len__(self):
        return self.n_titles

    def split(self, rows):
        return np.array_split(rows[::-1].copy(), self.in_parts)

    def take(self, rows, generator=None):
        return torch.from_numpy(np.asarray(rows))


def fit(labels, *, loss=None, miner=None, scores=None, seed=0, in_parts=1, **params):
    labels = np.asarray(labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = Table(len(labels))
    generator = torch.Generator().manual_seed(seed)
    rows, states, n_batches = [], [], []

    def validate():
        states.append(module.rows.weight.detach().clone())
        return scores[len(states) - 1]

    history, best = train(
        module,
        Titles(len(labels), in_parts),
        labels,
        ClassBatches(labels, params.get("batch_size", 8), generator),
        Objective(loss or losses.TripletMarginLoss(0.2), miner),
        SETTINGS._replace(**params),
        generator,
        validate=validate if scores else None,
        on_batch=n_batches.append,
        on_epoch=rows.append,
    )
    return module, history, best, states, rows, sum(n_batches)


def test_classes_come_together():
    labels = np.repeat(np.arange(8), 4)
    module, history, best, *_ = fit(labels, n_epochs=20)
    embeddings = embed(module, Titles(32), CPU)
    cosines = embeddings @ embeddings.T
    same = np.equal.outer(labels, labels)
    assert cosines[same].min() > cosines[~same].max()
    assert history[-1]["loss"] < history[0]["loss"]
    assert best == 20
    assert not module.training


def test_best_epoch_is_restored_and_patience_ends_training():
    scores = [0.1, 0.5, 0.4, 0.5, 0.9, 0.9]
    module, history, best, states, *_ = fit(np.repeat([0, 1, 2], 3), scores=scores)
    assert best == 2
    assert len(history) == 4  # two epochs without a better one
    assert_array_equal(module.rows.weight.detach(), states[1])
    assert not np.array_equal(states[1], states[3])
    assert [row["validation_score"] for row in history] == scores[:4]


@pytest.mark.parametrize(
    "loss", [losses.MultiSimilarityLoss(), losses.ArcFaceLoss(6, 4)]
)
def test_parts_of_a_batch_give_the_gradient_of_the_whole(loss):
    labels = np.repeat(np.arange(6), 4)
    whole, parts, twice = (
        fit(
            labels,
            loss=deepcopy(loss),
            n_epochs=3,
            in_parts=n,
            cache_gradients=is_cached,
        )[:2]
        for n, is_cached in ((1, False), (3, False), (3, True))
    )
    for module, history in (parts, twice):
        expected = whole[0].rows.weight.detach()
        assert_allclose(module.rows.weight.detach(), expected, atol=1e-5)
        assert history[-1]["loss"] == pytest.approx(whole[1][-1]["loss"], rel=1e-5)
    assert len(parts[0].modes) == 3 * len(whole[0].modes)
    assert len(twice[0].modes) == 6 * len(whole[0].modes)  # each part passes twice


def test_dropout_is_the_same_in_both_passes():
    seen = []

    class Noisy(Table):
        def forward(self, rows):
            seen.append(nn.functional.dropout(torch.ones(len(rows), 50)))
            return super().forward(rows)

    forward = _Forward(Noisy(8), CPU, torch.float32, 3)
    with torch.random.fork_rng():
        _backward_in_parts(
            forward,
            [torch.arange(4), torch.arange(4, 8)],
            lambda embeddings: embeddings[:, 0].sum(),
        )
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])


def test_frozen_weights_stay_and_the_best_of_the_others_return():
    class Half(Table):
        def __init__(self, n_rows):
            super().__init__(n_rows)
            self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)

        def forward(self, rows):
            return nn.functional.normalize(self.rows(rows) * self.frozen)

    module, states, scores = Half(4), [], [0.5, 0.4, 0.3]
    generator = torch.Generator().manual_seed(0)

    def validate():
        states.append(deepcopy(module.state_dict()))
        return scores[len(states) - 1]

    train(
        module,
        Titles(4),
        np.array([0, 0, 1, 1]),
        ClassBatches(np.array([0, 0, 1, 1]), 8, generator),
        Objective(losses.TripletMarginLoss(0.2)),
        SETTINGS,
        generator,
        validate=validate,
    )
    assert list(trained_weights(module)) == ["rows.weight"]
    assert torch.equal(module.frozen, torch.ones(4))
    assert torch.equal(module.rows.weight, states[0]["rows.weight"])
    assert not torch.equal(states[0]["rows.weight"], states[2]["rows.weight"])


def test_history_and_reports():
    module, history, _, _, reported, n_batches = fit(np.repeat([0, 1, 2], 3))
    assert reported == history
    assert n_batches == 6 * 8  # an epoch has at least 8 batches
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert set(history[0]) == {
        "epoch",
        "loss",
        "nonzero_share",
        "empty_batches",
        "validation_score",
        "seconds",
    }
    assert np.isnan(history[0]["validation_score"])
    assert history[0]["seconds"] > 0
    assert True in module.modes


def test_batches_of_an_epoch():
    assert SETTINGS.count_batches(9) == 8
    assert SETTINGS.count_batches(85) == 10


def test_share_of_triplets_that_are_not_zero():
    labels = np.repeat(np.arange(4), 2)
    _, solved, *_ = fit(labels, loss=losses.TripletMarginLoss(-3.0), n_epochs=1)
    assert solved[0]["nonzero_share"] == 0
    assert solved[0]["empty_batches"] == 8
    assert solved[0]["loss"] == 0
    _, hard, *_ = fit(labels, loss=losses.TripletMarginLoss(3.0), n_epochs=1)
    assert hard[0]["nonzero_share"] == 1
    assert hard[0]["empty_batches"] == 0


def test_share_counts_the_triplets_of_a_slow_loop():
    labels = np.repeat(np.arange(3), 2)
    module, history, *_ = fit(labels, n_epochs=1, learning_rate=1e-12)
    unit = embed(module, Titles(6), CPU)
    active = [
        np.linalg.norm(unit[a] - unit[p]) - np.linalg.norm(unit[a] - unit[n]) + 0.2 > 0
        for a in range(6)
        for p in range(6)
        for n in range(6)
        if a != p and labels[a] == labels[p] != labels[n]
    ]
    assert history[0]["nonzero_share"] == pytest.approx(np.mean(active))


def test_miner_that_finds_nothing():
    labels = np.repeat(np.arange(4), 2)
    miner = miners.TripletMarginMiner(margin=-9.0)
    _, history, *_ = fit(labels, miner=miner, n_epochs=1)
    assert history[0]["empty_batches"] == 8


def test_weights_of_the_loss_are_trained_too():
    loss = losses.ArcFaceLoss(3, 4)
    before = loss.W.detach().clone()
    fit(np.repeat([0, 1, 2], 3), loss=loss, n_epochs=1)
    assert not torch.equal(before, loss.W)


def test_loss_that_is_not_finite():
    with pytest.raises(ValueError, match=r"became nan in epoch 1; .* below inf"):
        fit(np.repeat([0, 1, 2], 3), learning_rate=float("inf"))


def test_seeds_decide():
    labels = np.repeat(np.arange(4), 2)
    once, again, other = (
        fit(labels, seed=seed)[0].rows.weight.detach() for seed in (0, 0, 1)
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_embed_keeps_the_order_and_the_mode():
    module = Table(10_000).train()
    embeddings = embed(module, Titles(10_000), CPU)
    expected = nn.functional.normalize(module.rows.weight.detach())
    assert_array_equal(embeddings, expected)
    assert embeddings.dtype == np.float32
    assert module.training
    assert not any(module.modes)


def batches(labels, batch_size, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    drawn = ClassBatches(np.array(labels), batch_size, generator)
    return [next(drawn) for _ in range(n)]


def test_batches_hold_two_rows_of_each_class():
    labels = np.repeat(np.arange(20), 5)
    for rows in batches(labels, 8, 50):
        counts = Counter(labels[rows].tolist())
        assert len(set(rows.tolist())) == 8
        assert set(counts.values()) == {2}


def test_every_class_comes_before_any_comes_again():
    labels = np.repeat(np.arange(10), 2)
    classes = [labels[rows][:3] for rows in batches(labels, 6, 40)]
    for number in range(1, 41):
        counts = np.bincount(np.concatenate(classes[:number]), minlength=10)
        assert counts.max() - counts.min() <= 1


def test_every_row_is_drawn_about_equally_often():
    labels = np.repeat(np.arange(4), 5)
    counts = np.bincount(np.concatenate(batches(labels, 8, 2000)), minlength=20)
    np.testing.assert_allclose(counts, 2000 * 2 / 5, rtol=0.15)


def test_single_rows_come_alone():
    rows = np.concatenate(batches([0, 0, 1, 2, 2], 6, 10))
    assert np.bincount(rows)[2] == 10


def test_learning_rate_rises_and_falls():
    rates = [_warm_up_and_decay(step, 100, 0.3) for step in range(100)]
    assert np.argmax(rates) == 30
    assert max(rates) == 1
    assert (np.diff(rates[:30]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    assert rates[-1] < 0.01
    assert all(_warm_up_and_decay(0, n, 0.3) > 0 for n in (1, 2, 3))
