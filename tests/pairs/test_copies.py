"""Titles that are there very often."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmatch import PairClassifierMatcher, group_matches, make_product_titles
from skmatch.pairs import _copies, find_copies


@pytest.fixture
def few(monkeypatch):
    """Two rows of a title are scored, and four are stored."""
    monkeypatch.setattr(_copies, "MOST_SCORED", 2)
    monkeypatch.setattr(_copies, "MOST_STORED", 4)


def as_objects(words):
    return np.array(words.split(","), dtype=object)


@pytest.mark.usefixtures("few")
def test_the_first_copies_are_scored_and_the_others_are_like_the_first():
    copies = find_copies(as_objects("a,b,A ,a,b,c,a,a"))
    assert copies.scored.tolist() == [0, 1, 2, 4, 5]
    assert copies.scored[copies.like].tolist() == [0, 1, 2, 0, 4, 5, 0, 0]
    assert copies.stored.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert copies.second.tolist() == [2, -1, -1, -1, -1]


@pytest.mark.usefixtures("few")
def test_copies_are_equal_in_the_other_things_too():
    titles = as_objects("a,a,a,a,a,a")
    assert find_copies(titles, np.array([1, 1, 2, 2, 2, 1])).scored.tolist() == [
        *range(4)
    ]
    fields = np.array([["a", n % 3] for n in range(6)], dtype=object)
    assert find_copies(titles, fields).scored.tolist() == [*range(6)]


def spread_slowly(copies, graph):
    """Do the same pair by pair."""
    dense, n_rows = graph.toarray(), len(copies.like)
    expected = np.zeros((n_rows, n_rows), np.float32)
    for i in range(n_rows):
        for j in range(n_rows):
            a, b = copies.like[i], copies.like[j]
            if i == j or not np.isin([i, j], copies.stored).any():
                continue
            expected[i, j] = dense[a, b] if a != b else dense[a, copies.second[a]]
    return expected


@pytest.mark.usefixtures("few")
def test_what_is_like_another_has_its_scores():
    titles = as_objects("a,b,A ,a,b,c,a,a,b,b,a,b,b,a")
    copies = find_copies(titles)
    n = len(copies.scored)
    dense = np.random.default_rng(0).random((n, n)).astype(np.float32)
    dense = np.triu(dense, 1) * (dense < 0.7)
    dense[0, 2] = 0.75  # of the two copies of "a"
    graph = csr_array(dense + dense.T)
    found = copies.spread(graph)
    assert_array_equal(found.toarray(), spread_slowly(copies, graph))
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    columns = copies.spread_columns(graph).toarray()
    assert_array_equal(columns[:, copies.stored], dense_columns(copies, graph))
    assert not columns[:, -1].any()


def dense_columns(copies, graph):
    return graph.toarray()[:, copies.like[copies.stored]]


def test_nothing_changes_where_titles_are_few():
    copies = find_copies(np.array(["a"] * 16 + ["b"], dtype=object))
    graph = csr_array((17, 17), dtype=np.float32)
    assert copies.spread(graph) is graph
    assert copies.spread_columns(graph) is graph
    assert copies.scored.tolist() == list(range(17))


@pytest.fixture(scope="module")
def matcher():
    return PairClassifierMatcher(cv=2, random_state=0).fit(
        *make_product_titles(n_products=60, random_state=0)
    )


@pytest.mark.filterwarnings("ignore:The threshold was chosen on galleries:UserWarning")
@pytest.mark.parametrize(
    ("n_copies", "method"), [(400, "average"), (900, "components")]
)
def test_many_equal_titles_take_little_and_are_one_group(
    matcher, recwarn, n_copies, method
):
    others, _ = make_product_titles(n_products=60, random_state=1)
    titles = ["Paper Bag 20 cm"] * n_copies + others.tolist()
    graph = matcher.score_graph(titles)
    said = [str(w.message) for w in recwarn if w.filename == __file__]
    assert ["rows of the title 'Paper Bag 20 cm'" in s for s in said] == (
        [True] if n_copies > 500 else []
    )
    assert graph.nnz < 2 * n_copies * (501 + 30) + len(others) * 100
    assert abs(graph - graph.T).nnz == 0
    groups = group_matches(graph, threshold=0.5, method=method)
    assert len(set(groups[:n_copies])) == 1
    assert len(set(groups[n_copies:]) - {groups[0]}) > 40
    assert matcher.predict(titles)[[n_copies - 1], [0]].all()


def test_equal_titles_of_training_and_catalogue():
    titles, labels = make_product_titles(n_products=60, random_state=0)
    many = np.concatenate([titles, np.repeat(titles[:1], 1000)])
    of_many = np.concatenate([labels, np.repeat(labels[:1], 1000)])
    matcher = PairClassifierMatcher(cv=2, random_state=0).fit(many, of_many)
    found = matcher.transform(titles[:1])
    assert found.shape == (1, len(many))
    assert found.indices.max() == len(titles) + 498
    assert found[[0], [len(titles)]] > 0.5
