"""Known products beside a slow oracle, and what they are worth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from skmatch import TitlePairClassifier
from skmatch.pairs._context import PairIndices
from skmatch.pairs._known_products import NAMES, KnownProducts, compare_with_known


def compare_slowly(scores, i, j, products, hidden=()):
    """Compare one pair as the docstring says."""
    likeness = []
    for own, other in ((i, j), (j, i)):
        best = {}
        for row, product in enumerate(products):
            is_known = product >= 0 and product not in hidden and row != other
            if is_known and scores[own, row] > 0:
                best[product] = max(best.get(product, 0), scores[own, row])
        likeness.append(best)
    left, right = likeness
    common = left.keys() & right.keys()
    return [
        max((min(left[p], right[p]) for p in common), default=0),
        sum(left[p] * right[p] for p in common),
        bool(left and right) and max(left, key=left.get) == max(right, key=right.get),
    ]


@pytest.mark.parametrize("hides_own", [False, True])
def test_like_the_oracle(hides_own):
    rng = np.random.default_rng(0)
    scores = rng.random((30, 30)) * (rng.random((30, 30)) < 0.3)
    scores = np.triu(scores, 1) + np.triu(scores, 1).T
    products = rng.integers(-1, 6, 30)
    left, right = np.array([(i, j) for j in range(30) for i in range(j)]).T
    found = compare_with_known(
        csr_array(scores), PairIndices(left, right), products, hides_own=hides_own
    )
    expected = [
        compare_slowly(
            scores, i, j, products, {products[i], products[j]} if hides_own else ()
        )
        for i, j in zip(left, right, strict=True)
    ]
    assert found.dtype == np.float32
    assert_allclose(found, np.array(expected, float), atol=1e-6)
    assert len(np.unique(found[:, 2])) == 2


def test_nothing_is_known():
    scores = csr_array(np.ones((3, 3)) - np.eye(3))
    pairs = PairIndices(np.array([0, 1]), np.array([1, 2]))
    assert_array_equal(compare_with_known(scores, pairs, np.full(3, -1)), 0)
    none = PairIndices(*np.empty((2, 0), np.intp))
    assert compare_with_known(scores, none, np.arange(3)).shape == (0, 3)


def test_rows_are_known_by_what_they_say():
    fields = np.array(["tea", "Tea", "mug", "cup"], dtype=object)
    known = KnownProducts.of(fields, np.array([0, 0, 1, 2]))
    assert known.names.tolist() == ["tea", "Tea"]  # of others there is one title only
    asked = np.array(["mug", "Tea", "new"], dtype=object)
    assert known.find(asked).tolist() == [-1, 0, -1]
    rows = np.array([["tea", 3], ["tea", 4], ["tea", 3]], dtype=object)
    known = KnownProducts.of(rows, np.array([5, 5, 7]))
    assert known.find(rows[:2]).tolist() == [5, 5]


def make_pairs():
    """Two new titles of a product share nothing but each a word with a known one."""
    rng = np.random.default_rng(0)
    known, new = [], []
    for p in range(120):
        words = [f"{letter}{p}" for letter in "abcdef"]
        brand = f"brand{p % 12}"
        known.append([f"{brand} {' '.join(rng.permutation(words))}" for _ in range(3)])
        new.append([f"{brand} {' '.join(half)}" for half in (words[:3], words[3:])])
    return np.array(known), np.array(new)


def test_they_bring_new_titles_together(monkeypatch):
    known, new = make_pairs()
    rng = np.random.default_rng(1)
    n = len(known)
    rival = (np.arange(n) + 12 * rng.integers(1, 9, n)) % n  # of the same brand

    def pair_up(titles):
        same = [(titles[p, 0], titles[p, 1]) for p in range(n)]
        near = [(titles[p, 0], titles[rival[p], 1]) for p in range(n)]
        return np.array([*same, *near], dtype=object), np.arange(2 * n) < n

    X, y = pair_up(known)
    more = [(known[p, 1], known[p, 2]) for p in range(n)]
    X, y = np.concatenate([X, more]), np.concatenate([y, np.ones(n, bool)])
    asked, answers = pair_up(new)
    quick = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    losses = []
    for names in (set(NAMES), set()):
        classifier = TitlePairClassifier(classifier=quick, cv=2, random_state=0)
        classifier.fit(X, y)
        losses.append(log_loss(answers, classifier.predict_proba(asked)))
        explained = classifier.explain(*asked[0]).contributions
        assert {name for name, *_ in explained} & set(NAMES) == names
        none = KnownProducts(np.empty(0, dtype=object), np.empty(0, np.intp))
        monkeypatch.setattr(KnownProducts, "of", lambda *args, none=none: none)
    assert losses[0] < losses[1] / 2
