import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

from matplotlib import pyplot


@pytest.fixture(autouse=True)
def no_figure_stays():
    """Close all figures: pyplot warns when there are many."""
    yield
    pyplot.close("all")


@pytest.fixture
def ax():
    return pyplot.figure().add_subplot()


@pytest.fixture
def scores():
    """Scores of four rows, of which one pair has none."""
    return np.array(
        [[0, 0.9, 0.3, 0], [0.9, 0, 0.8, 0.3], [0.3, 0.8, 0, 0.6], [0, 0.3, 0.6, 0]]
    )


@pytest.fixture
def legend():
    """Read the legend of a display."""
    return lambda display: [
        text.get_text() for text in display.ax_.get_legend().get_texts()
    ]
