import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmatch import decide_matches
from skmatch.plotting import NeighbourhoodDisplay

TITLES = ["Tea 20 g", "tea 20 gr", "tea mug", r"$\Mug$"]


def draw(scores, index=1, threshold=0.8, **params):
    return NeighbourhoodDisplay.from_scores(
        csr_array(scores), TITLES, index, threshold, **params
    )


def styles(lines):
    return [line.get_linestyle() for line in lines]


def test_neighbours_come_by_falling_score(scores):
    display = draw(scores)
    assert display.neighbours == ["Tea 20 g", "tea mug", r"$\Mug$"]
    assert_array_equal(display.score, [0.9, 0.8, 0.3])
    assert [text.get_text() for text in display.ax_.texts] == [
        "0.900  Tea 20 g",
        "0.800  tea mug",
        r"0.300  $\Mug$",
    ]
    bottom, top = display.ax_.get_ylim()
    assert bottom > top
    display.figure_.draw_without_rendering()  # a $ begins no formula


def test_lines_of_matches_are_solid_and_one_at_the_threshold_is(scores):
    scores = scores.astype(np.float32)  # 0.9 is less than that of float64
    display = draw(scores, threshold=0.9)
    assert styles(display.lines_) == ["-", "--", "--"]
    matches = decide_matches(scores, 0.9)[[1]].toarray()[0]
    assert matches.tolist() == [True, True, False, False]
    for place, line in enumerate(display.lines_):
        assert line.get_xydata().tolist() == [[0, 1], [1, place]]


def test_points_tell_what_is_right(scores, legend):
    display = draw(scores, y=["tea", "tea", "mug", "mug"])
    assert [node.get_marker() for node in display.nodes_] == ["o", "X", "X"]
    assert legend(display) == [
        "match",
        "below the threshold",
        "the same product",
        "another product",
    ]


def test_without_labels_nothing_is_said_of_what_is_right(scores, legend):
    display = draw(scores)
    assert [node.get_marker() for node in display.nodes_] == ["s"] * 3
    assert legend(display) == ["match", "below the threshold"]


def test_the_title_counts_all_matches(scores):
    display = draw(scores)
    assert display.ax_.get_title() == "tea 20 gr\nmatches at 0.8: 2, gallery of 4 rows"
    display = draw(scores, n_neighbours=1)
    assert display.neighbours == ["Tea 20 g"]
    assert "matches at 0.8: 2, the best 1 shown" in display.ax_.get_title()


def test_a_title_without_a_score_stands_alone():
    display = draw(np.zeros((4, 4)), threshold=0.5)
    assert (display.neighbours, display.lines_) == ([], [])
    assert "matches at 0.5: 0" in display.ax_.get_title()
    assert display.ax_.get_legend() is None
    display.figure_.draw_without_rendering()


def test_a_score_counts_from_either_side_and_below_0_too():
    graph = csr_array(([-0.5, -0.25], ([1, 0], [0, 2])), shape=(4, 4))
    display = draw(graph, index=0, threshold=-0.3)
    assert display.neighbours == ["tea mug", "tea 20 gr"]
    assert styles(display.lines_) == ["-", "--"]


def test_a_threshold_beyond_float32_matches_nothing(scores):
    assert styles(draw(scores, threshold=1e300).lines_) == ["--"] * 3


def test_a_long_title_is_cut():
    display = NeighbourhoodDisplay("x" * 99, ["y\n" + "z" * 99], np.ones(1), 0.5).plot()
    assert display.ax_.get_title().split("\n")[0] == "x" * 49 + "…"
    assert display.ax_.texts[0].get_text() == "1.000  y " + "z" * 47 + "…"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"score_graph": np.ones((2, 3))}, r"score_graph has shape \(2, 3\)"),
        ({"score_graph": np.full((4, 4), np.inf)}, "row 0 of score_graph holds NaN or"),
        ({"titles": TITLES[:3]}, "titles=.*; expected 4 titles of type str"),
        ({"titles": "abcd"}, "titles='abcd'; expected 4 titles of type str"),
        ({"titles": None}, "titles=None; expected 4 titles of type str"),
        ({"titles": [*TITLES[:3], None]}, "titles=.*; expected 4 titles of type str"),
        ({"index": 4}, "index == 4"),
        ({"index": -1}, "index == -1"),
        ({"threshold": np.nan}, "threshold == nan"),
        ({"n_neighbours": 0}, "n_neighbours == 0"),
        ({"y": [0, 0, 1]}, "y has 3 labels; expected 4"),
        ({"y": [0, 0, 1, None]}, "row 3 of y is None"),
    ],
)
def test_bad_input_is_named(params, message):
    given = {"score_graph": 1 - np.eye(4), "titles": TITLES, "index": 0}
    with pytest.raises(ValueError, match=message):
        NeighbourhoodDisplay.from_scores(**given | {"threshold": 0.5} | params)


def test_an_index_that_is_no_int_is_refused():
    with pytest.raises(TypeError, match="index must be an instance of int"):
        NeighbourhoodDisplay.from_scores(np.eye(4), TITLES, "0", 0.5)
