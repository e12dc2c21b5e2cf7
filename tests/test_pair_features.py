import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch import _pair_features as pair_features
from skmatch._pair_features import (
    _UNIT,
    PairFeatures,
    compare_neighbourhoods,
    count,
    find_quantities,
)

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


@pytest.mark.parametrize(
    ("title", "quantities", "codes"),
    [
        ("susu 200 ml", {("volume", 200.0)}, set()),
        ("susu 0,2l", {("volume", 200.0)}, set()),
        ("beras 1.5kg", {("mass", 1500.0)}, set()),
        ("galaxy a20s 32gb", {("storage", 32768.0)}, {"a20s"}),
        ("tv 32 inch", {("length", 812.8)}, set()),
        ("isi 12", {("count", 12.0)}, set()),
        ("sabun 3 x 80gr", {("count", 3.0), ("mass", 80.0)}, set()),
        ("kaos 2 pcs", {("count", 2.0)}, set()),
        ("wh-1000xm4", set(), {"wh1000xm4"}),
        ("serum 10%", {("share", 10.0)}, set()),
        ("no 7 merah", {("number", 7.0)}, set()),
        ("5 merah", {("number", 5.0)}, set()),  # no metre
        ("", set(), set()),
    ],
)
def test_quantities_and_codes(title, quantities, codes):
    assert find_quantities(title) == (quantities, codes)


@given(
    number=st.decimals(min_value="0.1", max_value=9999, places=1),
    unit=st.sampled_from(sorted(_UNIT)),
    space=st.sampled_from(["", " ", "  "]),
    comma=st.booleans(),
)
def test_a_number_with_a_unit_is_one_quantity(number, unit, space, comma):
    kind, size = _UNIT[unit]
    text = str(number).replace(".", ",") if comma else str(number)
    found, codes = find_quantities(f"barang {text}{space}{unit}")
    assert codes == set()
    ((found_kind, value),) = found
    assert found_kind == kind
    assert math.isclose(value, float(number) * size, rel_tol=1e-4)


@given(
    st.from_regex(re.compile(r"[a-z]{1,4}[0-9]{1,4}[a-z]?", re.ASCII), fullmatch=True)
)
def test_letters_before_a_number_are_a_code(code):
    quantities, codes = find_quantities(f"barang {code} baru")
    assert (quantities, codes) == (set(), {code})


@given(st.text())
def test_any_text_can_be_read(text):
    quantities, codes = find_quantities(text.lower())
    assert all(np.isfinite(value) for _, value in quantities)
    assert "" not in codes


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


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    scores = np.triu(rng.random((9, 9)) * (rng.random((9, 9)) < 0.6), k=1)
    return (scores + scores.T).astype(np.float32)


def oracle(graph, a, b):
    """Compare two rows of a dense graph the slow way."""
    score = graph[a, b]
    sides = []
    for row in (graph[a], graph[b]):
        ranked = sorted(row[row > 0], reverse=True)
        others = list(ranked)
        others.remove(score)
        near = ranked[4] if len(ranked) > 4 else None
        sides.append(
            {
                "rank": sum(x > score for x in row),
                "of_best": score / ranked[0],
                "of_near": score / near if near else 10.0,
                "margin": score - max(others, default=0),
                "degree": row.sum(),
            }
        )
    result = {"score": score, "score_support": graph[a] @ graph[b]}
    for what in sides[0]:
        less, more = sorted(side[what] for side in sides)
        result |= {f"score_{what}_less": less, f"score_{what}_more": more}
    one, two = graph[a].copy(), graph[b].copy()
    one[a] = two[b] = 1
    norms = np.linalg.norm(one) * np.linalg.norm(two)
    result["score_agreement"] = one @ two / norms
    return result


def test_neighbourhoods_against_a_slow_oracle(graph):
    left, right = np.nonzero(np.triu(graph))
    sparse = csr_array(graph)
    found = compare_neighbourhoods(
        "score", graph[left, right], left, right, sparse, sparse
    )
    for place, (a, b) in enumerate(zip(left, right, strict=True)):
        expected = oracle(graph, a, b)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name][place] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("sides", [(False, True), (True, False), (False, False)])
def test_a_pair_that_is_not_in_the_graph_is_seen_as_if_it_were(graph, sides):
    sparse = csr_array(graph)
    for a, b in zip(*np.nonzero(np.triu(graph)), strict=True):
        score, pair = graph[[a], [b]], (np.array([a]), np.array([b]))
        expected = compare_neighbourhoods("s", score, *pair, sparse, sparse)
        graphs = []
        for is_in, row, column in ((sides[0], a, b), (sides[1], b, a)):
            without = graph.copy()
            if not is_in:
                without[row, column] = 0
            lean = csr_array(without)
            lean.eliminate_zeros()
            graphs.append(lean)
        found = compare_neighbourhoods(
            "s", score, *pair, *graphs, in_left=sides[0], in_right=sides[1]
        )
        for name in expected:
            assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
