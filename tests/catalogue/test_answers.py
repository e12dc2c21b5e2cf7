"""What people said binds: along chains, the last word first, and beyond a removal."""

import numpy as np
import pytest

from skmatch.catalogue._answers import Answers

NOTHING = Answers({})


def same(answers):
    return sorted(pair for pair, is_same in answers.pairs.items() if is_same)


def apart(answers):
    return sorted(pair for pair, is_same in answers.pairs.items() if not is_same)


def test_a_set_is_the_same_by_its_first_row():
    assert same(NOTHING.say_same([7, 3, 5])) == [(3, 5), (3, 7)]


def test_rows_that_part_are_one_product_and_not_the_others():
    said = NOTHING.say_apart([1, 2], [5, 4])
    assert same(said) == [(1, 2)]
    assert apart(said) == [(1, 4), (1, 5)]


def test_to_say_the_same_takes_back_that_they_are_apart():
    said = NOTHING.say_apart([1], [4, 9]).say_same([1, 4])
    assert same(said) == [(1, 4)]
    assert apart(said) == [(1, 9)]


def test_to_part_takes_back_that_they_are_the_same():
    said = NOTHING.say_same([1, 2, 3, 4]).say_apart([1, 2], [3, 4])
    assert same(said) == [(1, 2), (3, 4)]  # which was said of these, too
    assert apart(said) == [(1, 3), (1, 4)]


def test_one_that_is_the_same_takes_the_place_of_a_removed_row():
    said = NOTHING.say_same([1, 2, 3]).say_apart([1, 2, 3], [8]).without(1)
    assert same(said) == [(2, 3)]
    assert apart(said) == [(2, 8)]
    assert NOTHING.say_apart([1], [8]).without(1) == NOTHING


def test_answers_among_rows_are_told_by_place():
    said = NOTHING.say_same([5, 9]).say_apart([7], [5])
    left, right = said.among(np.array([5, 7, 9]), is_same=True)
    assert (left.tolist(), right.tolist()) == ([0], [2])
    left, right = said.among(np.array([5, 7]), is_same=False)
    assert (left.tolist(), right.tolist()) == ([0], [1])
    assert sorted(said.partners(np.array([9]))) == [5, 9]


@pytest.mark.parametrize("is_same", [True, False])
def test_no_answer_among_other_rows(is_same):
    left, right = NOTHING.say_same([5, 9]).among(np.array([5, 7]), is_same)
    assert left.size == right.size == 0
