import sys

import numpy as np
import pytest
from matplotlib import pyplot

from skmatch.plotting import GroupSizesDisplay
from skmatch.plotting._display import thin_out


@pytest.fixture
def display():
    return GroupSizesDisplay(*np.array([[1, 2], [2, 1], [4, 0]]))


def test_axes_that_are_given_are_drawn_on(display, ax):
    assert display.plot(ax) is display
    assert (display.ax_, display.figure_) == (ax, ax.figure)


def test_a_figure_is_made_where_no_axes_are_given(display):
    display.plot()
    assert pyplot.get_fignums() == [display.figure_.number]


def test_axes_that_are_none_are_refused(display):
    with pytest.raises(ValueError, match=r"ax='figure 1'; expected Axes of matplotlib"):
        display.plot("figure 1")


def test_without_matplotlib_an_error_says_how_to_install_it(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r"GroupSizesDisplay needs matplotlib: pip install 'skmatch\[plot\]'"
    with pytest.raises(ImportError, match=message):
        display.plot()


def test_points_that_look_the_same_are_drawn_once():
    x = np.array([0, 0.0004, 0.5, 0.5004, 1])
    y = np.array([0, 0.0001, 1, 0.5, 1])
    assert thin_out(x, y).tolist() == [1, 2, 3, 4]


def test_all_points_of_a_few_are_drawn():
    assert thin_out(np.array([3.0, 5.0, 9.0]), np.ones(3)).tolist() == [0, 1, 2]
    assert thin_out(np.ones(1), np.ones(1)).tolist() == [0]
