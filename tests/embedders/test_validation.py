"""The score of an epoch, against the public score at each threshold."""

import numpy as np
import pytest
import torch
from torch import nn

from skmatch import rowwise_f1_score
from skmatch.embedders._batches import TitleBatches
from skmatch.embedders._validation import Validation, best_rowwise_f1, draw_validation

THRESHOLDS = np.arange(0.1, 1.0, 0.025, dtype=np.float32)


def make_rows(rng, n_rows=120, n_columns=6, spread=0.4):
    labels = np.sort(rng.integers(0, n_rows // 3, n_rows))
    labels = np.unique(labels, return_inverse=True)[1]
    rows = rng.normal(size=(labels.max() + 1, n_columns))[labels]
    rows = rows + rng.normal(scale=spread, size=rows.shape)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32), labels


def slow_scores(unit, labels, thresholds=THRESHOLDS):
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 2)
    return [rowwise_f1_score(labels, cosines >= threshold) for threshold in thresholds]


@pytest.mark.parametrize("spread", [0.1, 0.4, 2.0])
def test_score_is_the_best_of_the_thresholds(rng, spread):
    unit, labels = make_rows(rng, spread=spread)
    expected = max(slow_scores(unit, labels))
    assert best_rowwise_f1(unit, labels) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 1], 1),  # at 0.7 the first two match, and nothing else
        ([0, 1, 1], (2 / 3 + 4 / 5 + 1) / 3),  # at 0.6 the wrong pair matches, too
        ([0, 1, 2], 1),  # at 0.9 nothing matches
    ],
)
def test_points_at_known_angles(labels, expected):
    unit = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    assert best_rowwise_f1(unit, np.array(labels)) == round(expected, 9)


def test_score_does_not_depend_on_the_order(rng):
    unit, labels = make_rows(rng, n_rows=600, spread=0.6)
    order = rng.permutation(len(labels))
    assert best_rowwise_f1(unit, labels) == best_rowwise_f1(unit[order], labels[order])


def test_rows_that_are_all_the_same():
    unit = np.tile(np.array([[1, 0]], np.float32), (4, 1))
    assert best_rowwise_f1(unit, np.array([0, 0, 0, 0])) == 1
    assert best_rowwise_f1(unit, np.array([0, 0, 1, 1])) == round(2 / 3, 9)


def test_too_many_pairs_leave_the_high_thresholds(rng):
    unit, labels = make_rows(rng, n_rows=600, n_columns=3, spread=0.05)
    few = best_rowwise_f1(unit, labels, max_pairs=0)  # a hundred of 600 rows each
    lowest = np.quantile(unit @ unit.T, 1 - 100 / 600)
    high = THRESHOLDS[lowest + 0.02 <= THRESHOLDS]
    scores = slow_scores(unit, labels, high)
    assert few == pytest.approx(max(scores), abs=1e-9)


def test_no_threshold_is_high_enough():
    rows = np.ones((300, 2)) + np.linspace(0, 1e-3, 300)[:, None] * [1, -1]
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    labels = np.arange(300) // 3
    assert 0 < best_rowwise_f1(unit, labels, max_pairs=0) < 0.1


def test_a_module_is_scored_on_its_titles(rng):
    unit, labels = make_rows(rng)

    class Rows(TitleBatches):
        def _n_per_pass(self, longest):
            return 50

        def _take_texts(self, texts, generator):
            return torch.from_numpy(unit[texts])

    titles = Rows(np.arange(len(unit)))
    validate = Validation(
        nn.Identity(), titles, labels, torch.device("cpu"), torch.float32
    )
    assert validate() == best_rowwise_f1(unit, labels)


def draw(labels, fraction, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return draw_validation(np.asarray(labels), fraction, generator)


def test_whole_products_are_drawn():
    labels = np.repeat(np.arange(20), 3)
    drawn = draw(labels, 0.2)
    assert drawn.sum() == 12
    assert not set(labels[drawn]) & set(labels[~drawn])
    assert (draw(labels, 0.2) == drawn).all()
    assert (draw(labels, 0.2, seed=1) != drawn).any()


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [
        (np.repeat(np.arange(20), 3), 0.0),
        (np.repeat(np.arange(20), 3), 0.05),  # one product
        (np.repeat(np.arange(3), 3), 0.7),  # one would train
        ([0, 1, 2, 3, 4, 5, 6, 7], 0.5),  # none would have two titles
    ],
)
def test_none_is_drawn_where_too_few_would_be_left(labels, fraction):
    assert not draw(labels, fraction).any()
