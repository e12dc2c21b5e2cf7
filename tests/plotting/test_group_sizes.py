import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmatch.plotting import GroupSizesDisplay


def test_points_are_the_sizes_that_there_are(legend):
    products = np.repeat(["bag", "mug", "pen", "tea"], [1, 1, 4, 4])
    groups = [0, 0, 1, 1, 1, 1, 2, 2, 2, 3]
    display = GroupSizesDisplay.from_predictions(products, groups)
    assert_array_equal(display.true_.get_xydata(), [[1, 2], [4, 2]])
    assert_array_equal(
        display.predicted_.get_xydata(), [[1, 1], [2, 1], [3, 1], [4, 1]]
    )
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")
    assert display.ax_.get_title() == "Gallery of 10 rows"
    assert legend(display) == [
        "products: 4, the largest of 4 rows",
        "groups: 4, the largest of 4 rows",
    ]


def test_a_group_larger_than_each_product_is_seen():
    display = GroupSizesDisplay.from_predictions([0, 1, 2, 3], ["a", "a", "a", "b"])
    assert_array_equal(display.size, [1, 3])
    assert_array_equal(display.n_true, [4, 0])
    assert_array_equal(display.n_predicted, [1, 1])


@pytest.mark.parametrize(
    ("y", "groups", "message"),
    [
        ([0, None], [0, 0], "row 1 of y is None"),
        ([0, 1], [0, np.nan], "row 1 of groups is nan"),
        ([0, 1], [0, 0, 1], "inconsistent numbers of samples"),
        ([], [], "y is empty"),
    ],
)
def test_bad_input_is_named(y, groups, message):
    with pytest.raises(ValueError, match=message):
        GroupSizesDisplay.from_predictions(y, groups)
