import pytest

from skmatch import PairExplanation
from skmatch.plotting import ExplanationDisplay
from skmatch.plotting._display import OTHER, SAME

EXPLANATION = PairExplanation(
    0.75,
    [("other_titles", 0.912, 2.0), (r"price $\no$", 3.0, -1.5), ("codes", 0.0, 0.5)],
    "Tea 20 g",
    r"tea $\no$ g",
    0.5,
)


def labels_of(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def test_bars_are_the_contributions_from_0():
    display = ExplanationDisplay.from_explanation(EXPLANATION)
    bars = [(bar.get_x(), bar.get_width()) for bar in display.bars_]
    assert bars == [(0, 2.0), (0, -1.5), (0, 0.5)]
    assert labels_of(display) == [
        "other_titles = 0.912",
        r"price $\no$ = 3",
        "codes = 0",
    ]
    assert [text.get_text() for text in display.ax_.texts] == [
        "+2.00",
        "-1.50",
        "+0.50",
    ]


def test_the_longest_bar_is_on_top():
    display = ExplanationDisplay.from_explanation(EXPLANATION)
    bottom, top = display.ax_.get_ylim()
    assert bottom > top


def test_for_and_against_a_match_have_two_colours():
    from matplotlib.colors import to_hex

    display = ExplanationDisplay.from_explanation(EXPLANATION)
    colours = [to_hex(bar.get_facecolor()).upper() for bar in display.bars_]
    assert colours == [SAME, OTHER, SAME]


def test_the_title_has_both_titles_and_the_probability():
    display = ExplanationDisplay.from_explanation(EXPLANATION)
    assert display.ax_.get_title() == (
        "Tea 20 g\ntea $\\no$ g\n"
        "probability of a match: 0.750, 0.500 before propagation"
    )
    display.figure_.draw_without_rendering()  # a $ begins no formula


def test_what_is_not_known_before_propagation_is_not_said():
    display = ExplanationDisplay.from_explanation(
        EXPLANATION._replace(before_propagation=float("nan"))
    )
    assert display.ax_.get_title().endswith("match: 0.750")


@pytest.mark.parametrize(("n_features", "n_bars"), [(1, 1), (3, 3), (99, 3)])
def test_so_many_features_are_shown(n_features, n_bars):
    display = ExplanationDisplay.from_explanation(EXPLANATION, n_features=n_features)
    assert len(display.bars_) == len(labels_of(display)) == n_bars


def test_another_object_is_refused():
    with pytest.raises(
        ValueError, match=r"explanation=0\.75; expected a PairExplanation"
    ):
        ExplanationDisplay.from_explanation(0.75)


def test_an_explanation_of_nothing_is_refused():
    with pytest.raises(ValueError, match="explanation has no contributions"):
        ExplanationDisplay.from_explanation(PairExplanation(0.5, []))


def test_a_number_of_features_below_1_is_refused():
    with pytest.raises(ValueError, match="n_features == 0"):
        ExplanationDisplay.from_explanation(EXPLANATION, n_features=0)
