import math
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmatch.pairs import _text_features as pair_features
from skmatch.pairs._text_features import PairFeatures, count

TITLES = [
    "Samsung Galaxy A20 32GB merah",
    "samsung galaxy a20s 32 gb Red",
    "Susu Bubuk 1.5 kg isi 2",
    "susu bubuk 1500gr",
    "",
    "Casing HP 5 inch, hitam!",
    "casing hp hitam 7 inci",
    "Samsung Galaxy A20 32GB merah",
]


@pytest.fixture(scope="module")
def described():
    describe = PairFeatures().fit(TITLES[:4])
    left, right = np.triu_indices(len(TITLES), k=1)
    values = describe.transform(describe.read(TITLES), left, right)
    names = describe.get_feature_names_out()
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))

    def get(name, a, b):
        return float(values[pairs.index((a, b)), names.index(name)])

    return get, values, names, (left, right), describe


def test_names_are_those_of_the_columns(described):
    _, values, names, _, _ = described
    assert len(set(names)) == len(names) == values.shape[1]
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_the_order_of_a_pair_has_no_meaning(described):
    _, values, _, (left, right), describe = described
    swapped = describe.transform(describe.read(TITLES), right, left)
    assert_array_equal(swapped, values)


def test_blocks_change_nothing(described, monkeypatch):
    _, values, _, (left, right), describe = described
    monkeypatch.setattr(pair_features, "_PAIRS_PER_BLOCK", 3)
    blocks = describe.transform(describe.read(TITLES), left, right)
    assert_array_equal(blocks, values)


def test_words_against_a_slow_oracle(described):
    get = described[0]
    words = [set(re.findall(r"\w+", title.lower())) for title in TITLES]
    known, n_known = words[:4], 4
    total = n_known + len(words)

    def weight(word):
        seen = sum(word in w for w in known) + sum(word in w for w in words)
        return math.log((1 + total) / (1 + seen)) / math.log(1 + total)

    for a in range(len(TITLES)):
        for b in range(a + 1, len(TITLES)):
            shared = sum(map(weight, words[a] & words[b]))
            only = [sum(map(weight, x)) for x in (words[a] - words[b],
                                                  words[b] - words[a])]  # fmt: skip
            union = shared + sum(only)
            assert get("words_shared", a, b) == pytest.approx(shared, abs=1e-5)
            assert get("words_missing_more", a, b) == pytest.approx(max(only), abs=1e-5)
            jaccard = shared / union if union else 0
            assert get("words_jaccard", a, b) == pytest.approx(jaccard, abs=1e-5)
            rarest = max(map(weight, words[a] & words[b]), default=0)
            assert get("words_rarest_shared", a, b) == pytest.approx(rarest, abs=1e-5)


def test_quantities_agree_and_conflict(described):
    get = described[0]
    assert get("quantities_agree", 2, 3) == 1  # 1.5 kg and 1500gr
    assert get("quantities_conflict", 2, 3) == 0
    assert get("quantities_missing", 2, 3) == 1  # isi 2
    assert get("quantities_conflict", 5, 6) == 1  # 5 inch and 7 inci


def test_codes_that_are_near_are_not_shared(described):
    get = described[0]
    assert get("codes_shared", 0, 1) == 0
    assert 0.8 < get("codes_similar", 0, 1) < 1
    assert (get("codes_shared", 0, 7), get("codes_similar", 0, 7)) == (1, 1)
    assert get("codes_similar", 0, 2) == -1  # there is none to compare


def test_rows_of_the_same_words_are_counted(described):
    get = described[0]
    assert get("lengths_same_less", 0, 7) == get("lengths_same_more", 0, 1) == 2
    assert get("lengths_same_less", 0, 1) == 1


def test_counts_of_the_gallery_can_be_given(described):
    _, values, _, (left, right), describe = described
    read = describe.read(TITLES[:3], around=count(TITLES))
    some = (left < 3) & (right < 3)
    assert_allclose(
        describe.transform(read, left[some], right[some]), values[some], rtol=1e-6
    )


def test_own_features_get_the_rows_and_are_symmetric():
    def longer(a, b):
        return [len(x) - 2 * len(y) for x, y in zip(a, b, strict=True)]

    describe = PairFeatures([longer]).fit(["aa", "b"])
    values = describe.transform(
        describe.read(["aa", "b"]), np.array([0]), np.array([1])
    )
    assert describe.get_feature_names_out()[-1] == "own_longer"
    assert values[0, -1] == (0 + -3) / 2


def test_own_feature_of_the_wrong_shape_says_so():
    describe = PairFeatures([lambda a, b: [1.0, 2.0]]).fit(["a", "b"])
    with pytest.raises(ValueError, match=r"returned shape \(2,\) for 1 pairs"):
        describe.transform(describe.read(["a", "b"]), np.array([0]), np.array([1]))
