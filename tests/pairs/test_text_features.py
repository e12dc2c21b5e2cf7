import math
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from skmatch.pairs import _near_words
from skmatch.pairs._parsed_titles import ParsedTitles, count_words
from skmatch.pairs._text_features import TextFeatures

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
KNOWN = count_words(TITLES[:4])
LEFT, RIGHT = np.triu_indices(len(TITLES), k=1)


def parse(titles=TITLES, known=KNOWN, around=None):
    return ParsedTitles(titles, np.array(titles, dtype=object), known, around)


@pytest.fixture(scope="module")
def described():
    return TextFeatures(KNOWN).transform(parse(), LEFT, RIGHT)


@pytest.fixture(scope="module")
def get(described):
    names = TextFeatures(KNOWN).names
    pairs = list(zip(LEFT.tolist(), RIGHT.tolist(), strict=True))

    def get(name, a, b):
        return float(described[pairs.index((a, b)), names.index(name)])

    return get


def weight(word):
    """Inverse document frequency of a word, in [0, 1], counted by hand."""
    words = [set(re.findall(r"\w+", title.lower())) for title in TITLES]
    n_titles = 4 + len(words)
    n_with = sum(word in w for w in words[:4]) + sum(word in w for w in words)
    return math.log((1 + n_titles) / (1 + n_with)) / math.log(1 + n_titles)


def test_names_are_those_of_the_columns(described):
    names = TextFeatures(KNOWN).names
    assert len(set(names)) == len(names) == described.shape[1]
    assert described.dtype == np.float32
    assert np.isfinite(described).all()


def test_the_order_of_a_pair_has_no_meaning(described):
    swapped = TextFeatures(KNOWN).transform(parse(), RIGHT, LEFT)
    assert_array_equal(swapped, described)


def test_words_of_a_pair_by_hand(get):
    """samsung galaxy a20 32gb merah | samsung galaxy a20s 32 gb red."""
    shared = weight("samsung") + weight("galaxy")
    one = weight("a20") + weight("32gb") + weight("merah")
    other = weight("a20s") + weight("32") + weight("gb") + weight("red")
    expected = {
        "words_shared": shared,
        "words_missing_min": min(one, other),
        "words_missing_max": max(one, other),
        "words_jaccard": shared / (shared + one + other),
        "words_contained": shared / (shared + min(one, other)),
        "words_n_shared": 2,
        "words_rarest_shared": max(weight("samsung"), weight("galaxy")),
        "words_rarest_missing_min": max(map(weight, ("a20", "32gb", "merah"))),
        "words_rarest_missing_max": max(map(weight, ("a20s", "32", "gb", "red"))),
        "words_unseen_min": 0,
        "words_unseen_max": 0,
        "words_bigrams": 1 / (4 + 5 - 1),  # "samsung galaxy"
        "words_first": 1,
        "words_last": 0,
    }
    found = {name: get(name, 0, 1) for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_words_that_no_title_of_fit_has_are_unseen(get):
    """casing hp 5 inch hitam | casing hp hitam 7 inci: of these, fit saw 5 (of 1.5)."""
    one, other = weight("inch"), weight("7") + weight("inci")
    assert get("words_unseen_min", 5, 6) == pytest.approx(min(one, other), abs=1e-6)
    assert get("words_unseen_max", 5, 6) == pytest.approx(max(one, other), abs=1e-6)


def test_words_against_a_slow_oracle(get):
    words = [set(re.findall(r"\w+", title.lower())) for title in TITLES]
    for a, b in zip(LEFT.tolist(), RIGHT.tolist(), strict=True):
        shared = sum(map(weight, words[a] & words[b]))
        alone = [sum(map(weight, x)) for x in (words[a] - words[b],
                                               words[b] - words[a])]  # fmt: skip
        union = shared + sum(alone)
        rarest = max(map(weight, words[a] & words[b]), default=0)
        jaccard = shared / union if union else 0
        assert get("words_shared", a, b) == pytest.approx(shared, abs=1e-5)
        assert get("words_missing_max", a, b) == pytest.approx(max(alone), abs=1e-5)
        assert get("words_jaccard", a, b) == pytest.approx(jaccard, abs=1e-5)
        assert get("words_rarest_shared", a, b) == pytest.approx(rarest, abs=1e-5)


def align(alone, others):
    """Return what is missing of the words of one title alone, and similarities."""
    similar = {
        (a, b): fuzz.ratio(a, b) / 100
        for a in alone
        for b in others
        if fuzz.ratio(a, b) >= 50 and not (a.isdigit() or b.isdigit())
    }
    nearest = {a: max([0, *(similar.get((a, b), 0) for b in others)]) for a in alone}
    return {a: weight(a) * (1 - nearest[a]) for a in alone}, sum(similar.values())


def test_near_words_of_a_pair_by_hand(get):
    """a20 is near to a20s; merah, red and 32 are near to nothing, 32gb is to gb."""
    one, other = {"a20", "32gb", "merah"}, {"a20s", "32", "gb", "red"}
    missing, near = align(one, other)
    missing_other, _ = align(other, one)
    rest, rest_other = sum(missing.values()), sum(missing_other.values())
    shares = [
        1 - rest / sum(map(weight, one)),
        1 - rest_other / sum(map(weight, other)),
    ]
    worst = max(missing.values()), max(missing_other.values())
    expected = {
        "alignment_missing_min": min(rest, rest_other),
        "alignment_missing_max": max(rest, rest_other),
        "alignment_share_min": min(shares),
        "alignment_share_max": max(shares),
        "alignment_rarest_missing_min": min(worst),
        "alignment_rarest_missing_max": max(worst),
        "alignment_near": (fuzz.ratio("a20", "a20s") + fuzz.ratio("32gb", "gb")) / 100,
    }
    assert near == pytest.approx(expected["alignment_near"])
    found = {name: get(name, 0, 1) for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_near_words_against_a_slow_oracle(get):
    words = [set(re.findall(r"\w+", title.lower())) for title in TITLES]
    for a, b in zip(LEFT.tolist(), RIGHT.tolist(), strict=True):
        sides = words[a] - words[b], words[b] - words[a]
        rest = [sum(align(*x)[0].values()) for x in (sides, sides[::-1])]
        near = align(*sides)[1]
        assert get("alignment_missing_min", a, b) == pytest.approx(min(rest), abs=1e-5)
        assert get("alignment_missing_max", a, b) == pytest.approx(max(rest), abs=1e-5)
        assert get("alignment_near", a, b) == pytest.approx(near, abs=1e-5)


def test_the_heaviest_words_of_long_titles_are_aligned(monkeypatch):
    """Others are not looked at; and blocks change nothing."""
    titles = ["abcdx common", "abcdy", "other words here", "nothing of it"]
    titles += ["common"] * 9
    features = TextFeatures(KNOWN)
    names = features.names
    left, right = np.triu_indices(4, 1)
    whole = features.transform(parse(titles), left, right)
    monkeypatch.setattr(_near_words, "_PAIRS_ALIGNED", 2)
    assert_array_equal(features.transform(parse(titles), left, right), whole)
    monkeypatch.setattr(_near_words, "_WORDS_ALIGNED", 1)
    heaviest = features.transform(parse(titles), left, right)
    near, *missing = (
        names.index(f"alignment_{n}") for n in ("near", "missing_min", "missing_max")
    )
    assert heaviest[0, near] == pytest.approx(0.8)
    assert heaviest[0, missing[0]] == pytest.approx(whole[0, missing[0]])
    assert heaviest[0, missing[1]] == pytest.approx(heaviest[0, missing[0]])
    assert whole[0, missing[1]] > 1.5 * whole[0, missing[0]]  # "common", too
    monkeypatch.setattr(_near_words, "_WORDS_ALIGNED", 0)
    none = features.transform(parse(titles), left, right)
    assert (none[:, near] == 0).all()


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        # 32GB and 32 gb agree; a20 and a20s are two codes
        ((0, 1), (1, 0, 0, 0, 0, 0, 1, 1)),
        # 1.5 kg and 1500gr agree; isi 2 is missing
        ((2, 3), (1, 0, 1, 0, 0, 0, 0, 0)),
        # 5 inch and 7 inci conflict
        ((5, 6), (0, 1, 0, 0, 0, 0, 0, 0)),
        # the same title
        ((0, 7), (1, 0, 0, 0, 0, 1, 0, 0)),
    ],
)
def test_quantities_and_codes_of_a_pair_by_hand(get, pair, expected):
    names = [f"quantities_{n}" for n in ("agree", "conflict", "missing")]
    names += ["quantities_number_agree", "quantities_number_conflict"]
    names += ["codes_shared", "codes_alone_min", "codes_alone_max"]
    found = tuple(get(name, *pair) for name in names)
    assert found == expected


def test_numbers_without_a_unit_agree_and_conflict():
    titles = ["no 7 merah", "merah 7", "no 8 merah"]
    features = TextFeatures(KNOWN)
    left, right = np.array([0, 0]), np.array([1, 2])
    values = features.transform(parse(titles), left, right)
    agree = features.names.index("quantities_number_agree")
    assert_array_equal(values[:, agree], [1, 0])
    assert_array_equal(values[:, agree + 1], [0, 1])


def test_edit_similarity_of_codes(get):
    assert get("codes_similar", 0, 1) == pytest.approx(fuzz.ratio("a20", "a20s") / 100)
    assert get("codes_similar", 0, 7) == 1
    assert get("codes_similar", 0, 2) == -1  # there is none to compare


def test_characters_of_a_pair_by_hand(get):
    a, b = "casing hp 5 inch, hitam!", "casing hp hitam 7 inci"
    compact = "casinghp5inchhitam", "casinghphitam7inci"

    def both(scorer, one, other):
        return (scorer(one, other) + scorer(other, one)) / 2

    expected = {
        "characters_ratio": fuzz.ratio(a, b),
        "characters_sorted": fuzz.ratio(
            "5 casing hitam hp inch", "7 casing hitam hp inci"
        ),
        "characters_set": both(fuzz.token_set_ratio, a, b),
        "characters_compact": fuzz.ratio(*compact),
        "characters_partial": both(fuzz.partial_ratio, *compact),
        "characters_prefix": JaroWinkler.similarity(a, b),
    }
    found = {name: get(name, 5, 6) for name in expected}
    assert found == pytest.approx(expected, rel=1e-6)
    assert get("characters_ratio", 0, 7) == 100


def test_lengths_of_a_pair_by_hand(get):
    expected = {
        "lengths_words_min": 5,  # samsung galaxy a20 32gb merah
        "lengths_words_max": 6,
        "lengths_characters_min": 29,
        "lengths_characters_max": 29,
        "lengths_same_min": 1,
        "lengths_same_max": 2,  # the first title stands twice
    }
    assert {name: get(name, 0, 1) for name in expected} == expected
    assert get("lengths_same_min", 0, 7) == 2


def test_counts_of_the_gallery_can_be_given(described):
    some = (LEFT < 3) & (RIGHT < 3)
    titles = parse(TITLES[:3], around=count_words(TITLES))
    values = TextFeatures(KNOWN).transform(titles, LEFT[some], RIGHT[some])
    assert_allclose(values, described[some], rtol=1e-6)


def test_own_features_get_the_fields_and_are_symmetric():
    def longer(a, b):
        return [len(x) - 2 * len(y) for x, y in zip(a, b, strict=True)]

    features = TextFeatures(KNOWN, [longer])
    values = features.transform(parse(["aa", "b"]), np.array([0]), np.array([1]))
    assert features.names[-1] == "own_longer"
    assert values[0, -1] == (0 + -3) / 2


def test_own_feature_of_the_wrong_shape_says_so():
    features = TextFeatures(KNOWN, [lambda a, b: [1.0, 2.0]])
    with pytest.raises(ValueError, match=r"returned shape \(2,\) for 1 pairs"):
        features.transform(parse(["a", "b"]), np.array([0]), np.array([1]))
