import numpy as np
from numpy.testing import assert_array_equal

from skmatch.titles import distinct, tokenize


def test_distinct_folds_case_and_spaces():
    texts, text_of_row = distinct(np.array(["c", "A  b", "a b ", "C"], dtype=object))
    assert texts == ["a b", "c"]
    assert_array_equal(text_of_row, [1, 0, 0, 1])


def test_tokens_are_words_and_punctuation():
    assert tokenize(["tea 1,5kg (new!)", ""]) == [
        ["tea", "1", ",", "5kg", "(", "new", "!)"],
        [],
    ]
