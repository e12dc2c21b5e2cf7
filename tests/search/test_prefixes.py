import pytest

from skmatch.search import _prefixes, plan_search, search_pairs, unit_rows
from skmatch.search._prefixes import measure_prefixes
from skmatch.search._radius import Plan, shorten


@pytest.fixture
def rows(rng):
    low = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 300))
    return unit_rows(low + 0.01 * rng.normal(size=low.shape))


@pytest.fixture
def pcas(monkeypatch):
    """Note which PCA is made, of how many directions."""
    made = []

    def note(name):
        pca = getattr(_prefixes, name)

        def make(rows, n_directions):
            made.append((name, n_directions))
            return pca(rows, n_directions)

        monkeypatch.setattr(_prefixes, name, make)

    note("_pca")
    note("_randomized_pca")
    return made


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (1e10, [("_pca", 191)]),
        (3e8, [("_randomized_pca", 63)]),
        (1e6, []),
    ],
)
def test_budget_bounds_what_is_measured(rows, pcas, budget, expected):
    prefixes = measure_prefixes(rows, rows, 0.9, 1.0, budget)
    assert pcas == expected
    assert prefixes[0].directions is None
    assert prefixes[-1].n_columns == (expected[0][1] + 1 if expected else 300)


@pytest.mark.parametrize("budget", [1e10, 3e8])
def test_prefixes_let_through_what_the_short_rows_do(rows, budget):
    exact = (rows @ rows.T >= 0.9).mean()
    _, *prefixes = measure_prefixes(rows[:250], rows, 0.9, 1.0, budget)
    for prefix in prefixes:
        assert prefix.n_columns == prefix.directions.shape[1] + 1
        short = shorten(rows, prefix.directions)
        assert (short @ short.T >= rows @ rows.T).all()
        through = prefix.reranks / (170 * 300)
        counted = (shorten(rows[:250], prefix.directions) @ short.T >= 0.9).mean()
        assert through == pytest.approx(counted, rel=0.01)
        if prefix.n_columns > 6:  # all that there is in these rows
            assert exact <= through < exact + 0.01


def test_plan_of_many_columns_makes_no_full_pca(rng, pcas):
    rows = unit_rows(rng.normal(size=(50, 3000)))
    options = {"target_recall": 0.9, "n_threads": 1}
    made = plan_search(rows, None, 0.5, index="cells", **options)
    assert {name for name, _ in pcas} <= {"_randomized_pca"}
    found, expected = (search_pairs(rows, None, 0.5, x, 1) for x in (made, Plan()))
    assert len(found[0]) == len(expected[0])


def test_cells_are_not_tried_where_to_train_them_is_dear(rng, monkeypatch):
    tried = []
    monkeypatch.setattr("skmatch.search._planner.Cells", tried.append)
    monkeypatch.setattr("skmatch.search._planner._SMALL", 1.0)
    rows = unit_rows(rng.normal(size=(100, 20)))
    options = {"target_recall": 0.9, "n_threads": 1}
    assert plan_search(rows, None, 0.5, index="exact", **options).cells is None
    assert not tried
