"""What is drawn of the pairs of a score graph."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, triu

from skmatch import decide_matches, pairwise_precision_recall_f1
from skmatch.plotting import (
    MatchCalibrationDisplay,
    PairPrecisionRecallDisplay,
    ScoreHistogramDisplay,
)

LABELS = ["tea", "tea", "mug", "tea"]
DISPLAYS = [MatchCalibrationDisplay, PairPrecisionRecallDisplay, ScoreHistogramDisplay]


@pytest.mark.parametrize("display", DISPLAYS)
class TestInput:
    @pytest.mark.parametrize(
        ("labels", "graph", "message"),
        [
            (["tea", None], np.eye(2), "row 1 of y is None"),
            (LABELS, np.eye(3), r"score_graph has shape \(3, 3\); expected \(4, 4\)"),
            (LABELS, np.full((4, 4), np.nan), "row 0 of score_graph holds NaN"),
            ([*range(4)], 1 - np.eye(4), "y has no two rows of one product"),
            (LABELS, csr_array((4, 4)), "score_graph has no score of two rows"),
            (LABELS, csr_array(np.eye(4)), "score_graph has no score of two rows"),
        ],
    )
    def test_bad_input_is_named(self, display, labels, graph, message):
        with pytest.raises(ValueError, match=message):
            display.from_predictions(labels, graph)

    def test_a_pair_counts_once_with_the_larger_score(self, display, scores):
        half, other = csr_array(triu(scores)), 0.5 * np.tril(scores)
        drawn = [
            vars(display.from_predictions(LABELS, graph))
            for graph in (csr_array(scores), half, csr_array(half + other))
        ]
        for name, values in drawn[0].items():
            if not name.endswith("_"):
                assert_array_equal(values, drawn[1][name])
                assert_array_equal(values, drawn[2][name])

    def test_the_title_has_the_size_of_the_gallery(self, display, scores):
        drawn = display.from_predictions(LABELS, csr_array(scores))
        assert "allery of 4 rows" in drawn.ax_.get_title()


def test_precision_and_recall_are_those_of_the_matches(scores):
    graph = csr_array(scores)
    display = PairPrecisionRecallDisplay.from_predictions(LABELS, graph)
    assert_array_equal(display.threshold, [0.9, 0.8, 0.6, 0.3])
    expected = [
        pairwise_precision_recall_f1(LABELS, decide_matches(graph, threshold))
        for threshold in display.threshold
    ]
    precision, recall, _ = np.transpose(expected)
    assert_allclose(display.precision, precision)
    assert_allclose(display.recall, recall)
    assert_allclose(display.line_.get_xydata(), np.column_stack([recall, precision]))
    assert display.ax_.get_title() == "Gallery of 4 rows, 3 pairs of the same product"


def test_the_best_f1_is_called_an_oracle(scores, legend):
    display = PairPrecisionRecallDisplay.from_predictions(LABELS, csr_array(scores))
    # (0.9, tea): precision 1, recall 1/3; all of five: 2/5 and 2/3
    assert_allclose(display.best_.get_xydata(), [[1 / 3, 1]])
    assert legend(display) == ["best F1 of pairs 0.500, at 0.900 (oracle)"]


def test_where_no_pair_with_a_score_is_right_f1_is_0(legend):
    graph = csr_array(([0.5, 0.5], ([0, 2], [2, 0])), shape=(3, 3))
    display = PairPrecisionRecallDisplay.from_predictions([0, 0, 1], graph)
    assert_array_equal(display.precision, [0])
    assert legend(display) == ["best F1 of pairs 0.000, at 0.500 (oracle)"]


@pytest.mark.parametrize("display", DISPLAYS[:2])
def test_curves_on_the_same_axes_have_names_and_colours(display, scores, ax, legend):
    graph = csr_array(scores)
    drawn = [display.from_predictions(LABELS, graph, name=n, ax=ax) for n in "ab"]
    lines = [getattr(each.line_, "lines", [each.line_])[0] for each in drawn]
    assert lines[0].get_color() != lines[1].get_color()
    labels = [text for text in legend(drawn[1]) if text != "as probable as said"]
    assert [text[0] for text in labels] == ["a", "b"]


def test_histogram_counts_both_kinds_of_pairs(scores, legend):
    display = ScoreHistogramDisplay.from_predictions(
        LABELS, csr_array(scores), n_bins=3
    )
    assert_allclose(display.bin_edges, [0.3, 0.5, 0.7, 0.9])
    assert_array_equal(display.same_.get_data().values, [1, 0, 1])
    assert_array_equal(display.other_.get_data().values, [1, 1, 1])
    assert legend(display) == [
        "two products: 3 pairs",
        "the same product: 2 pairs, 1 more without a score",
    ]


def test_where_each_pair_has_a_score_none_is_missed(legend):
    display = ScoreHistogramDisplay.from_predictions([0, 0, 1], 0.5 - np.eye(3))
    assert legend(display)[1] == "the same product: 1 pairs"


def test_calibration_is_the_share_in_each_bin_that_has_pairs(scores, legend):
    display = MatchCalibrationDisplay.from_predictions(
        LABELS, csr_array(scores), n_bins=4
    )
    points = display.line_.lines[0].get_xydata()
    assert_allclose(points, [[0.3, 0.5], [0.6, 0], [0.85, 0.5]])
    assert_array_equal(display.n_pairs, [2, 1, 2])
    assert legend(display) == [
        "as probable as said",
        "share, with an interval of 95 % (5 pairs)",
    ]


def test_a_probability_on_an_edge_is_in_the_bin_above():
    graph = np.array([[0, 0.5, 0.25], [0.5, 0, 1], [0.25, 1, 0]])
    display = MatchCalibrationDisplay.from_predictions([0, 0, 1], graph, n_bins=2)
    assert_allclose(display.probability, [0.25, 0.75])


def test_intervals_are_those_of_wilson():
    display = MatchCalibrationDisplay(
        np.array([0.5, 1.0]), np.array([0.5, 1.0]), np.array([10, 5]), gallery_size=9
    ).plot()
    bars = display.line_.lines[2][0].get_segments()
    # E. B. Wilson's interval of 5 of 10, and of 5 of 5, by hand.
    assert_allclose(np.array(bars)[:, :, 1], [[0.2366, 0.7634], [0.5655, 1]], atol=1e-4)


@pytest.mark.parametrize("score", [1.5, -0.25])
def test_what_is_no_probability_is_refused(score):
    graph = csr_array(([score, score], ([0, 1], [1, 0])), shape=(2, 2))
    with pytest.raises(ValueError, match=f"score_graph holds {score}; expected proba"):
        MatchCalibrationDisplay.from_predictions([0, 0], graph)


@pytest.mark.parametrize("display", [MatchCalibrationDisplay, ScoreHistogramDisplay])
def test_a_number_of_bins_below_1_is_refused(display):
    with pytest.raises(ValueError, match="n_bins == 0"):
        display.from_predictions([0, 0], 0.5 - np.eye(2) / 2, n_bins=0)
