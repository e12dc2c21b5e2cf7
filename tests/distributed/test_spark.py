"""Spark finds the pairs of one machine, whatever the partitions and the faults."""

import copy
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    group_matches,
    make_product_titles,
)
from skmatch.matchers import GalleryParts
from skmatch.search import (
    count_rows_with,
    nearest_neighbors,
    plan_partitions,
    unit_rows,
)

pa = pytest.importorskip("pyarrow")
pytest.importorskip("pyspark", minversion="4.0")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.xdist_group("spark"),
]
TITLES, PRODUCT_IDS = make_product_titles(150, random_state=0)
IDS = [f"sku {row}" for row in range(len(TITLES))]


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    folder = str(Path(__file__).parent)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    session = (
        SparkSession.builder.master("local[2,4]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "3")
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture
def importable(monkeypatch):
    """What workers can import as well."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return import_module("spark_embedders")


@pytest.fixture
def watched(importable):
    return importable.Watched


@pytest.fixture(scope="module")
def pipe():
    embedder = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
        TruncatedSVD(32, random_state=0),
    ).fit(TITLES)
    matcher = FaissThresholdMatcher(0.8, index="exact")
    return make_pipeline(embedder, matcher.fit(embedder.transform(TITLES)))


def frame(spark, ids=IDS, titles=TITLES, n_partitions=3):
    rows = pa.table({"sku": ids, "title": pa.array(list(titles), pa.string())})
    return spark.createDataFrame(rows).repartition(n_partitions)


def expected_pairs(pipe, ids=IDS):
    """Return the score of each pair that one machine finds, by ids in order."""
    graph = pipe[-1].score_graph(pipe[:-1].transform(TITLES)).tocoo()
    row, column = graph.coords
    return {
        tuple(sorted((ids[i], ids[j]))): score
        for i, j, score in zip(row, column, graph.data, strict=True)
        if i < j
    }


def pairs_of(answer):
    table = answer.toArrow()
    assert table.column_names == ["left", "right", "score"]
    columns = [column.to_pylist() for column in table.columns]
    found = {(a, b): score for a, b, score in zip(*columns, strict=True)}
    assert len(found) == len(table), "a pair is there twice"
    return found


def assert_same(found, expected):
    assert len(expected) > 500
    assert found.keys() == expected.keys()
    assert_allclose([found[p] for p in expected], [*expected.values()], atol=1e-6)


@pytest.mark.parametrize(("kind", "n_partitions"), [("str", 1), ("int", 5)])
def test_match_finds_the_pairs_of_one_machine(spark, pipe, kind, n_partitions):
    from skmatch.distributed import match

    ids = IDS if kind == "str" else [7 * row - 300 for row in range(len(TITLES))]
    df = frame(spark, ids, n_partitions=n_partitions)
    found = pairs_of(match(pipe, df, title_col="title", id_col="sku"))
    assert_same(found, expected_pairs(pipe, ids))


def test_a_worker_that_is_killed_changes_nothing(spark, pipe, watched, tmp_path):
    from skmatch.distributed import match

    embedder = watched(pipe[:-1], str(tmp_path), dies=True)
    found = pairs_of(
        match(
            make_pipeline(embedder, pipe[-1]),
            frame(spark),
            title_col="title",
            id_col="sku",
        )
    )
    assert_same(found, expected_pairs(pipe))


def test_embeddings_of_a_folder_are_not_made_again(spark, pipe, watched, tmp_path):
    from skmatch.distributed import match

    calls, folder = tmp_path / "calls", str(tmp_path / "kept")
    calls.mkdir()
    other = tmp_path / "kept" / "of another" / "listings.csv"
    other.parent.mkdir(parents=True)
    other.write_text("title")
    fitted = make_pipeline(watched(pipe[:-1], str(calls)), pipe[-1])
    wanted = {"title_col": "title", "id_col": "sku", "folder": folder}
    once = pairs_of(match(fitted, frame(spark), **wanted))
    n_calls = len(os.listdir(calls))
    again = pairs_of(match(fitted, frame(spark, n_partitions=2), **wanted))
    assert n_calls > 0
    assert other.read_text() == "title"
    assert len(os.listdir(calls)) == n_calls
    assert again == once
    assert_same(once, expected_pairs(pipe))
    others = frame(spark, titles=[*TITLES[:-1], "tea"])
    with pytest.raises(ValueError, match="holds other embeddings"):
        match(fitted, others, **wanted)


def test_a_tuned_threshold_is_used(spark, pipe):
    from skmatch.distributed import match

    tuned = TunedThresholdMatcherCV(pipe, cv="prefit").fit(TITLES, PRODUCT_IDS)
    found = pairs_of(match(tuned, frame(spark), title_col="title", id_col="sku"))
    other = make_pipeline(pipe[:-1], tuned.estimator_[-1])
    assert_same(found, expected_pairs(other))


@pytest.mark.parametrize("kind", ["vectors", "pairs"])
def test_link_finds_the_entries_of_transform(spark, pipe, kind):
    from skmatch.distributed import link

    fitted = pipe
    if kind == "pairs":
        fitted = PairClassifierMatcher(random_state=0, threshold=0.5)
        fitted.fit(TITLES, PRODUCT_IDS)
    feed = slice(0, 90)
    df = frame(spark, IDS[feed], TITLES[feed])
    names = None if kind == "pairs" else IDS
    found = link(fitted, df, title_col="title", id_col="sku", catalogue_ids=names)
    graph = fitted.transform(TITLES[feed]).tocoo()
    left, right = graph.coords
    expected = {
        (IDS[i], IDS[j] if names else j): score
        for i, j, score in zip(left, right.tolist(), graph.data, strict=True)
    }
    found = pairs_of(found)
    assert len(expected) > 90
    assert found.keys() == expected.keys()
    assert_allclose([found[p] for p in expected], [*expected.values()], atol=1e-6)


@pytest.mark.parametrize("method", ["average", "complete", "components"])
@pytest.mark.parametrize("most_on_driver", [10**6, 10])
def test_groups_are_those_of_group_matches(
    spark, pipe, monkeypatch, method, most_on_driver
):
    from skmatch.distributed import _groups, group_pairs

    monkeypatch.setattr(_groups, "_MOST_ON_DRIVER", most_on_driver)
    df = frame(spark)
    graph = pipe[-1].score_graph(pipe[:-1].transform(TITLES))
    left, right = graph.nonzero()
    is_once = left < right
    names = np.array(IDS)
    table = {"left": names[left[is_once]], "right": names[right[is_once]]}
    score = graph.data[is_once]
    pairs = spark.createDataFrame(pa.table(table | {"score": score}))
    found = group_pairs(
        pairs, df, id_col="sku", method=method, threshold=0.85
    ).toArrow()
    order = np.argsort(names)
    expected = group_matches(
        csr_array(graph[order][:, order]), method=method, threshold=0.85
    )
    firsts = np.unique(expected, return_index=True)[1]
    expected = dict(zip(names[order], names[order][firsts[expected]], strict=True))
    found = dict(zip(*found.to_pydict().values(), strict=True))
    assert found == expected
    assert 20 < len({*found.values()}) < len(IDS)


@pytest.mark.parametrize("kind", ["pipe", "of_pairs"])
def test_titles_become_groups_in_one_call(spark, request, kind, tmp_path):
    from skmatch.distributed import group_pairs, groups, match

    fitted, df = request.getfixturevalue(kind), frame(spark)
    columns = {"title_col": "title", "id_col": "sku"}
    found = groups(fitted, df, **columns, method="complete", folder=str(tmp_path))
    pairs = match(fitted, df, **columns)
    at = {"method": "complete", "threshold": 0.8 if kind == "pipe" else 0.5}
    expected = group_pairs(pairs, df, id_col="sku", **at).toArrow()
    by_default = group_pairs(pairs, df, id_col="sku", method="complete").toArrow()
    assert by_default.sort_by("id") == expected.sort_by("id")
    assert found.toArrow().sort_by("id") == expected.sort_by("id")
    assert 20 < len({*expected.column("group").to_pylist()}) < len(IDS)
    assert any(tmp_path.iterdir())  # the steps are kept where it says


def test_the_example_of_the_page_runs(spark, capsys):
    page = (Path(__file__).parents[2] / "docs/cluster.rst").read_text("utf-8")
    block = page.split(".. code-block:: python\n")[1].split("\nWhat runs there")[0]
    names = {}
    exec(dedent(block), names)
    assert "|group|" in capsys.readouterr().out
    n_products = names["products"].select("group").distinct().count()
    assert 20 < n_products < names["products"].count() == names["df"].count()


def test_link_counts_the_ids_of_the_catalogue(spark, pipe):
    from skmatch.distributed import link

    wanted = {"title_col": "title", "id_col": "sku", "catalogue_ids": IDS[:-1]}
    with pytest.raises(ValueError, match=rf"{len(IDS) - 1} ids; .* {len(IDS)} "):
        link(pipe, frame(spark), **wanted)


def test_fewer_pairs_are_found_as_the_recall_tells(spark, pipe):
    from skmatch.distributed import match

    matcher = FaissThresholdMatcher(0.6, index="cells", target_recall=0.9)
    narrow = make_pipeline(pipe[:-1], matcher.fit(pipe[:-1].transform(TITLES)))
    pairs = match(narrow, frame(spark), title_col="title", id_col="sku")
    told = pairs.schema["score"].metadata
    exact = expected_pairs(
        make_pipeline(
            pipe[:-1],
            FaissThresholdMatcher(0.6, index="exact").fit(pipe[:-1].transform(TITLES)),
        )
    )
    found = pairs_of(pairs)
    assert found.keys() <= exact.keys()
    assert 0.9 <= told["low"] <= len(found) / len(exact) <= told["high"]
    assert len(found) < len(exact)


def test_groups_refuse_what_is_wrong(spark):
    from skmatch.distributed import group_pairs, groups

    df = frame(spark)
    rows = {"left": ["sku 1"], "right": ["sku x"], "score": [0.9]}
    pairs = spark.createDataFrame(pa.table(rows))
    with pytest.raises(ValueError, match="ids that are not in df"):
        group_pairs(pairs, df, id_col="sku")
    with pytest.raises(ValueError, match="method='chain'"):
        group_pairs(pairs, df, id_col="sku", method="chain")
    with pytest.raises(ValueError, match="method='chain'"):
        groups(None, df, title_col="title", id_col="sku", method="chain")


def test_what_is_missing_or_twice_is_counted(spark, pipe):
    from skmatch.distributed import link, match

    def refused(message, ids=IDS, titles=TITLES, fitted=pipe, **params):
        wanted = {"title_col": "title", "id_col": "sku"} | params
        for function in (match, link):
            with pytest.raises(ValueError, match=message):
                function(fitted, frame(spark, ids, titles), **wanted)

    refused(r"'sku' is null in 2 of \d+ rows", [None, None, *IDS[2:]])
    refused("'sku 5' more than once", ["sku 5", *IDS[1:]])
    refused("is null in 1 of .* 'sku 3'", titles=[*TITLES[:3], None, *TITLES[4:]])
    refused("title_col names 'name'", title_col="name")
    mutual = FaissThresholdMatcher(0.8, max_matches=1, mutual=True)
    vectors = pipe[:-1].transform(TITLES)
    refused(
        "max_matches=1|mutual=True",
        fitted=make_pipeline(pipe[:-1], mutual.fit(vectors)),
    )
    with pytest.raises(ValueError, match="ends in a FaissThresholdMatcher"):
        match(pipe[:-1], frame(spark), title_col="title", id_col="sku")


def test_no_rows(spark, pipe, of_pairs):
    from skmatch.distributed import group_pairs, match

    df = frame(spark).filter("sku = ''")
    for fitted in (pipe, of_pairs):
        pairs = match(fitted, df, title_col="title", id_col="sku")
        assert pairs_of(pairs) == {}
    assert group_pairs(pairs, df, id_col="sku").count() == 0
    alone = group_pairs(pairs, frame(spark), id_col="sku").toArrow().to_pydict()
    assert alone["id"] == alone["group"]


def expected_matches(matcher, X, ids):
    """Return the probability of each pair that `predict` says matches."""
    graph = matcher.score_graph(X)
    row, column = matcher.predict(X).nonzero()
    return {
        (ids[i], ids[j]): graph[i, j]
        for i, j in zip(row.tolist(), column.tolist(), strict=True)
        if i < j
    }


def test_match_finds_the_pairs_of_predict(spark, importable, tmp_path):
    """Though a worker is killed in the middle of it."""
    from skmatch.distributed import match

    path = tmp_path / "next call is the last"
    matcher = PairClassifierMatcher(
        random_state=0, pair_features=[importable.Deadly(str(path))]
    ).fit(TITLES, PRODUCT_IDS)
    titles, _ = make_product_titles(120, random_state=1)
    # Two titles are there more often than they are scored, one in other letters, too.
    often = [titles[0]] * 19 + [titles[0].upper()] * 2 + [titles[7]] * 18
    titles = np.concatenate([titles[::2], often, titles[1::2]])
    ids = [3 * row - 100 for row in range(len(titles))]
    df = frame(spark, ids, titles)
    path.touch()
    found = pairs_of(match(matcher, df, title_col="title", id_col="sku"))
    assert not path.exists()
    assert_same(found, expected_matches(matcher, titles, ids))


def test_match_of_pairs_without_labels_from_columns(spark, tmp_path):
    from skmatch.distributed import match

    X = pd.DataFrame({"title": TITLES, "brand": [t.split()[0] for t in TITLES]})
    matcher = PairClassifierMatcher(threshold=0.5, random_state=0).fit(X)
    assert matcher.log_odds_shift_ != 0
    ids = [f"sku {row:04}" for row in range(len(X))]
    df = spark.createDataFrame(pa.table({"sku": ids} | {c: list(X[c]) for c in X}))
    wanted = {"title_col": [*X], "id_col": "sku", "folder": str(tmp_path)}
    found = pairs_of(match(matcher, df.repartition(4), **wanted))
    assert_same(found, expected_matches(matcher, X, ids))
    kept = {path.name for path in tmp_path.iterdir()}
    assert {"skmatch-encoded", "skmatch-described-done"} <= kept
    shutil.rmtree(tmp_path / f"skmatch-propagated{matcher._model_.n_levels - 1}-done")
    assert pairs_of(match(matcher, df, **wanted)) == found
    with pytest.raises(ValueError, match="holds other rows"):
        match(matcher, df.limit(100), **wanted)


@pytest.fixture(scope="module")
def of_pairs():
    return PairClassifierMatcher(random_state=0).fit(TITLES[:200], PRODUCT_IDS[:200])


def test_what_a_gallery_of_pairs_cannot_decide_is_refused(of_pairs):
    def refused(message, **params):
        matcher = copy.copy(of_pairs).set_params(**params)
        with pytest.raises(ValueError, match=message):
            GalleryParts(matcher)

    GalleryParts(of_pairs)
    refused("'expected_f1', row by row", threshold="expected_f1")
    refused("uses max_matches", max_matches=2)
    refused("uses match_singletons", match_singletons=True)


@pytest.mark.parametrize("n_parts", [1, 3])
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_neighbors_of_blocks_are_those_of_all(of_pairs, kind, n_parts):
    from skmatch.distributed._gallery_steps import _pack_rows, neighbors_batches

    rng = np.random.default_rng(0)
    X = unit_rows(rng.standard_normal((90, 8)))
    if kind == "sparse":  # many are equally similar
        X = unit_rows(csr_array((rng.random((90, 12)) < 0.3).astype(np.float32)))
    width = X.shape[1] if kind == "sparse" else None
    counts = count_rows_with(X) if kind == "sparse" else np.zeros(0, np.int64)
    block = np.arange(90) // (90 // n_parts)
    tables = []
    for first in range(n_parts):
        for second in range(first, n_parts):
            row = rng.permutation(np.flatnonzero((block == first) | (block == second)))
            columns = {"row": row, "block": block[row], "e0": _pack_rows(X[row])}
            ends = {"first": [first] * len(row), "second": [second] * len(row)}
            tables.append(pa.table(columns | ends))
    batches = pa.concat_tables(tables).combine_chunks().to_batches(max_chunksize=7)
    parts = GalleryParts(of_pairs)
    found = pa.Table.from_batches(neighbors_batches(batches, parts, [width], [counts]))
    row, other = (found.column(name).to_numpy() for name in ("row", "other"))
    similarity = found.column("similarity").to_numpy()
    order = np.lexsort((other, -similarity, row))
    rank = np.arange(len(row)) - np.searchsorted(row[order], row[order])
    best = order[rank <= of_pairs.n_candidates]
    expected = nearest_neighbors(X, X, of_pairs.n_candidates + 1, 1)
    pairs = {*zip(row[best].tolist(), other[best].tolist(), strict=True)}
    assert pairs == {*zip(*(side.tolist() for side in expected), strict=True)}
    assert len(best) > 1000


@pytest.mark.parametrize("rows_per_batch", [3, 50, 10_000])
def test_parts_may_end_in_any_batch(rows_per_batch):
    from skmatch.distributed._steps import assign_batch, join_batches, pack

    rng = np.random.default_rng(0)
    rows = unit_rows(rng.standard_normal((300, 6)))
    vectors = pack(rows)
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(300)), pa.array(rng.permutation(300)), vectors],
        names=["id", "order", "vector"],
    )
    partitions = plan_partitions(rows, 300, 0.9, rows_per_part=5)
    assigned = pa.table(assign_batch(batch, partitions))
    assigned = assigned.sort_by("part")
    batches = assigned.combine_chunks().to_batches(max_chunksize=rows_per_batch)
    pairs = pa.Table.from_batches(join_batches(batches, partitions)).to_pydict()
    found = {tuple(sorted(p)) for p in zip(pairs["left"], pairs["right"], strict=True)}
    similar = np.triu(rows @ rows.T >= 0.9, k=1)
    assert found == {*map(tuple, np.argwhere(similar).tolist())}
    assert len(pairs["left"]) == len(found) > 50
