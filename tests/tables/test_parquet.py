"""Parquet in, Parquet out: the same pairs as predict and transform, by the ids."""

import os
import sys
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    link_parquet,
    make_product_titles,
    match_parquet,
)

TITLES, PRODUCT_IDS = make_product_titles(60, random_state=0)
IDS = [f"sku {row}" for row in range(len(TITLES))]
LISTINGS = pa.table(
    {
        "id": IDS,
        "title": TITLES.tolist(),
        "coded": pa.array(TITLES.tolist()).dictionary_encode(),
        "price": np.arange(len(TITLES), dtype=float),
    }
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "listings.parquet"
    pq.write_table(LISTINGS, path, row_group_size=50)
    return path


@pytest.fixture
def target(tmp_path):
    return tmp_path / "pairs.parquet"


def tfidf(**params):
    embedder = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    return make_pipeline(embedder, FaissThresholdMatcher(0.4, **params))


def lstm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        embedder = LSTMTitleEmbedder(n_epochs=1, embedding_dim=32, random_state=0)
        pipe = make_pipeline(embedder, FaissThresholdMatcher(0.8))
        return pipe.fit(TITLES, PRODUCT_IDS)


MAKE = {
    "tfidf": lambda: tfidf().fit(TITLES),
    "tuned": lambda: TunedThresholdMatcherCV(tfidf()).fit(TITLES, PRODUCT_IDS),
    "pairs": lambda: PairClassifierMatcher(random_state=0, threshold=0.5).fit(
        TITLES, PRODUCT_IDS
    ),
    "lstm": lstm,
}


@cache
def fitted(name):
    return MAKE[name]()


def score(matcher):
    """Return the score graph of the titles."""
    if isinstance(matcher, Pipeline):
        return matcher[-1].score_graph(matcher[:-1].transform(TITLES))
    return matcher.score_graph(TITLES)


pytestmark = pytest.mark.filterwarnings("ignore:The threshold was chosen")


def read_pairs(path):
    table = pq.read_table(path)
    assert table.column_names == ["left", "right", "score"]
    assert table.schema.field("score").type == pa.float32()
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("name", MAKE)
def test_match_writes_the_pairs_of_predict(name, source, target):
    matcher = fitted(name)
    n_pairs = match_parquet(
        matcher, source, target, columns="title", ids="id", batch_size=64
    )
    matches, graph = matcher.predict(TITLES), score(matcher)
    expected = [
        (IDS[i], IDS[j], graph[i, j])
        for i, j in zip(*matches.nonzero(), strict=True)
        if i < j
    ]
    assert len(expected) > 20
    found = read_pairs(target)
    assert n_pairs == len(found)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
    np.testing.assert_allclose(
        [pair[2] for pair in found], [pair[2] for pair in expected], atol=1e-6
    )


@pytest.mark.parametrize("name", MAKE)
def test_link_writes_the_entries_of_transform(name, source, target):
    matcher = fitted(name)
    names = np.arange(len(TITLES))[::-1]
    n_pairs = link_parquet(
        matcher, source, target, columns="coded", catalogue_ids=names, batch_size=64
    )
    graph = matcher.transform(TITLES).tocoo()
    found = read_pairs(target)
    assert n_pairs == len(found) == graph.nnz > 100
    left, right = graph.coords
    assert [pair[:2] for pair in found] == [*zip(left, names[right], strict=True)]
    np.testing.assert_allclose([pair[2] for pair in found], graph.data, atol=1e-6)


def test_a_pair_that_matches_from_one_side_is_there_once(source, target):
    matcher = tfidf(max_matches=1).fit(TITLES)
    matches = matcher.predict(TITLES).toarray()
    assert (matches != matches.T).any()
    match_parquet(matcher, source, target, columns="title")
    expected = np.argwhere(np.triu(matches | matches.T, k=1))
    assert [pair[:2] for pair in read_pairs(target)] == [*map(tuple, expected)]


@pytest.mark.filterwarnings("error:X ")
def test_fields_have_the_names_that_fit_saw(source, target):
    frame = pd.DataFrame({"title": TITLES, "price": LISTINGS["price"]})
    matcher = PairClassifierMatcher(
        columns={"price": "numeric"}, random_state=0, threshold=0.5
    ).fit(frame, PRODUCT_IDS)
    match_parquet(matcher, source, target, columns=["title", "price"])
    matches = matcher.predict(frame)
    assert len(read_pairs(target)) == (matches.nnz - len(TITLES)) // 2
    with pytest.raises(ValueError, match="feature names should match"):
        match_parquet(matcher, source, target, columns=["price", "title"])


def test_a_folder_of_files_is_one_source(source, target, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    pq.write_table(LISTINGS.slice(0, 70), folder / "a.parquet")
    pq.write_table(LISTINGS.slice(70), folder / "b.parquet")
    match_parquet(fitted("tfidf"), source, target, columns="title", ids="id")
    whole = read_pairs(target)
    for files in (folder, [folder / "a.parquet", folder / "b.parquet"]):
        match_parquet(fitted("tfidf"), files, target, columns="title", ids="id")
        assert read_pairs(target) == whole


def test_no_rows(target, tmp_path):
    empty = tmp_path / "empty.parquet"
    pq.write_table(LISTINGS.slice(0, 0), empty)
    assert link_parquet(fitted("tfidf"), empty, target, columns="title") == 0
    assert read_pairs(target) == []
    with pytest.raises(ValueError, match="source has no rows"):
        match_parquet(fitted("tfidf"), empty, target, columns="title")


def spoil(column, row, value):
    values = LISTINGS[column].to_pylist()
    values[row] = value
    place = LISTINGS.column_names.index(column)
    return LISTINGS.set_column(place, column, pa.array(values))


@pytest.mark.parametrize("function", [match_parquet, link_parquet])
@pytest.mark.parametrize(
    ("listings", "message"),
    [
        (spoil("id", 7, None), "ids='id' has no value in 1 rows, of which row 7"),
        (spoil("id", 7, "sku 3"), "has 1 values in more than one row, such as 'sku 3'"),
        (spoil("title", 70, None), "from row 64: row 6 of X holds None"),
    ],
)
def test_what_is_missing_or_twice_is_named(function, listings, message, source, target):
    pq.write_table(listings, source)
    target.write_text("of yesterday")
    with pytest.raises(ValueError, match=message):
        function(lstm(), source, target, columns="title", ids="id", batch_size=64)
    assert target.read_text() == "of yesterday"
    assert {*os.listdir(target.parent)} == {source.name, target.name}


@pytest.mark.parametrize("function", [match_parquet, link_parquet])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"columns": "name"}, "columns names 'name'; expected one of the columns"),
        ({"columns": []}, "columns is empty"),
        ({"ids": "sku"}, "ids names 'sku'; expected one of the columns"),
        ({"batch_size": 0}, "batch_size == 0, must be >= 1"),
        ({"source": "nowhere.parquet"}, "source='nowhere.parquet' cannot be read"),
        ({"target": "."}, "target='.' is a folder"),
        ({"target": "nowhere/pairs"}, "expected nowhere to be one"),
        ({"matcher": TfidfVectorizer()}, "expected a fitted matcher of titles"),
    ],
)
def test_parameters_are_checked_first(function, params, message, source, target):
    given = {"matcher": fitted("tfidf"), "source": source, "target": target}
    with pytest.raises(ValueError, match=message):
        function(**{**given, "columns": "title", **params})


def test_a_link_needs_ids_of_all_and_no_mutual_matches(source, target):
    with pytest.raises(ValueError, match=r"catalogue_ids has 2 ids; expected \d+"):
        link_parquet(
            fitted("tfidf"), source, target, columns="title", catalogue_ids=[1, 2]
        )
    mutual = tfidf(max_matches=1, mutual=True).fit(TITLES)
    with pytest.raises(ValueError, match="mutual=True"):
        link_parquet(mutual, source, target, columns="title")
    assert not target.exists()


def test_a_file_that_is_no_parquet_is_refused(target, tmp_path):
    source = tmp_path / "listings.csv"
    source.write_text("title\ntea\n")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        match_parquet(fitted("tfidf"), source, target, columns="title")


def test_without_pyarrow(source, target, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'skmatch\[parquet\]'"):
        match_parquet(fitted("tfidf"), source, target, columns="title")
