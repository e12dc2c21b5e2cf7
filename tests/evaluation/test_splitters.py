import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, cross_val_score

from skmatch import ClassDisjointKFold, ClusterDisjointKFold


@pytest.mark.parametrize("dtype", [np.int64, str, object])
@pytest.mark.parametrize("shuffle", [False, True])
def test_no_product_stands_on_both_sides(rng, dtype, shuffle):
    y = rng.integers(0, 30, 200).astype(str).astype(dtype)
    folds = ClassDisjointKFold(4, shuffle=shuffle, random_state=0 if shuffle else None)
    tested = []
    for train, test in folds.split(np.zeros(200), y):
        assert not set(y[train]) & set(y[test])
        tested.append(test)
    assert sorted(np.concatenate(tested)) == list(range(200))


def test_equals_group_k_fold_by_y(rng):
    y = rng.integers(0, 30, 200)
    ours = list(ClassDisjointKFold(3).split(y, y))
    theirs = list(GroupKFold(3).split(y, y, groups=y))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a[1], b[1])


def test_shuffle_follows_random_state(rng):
    y = rng.integers(0, 30, 200)

    def first_test(seed):
        folds = ClassDisjointKFold(3, shuffle=True, random_state=seed)
        return next(folds.split(y, y))[1].tolist()

    assert first_test(0) == first_test(0)
    assert first_test(0) != first_test(1)


def test_works_where_groups_do_not_reach(rng):
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import GridSearchCV

    y = np.repeat(np.arange(12), 3)
    inner = GridSearchCV(
        DummyClassifier(), {"strategy": ["prior"]}, cv=ClassDisjointKFold(2)
    )
    scores = cross_val_score(inner, np.zeros((36, 1)), y, cv=ClassDisjointKFold(3))
    assert scores.tolist() == [0, 0, 0]  # no class of a test fold was ever seen


def test_missing_y_and_too_few_labels():
    with pytest.raises(ValueError, match="y=None; it needs y"):
        next(ClassDisjointKFold(2).split([0, 1]))
    with pytest.raises(ValueError, match="Cannot have number of splits"):
        next(ClassDisjointKFold(3).split([0, 1, 2], [0, 0, 1]))


def test_number_of_folds():
    assert ClassDisjointKFold(7).get_n_splits() == 7
    assert repr(ClassDisjointKFold(7)).startswith("ClassDisjointKFold(n_splits=7")


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_label_is_named(missing):
    with pytest.raises(ValueError, match="row 2 of y is"):
        next(ClassDisjointKFold(2).split([0, 1, 2], ["a", "b", missing]))


GOODS = ["tea", "mug", "lamp", "rope"]


@pytest.fixture
def goods(rng):
    """Titles of four kinds of goods, and their product labels."""
    kind = rng.integers(0, 4, 60)
    words = rng.integers(0, 9, (60, 2, 3))
    titles = [
        f"{GOODS[k]} " + " ".join(f"{GOODS[k]}{word}" for word in title)
        for k, product in zip(kind, words, strict=True)
        for title in product
    ]
    return np.array(titles, dtype=object), np.repeat(np.arange(60), 2)


def test_clusters_are_products_with_similar_words(goods):
    titles, y = goods
    kinds = np.array([title.split()[0] for title in titles])
    splits = [*ClusterDisjointKFold(4).split(titles, y)]
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(120))
    for train, test in splits:
        assert not set(y[train]) & set(y[test])
        assert len(train) + len(test) == 120
        assert 24 <= len(test) <= 36
        assert np.unique(kinds[test], return_counts=True)[1].max() > 0.7 * len(test)


def test_clusters_depend_on_nothing_but_titles_and_labels(goods):
    titles, y = goods
    first = [test.tolist() for _, test in ClusterDisjointKFold(3).split(titles, y)]
    again = ClusterDisjointKFold(3).split([[t, ""] for t in titles], y.astype(str))
    assert {*map(tuple, first)} == {tuple(test.tolist()) for _, test in again}


@pytest.mark.parametrize(
    "titles",
    [
        ["", " ", ""],
        ["a", "a", "a"],
        ["a", "b", "c"],
        [" ".join(map(str, range(150)))] * 3,
    ],
    ids=["no words", "one word", "different", "one long title"],
)
def test_every_fold_has_a_product(titles):
    splits = [*ClusterDisjointKFold(3).split(titles, [0, 1, 2])]
    assert sorted(test.tolist() for _, test in splits) == [[0], [1], [2]]


def test_what_cannot_be_clustered_is_named():
    with pytest.raises(ValueError, match="y=None; it needs y"):
        next(ClusterDisjointKFold(2).split(["a", "b"]))
    with pytest.raises(ValueError, match="n_splits=3 is more than the 2 different"):
        next(ClusterDisjointKFold(3).split(["a", "b", "c"], [0, 0, 1]))
    with pytest.raises(ValueError, match=r"numbers of samples: \[1, 2\]"):
        next(ClusterDisjointKFold(2).split(["a"], [0, 1]))
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        next(ClusterDisjointKFold(2).split(["a", None], [0, 1]))
    with pytest.raises(ValueError, match="n_splits == 1, must be >= 2"):
        next(ClusterDisjointKFold(1).split(["a", "b"], [0, 1]))
