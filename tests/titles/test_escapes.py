import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmatch import decode_escapes


@pytest.mark.parametrize(
    ("title", "decoded"),
    [
        (r"\xe2\x9d\xa4 caf\xc3\xa9", "❤ café"),
        (r"\xC3\xA9", "é"),
        (r"\xf0\x9f\x87\xb2\xf0\x9f\x87\xa8MG", "🇲🇨MG"),
        (r"size \x41B", "size AB"),
        (r"50% \xff off", r"50% \xff off"),  # no UTF-8
        (r"\xe2\x9d caf\xc3\xa9", r"\xe2\x9d café"),
        (r"C:\xyz \x4", r"C:\xyz \x4"),
        ("❤ tea", "❤ tea"),
        ("", ""),
    ],
)
def test_escapes(title, decoded):
    titles = decode_escapes([title, "mug"])
    assert titles.tolist() == [decoded, "mug"]
    assert titles.dtype == object


def test_first_in_a_pipeline():
    decoder = FunctionTransformer(decode_escapes)
    pipeline = make_pipeline(decoder, TfidfVectorizer(analyzer="char"))
    vectors = pipeline.fit_transform([r"caf\xc3\xa9", "café"]).toarray()
    assert_array_equal(vectors[0], vectors[1])


def test_fields_are_joined_and_the_input_is_left():
    rows = np.array([[r"\xc3\xa9", "a"], ["b", r"\xc3\xa8"]], dtype=object)
    before = rows.copy()
    assert decode_escapes(rows).tolist() == ["é a", "b è"]
    assert_array_equal(rows, before)
    assert_array_equal(decode_escapes(before[:, 0]), ["é", "b"])
    assert_array_equal(rows, before)


def test_a_missing_title():
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        decode_escapes(["tea", None])
