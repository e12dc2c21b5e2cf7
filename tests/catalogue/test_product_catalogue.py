"""ProductCatalogue: the groups of a batch, ids that stay, a folder that is whole."""

import json
import os
import signal
import sqlite3
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

import skmatch.catalogue._store as store_module
from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    ProductCatalogue,
    TunedThresholdMatcherCV,
    group_matches,
    make_product_titles,
)
from skmatch.persistence import read_values, write_values

TITLES, PRODUCT_IDS = make_product_titles(100, random_state=0)
TITLES = np.asarray(TITLES, object)


def make_matcher(threshold=0.5):
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    return make_pipeline(tfidf, FaissThresholdMatcher(threshold)).fit(TITLES)


@pytest.fixture(scope="module")
def matcher():
    return make_matcher()


@pytest.fixture
def catalogue(tmp_path, matcher):
    with ProductCatalogue(tmp_path / "catalogue", matcher) as catalogue:
        yield catalogue


def as_partition(products):
    return {frozenset(ids) for ids in products.values()}


def group_at_once(matcher, ids):
    """Return what group_matches makes of these titles."""
    vectors = matcher[:-1].transform(TITLES[ids])
    groups = group_matches(matcher[-1].score_graph(vectors), threshold=0.5)
    return as_partition(
        {g: [i for i, own in zip(ids, groups, strict=True) if own == g] for g in groups}
    )


def list_ids(catalogue):
    return [i for ids in catalogue.products().values() for i in ids]


def replay(changes):
    """Return the products that changes lead to."""
    products = {}
    for change in changes:
        if change.kind in ("created", "joined"):
            products.setdefault(change.product, set()).update(change.listings)
            continue
        products[change.product] -= set(change.listings)
        if change.other is not None:
            products.setdefault(change.other, set()).update(change.listings)
        if change.kind in ("merged", "ended"):
            assert products[change.product] == set()
    return {product: ids for product, ids in products.items() if ids}


def assert_told(catalogue):
    """The changes lead to the products, and `find` and `products` agree."""
    products = catalogue.products()
    assert replay(catalogue.changes()) == {p: set(ids) for p, ids in products.items()}
    for product, ids in products.items():
        assert set(catalogue.find(ids).tolist()) == {product}


@pytest.mark.parametrize("seed", [0, 1])
def test_listings_that_come_and_go_are_grouped_as_at_once(catalogue, matcher, seed):
    rng = np.random.default_rng(seed)
    there, waiting = [], rng.permutation(150).tolist()
    while waiting:
        new = [
            waiting.pop() for _ in range(min(len(waiting), int(rng.integers(1, 30))))
        ]
        products = catalogue.add(TITLES[new], new)
        assert products.dtype == np.int64
        there += new
        assert_array_equal(catalogue.find(new), products)
        assert as_partition(catalogue.products()) == group_at_once(matcher, there)
        gone = rng.choice(there, min(5, len(there) - 1), replace=False).tolist()
        catalogue.remove(gone)
        there = [listing for listing in there if listing not in gone]
        assert as_partition(catalogue.products()) == group_at_once(matcher, there)
        assert_told(catalogue)


def test_a_reopened_catalogue_goes_on(tmp_path, matcher):
    there = []
    for new in np.array_split(np.arange(150), 5):
        made = None if there else matcher
        with ProductCatalogue(tmp_path, made) as catalogue:
            catalogue.add(TITLES[new], new)
            there += new.tolist()
            catalogue.remove(there[:3])
            del there[:3]
            assert as_partition(catalogue.products()) == group_at_once(matcher, there)
    with ProductCatalogue(tmp_path, read_only=True) as catalogue:
        assert catalogue.revision == 10
        assert_told(catalogue)


def test_an_id_stays_with_most_of_its_listings(catalogue):
    a, b = "red tea pot 100 ml", "green tea pot 250 ml"
    assert catalogue.add([a, b], ["a", "b"]).tolist() == [0, 1]
    assert catalogue.add([a, a], ["a2", "a3"]).tolist() == [0, 0]
    catalogue.remove(["a", "a2", "a3"])
    assert catalogue.add([a], ["a4"]).tolist() == [2]  # 0 is used no more
    kinds = [(c.kind, c.product, c.listings) for c in catalogue.changes(since=2)]
    assert kinds == [
        ("removed", 0, ["a", "a2", "a3"]),
        ("ended", 0, []),
        ("created", 2, ["a4"]),
    ]


def test_ids_are_str_or_int_as_they_were_given(catalogue):
    catalogue.add(["tea", "milk"], np.array([7, 8]))
    catalogue.add(["ham"], pd.Series(["7"]))
    assert catalogue.products() == {0: [7], 1: [8], 2: ["7"]}
    assert catalogue.add(["pot"]).tolist() == [3]
    assert catalogue.products()[3] == [3]  # the fourth listing


def test_a_title_that_is_there_often_is_scored_sixteen_times(catalogue, monkeypatch):
    scored = []
    grow = store_module.write_values
    monkeypatch.setattr(
        store_module,
        "write_values",
        lambda folder, part: (scored.append(len(part["rows"])), grow(folder, part)),
    )
    titles = ["red tea pot"] * 40
    assert set(catalogue.add(titles, range(40)).tolist()) == {0}
    assert catalogue.add(["red tea pot"] * 3, range(40, 43)).tolist() == [0] * 3
    assert scored == [16]
    catalogue.remove(range(20))
    assert catalogue.products() == {0: [*range(20, 43)]}
    with pytest.raises(ValueError, match="holds 42, which shares its scores"):
        catalogue.split([42])
    catalogue.remove(range(20, 42))
    assert catalogue.add(["red tea pot"], ["new"]).tolist() == [0]


def test_what_people_say_binds(tmp_path, matcher):
    titles = [
        "red tea pot 100 ml",
        "red tea pot 100 ml",
        "blue ham",
        "red tea pot 100ml",
    ]
    with ProductCatalogue(tmp_path, matcher) as catalogue:
        assert catalogue.add(titles[:3], ["a", "b", "c"]).tolist() == [0, 0, 1]
        assert catalogue.merge([1, 0]) == 1
        assert catalogue.products() == {1: ["a", "b", "c"]}
        assert catalogue.split(["b"]) == 2
        assert catalogue.products() == {1: ["a", "c"], 2: ["b"]}
        assert_told(catalogue)
    with ProductCatalogue(tmp_path) as catalogue:
        catalogue.add(titles[3:], ["d"])
        for _ in range(2):
            a, b, c = catalogue.find(["a", "b", "c"]).tolist()
            assert a == c != b
            catalogue.regroup()
        catalogue.remove(["d", "a"])
        assert catalogue.products() == {1: ["c"], 2: ["b"]}
        assert_told(catalogue)


def test_answers_outlive_the_listing_they_were_given_of(catalogue):
    catalogue.add(["red tea pot", "blue ham", "green milk"], ["a", "b", "c"])
    catalogue.merge([0, 1, 2])
    catalogue.remove(["a"])
    assert catalogue.products() == {0: ["b", "c"]}
    catalogue.add(["red tea pot"], ["a"])
    assert catalogue.products() == {0: ["b", "c"], 3: ["a"]}


def test_a_new_title_may_join_two_products(tmp_path):
    texts = ["aaa bbb", "ccc ddd", "aaa bbb ccc ddd", "aaa bbb"]
    words = TfidfVectorizer(use_idf=False)
    matcher = make_pipeline(words, FaissThresholdMatcher(0.4)).fit(texts)
    with ProductCatalogue(tmp_path, matcher, threshold=0.3) as catalogue:
        assert catalogue.threshold == 0.3
        assert catalogue.add(texts[:2], ["a", "b"]).tolist() == [0, 1]
        assert catalogue.add(texts[2:3], ["c"]).tolist() == [0]
        assert catalogue.products() == {0: ["a", "b", "c"]}
        kinds = [(c.kind, c.product, c.other) for c in catalogue.changes(since=1)]
        assert kinds == [("joined", 0, None), ("merged", 1, 0)]
        catalogue.remove(["c"])
        assert catalogue.products() == {0: ["a"], 2: ["b"]}
        assert_told(catalogue)


@pytest.fixture(scope="module")
def pair_matcher():
    known = PRODUCT_IDS < 60
    matcher = PairClassifierMatcher(n_levels=2, cv=2, random_state=0)
    return matcher.fit(TITLES[known], PRODUCT_IDS[known])


def test_probabilities_of_listings_that_come_at_once_are_those_of_predict(
    tmp_path, pair_matcher
):
    new = np.flatnonzero(PRODUCT_IDS >= 60)
    graph = pair_matcher.score_graph(TITLES[new])
    groups = group_matches(graph, threshold=0.5)
    with ProductCatalogue(tmp_path, pair_matcher) as catalogue:
        products = catalogue.add(TITLES[new], new)
        assert_array_equal(products, groups)
        catalogue.regroup()
        assert_array_equal(catalogue.find(new), groups)
        assert len(os.listdir(tmp_path / "parts")) == 1


def test_listings_that_come_in_parts_are_nearly_the_same(tmp_path, pair_matcher):
    new = np.random.default_rng(0).permutation(np.flatnonzero(PRODUCT_IDS >= 60))
    groups = group_matches(pair_matcher.score_graph(TITLES[new]), threshold=0.5)
    first, *others = np.split(new, [len(new) // 2, len(new) // 2 + 10, len(new) - 10])
    for batch in (first, *others):
        made = pair_matcher if batch is first else None
        with ProductCatalogue(tmp_path, made) as catalogue:
            catalogue.add(TITLES[batch], batch)
            there = list_ids(catalogue)
            products = catalogue.find([i for i in new if i in there])
    one, two = (x[:, None] == x for x in (groups, products))
    assert (one & two).sum() / (one | two).sum() > 0.8


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c: c.add(["tea", None], ["c", "d"]), "row 1 of X holds None"),
        (lambda c: c.add(["tea"], ["c", "d"]), "listing_ids has 2 ids and X 1 rows"),
        (lambda c: c.add(["tea", "pot"], ["c", "c"]), "listing_ids holds 'c' twice"),
        (lambda c: c.add(["tea"], ["a"]), "holds 'a', which is in the catalogue"),
        (lambda c: c.add(["tea"], [1.5]), "listing_ids holds 1.5 at 0; expected a str"),
        (lambda c: c.add(["tea"], [True]), "listing_ids holds True at 0"),
        (lambda c: c.add(["tea"], [2**63]), "holds 9223372036854775808 at 0"),
        (lambda c: c.add(["tea"], "abc"), "listing_ids='abc'; expected a sequence"),
        (lambda c: c.remove("a"), "listing_ids='a'; expected a sequence"),
        (lambda c: c.remove(["a", "x"]), "holds 'x', which is not in the catalogue"),
        (lambda c: c.remove(["a", "a"]), "listing_ids holds 'a' twice"),
        (lambda c: c.find(["x"]), "holds 'x', which is not in the catalogue"),
        (lambda c: c.merge([0]), r"products=\[0\]; expected two different ones"),
        (
            lambda c: c.merge([0, 9]),
            "products holds 9, which is no product, or is one no more",
        ),
        (lambda c: c.split(["a", "b"]), r"of the products \[0, 1\]; expected one"),
        (lambda c: c.split(["a"]), "holds all listings of product 0; expected some"),
        (lambda c: c.changes(since=-1), "since == -1, must be >= 0"),
        (lambda c: c.split([]), r"listing_ids=\[\]; expected some"),
        (lambda c: c.add([], ["q"]), "listing_ids has 1 ids and X 0 rows"),
        (
            lambda c: c.add(["tea"], pd.DataFrame({"id": ["c"]})),
            "expected a sequence of ids",
        ),
        (
            lambda c: c.add(["tea"], np.array(["2020-01-01"], "datetime64[ns]")),
            "listing_ids holds .*2020-01-01.* at 0",
        ),
        (lambda c: c.add(["tea"], ["\ud800"]), "at 0; expected a str of Unicode"),
    ],
)
def test_wrong_input_changes_nothing(catalogue, call, error):
    catalogue.add(["red tea pot", "blue ham"], ["a", "b"])
    with pytest.raises(ValueError, match=error):
        call(catalogue)
    assert catalogue.products() == {0: ["a"], 1: ["b"]}
    assert catalogue.revision == 1


def test_no_listing_is_legal(catalogue):
    assert catalogue.add([]).tolist() == catalogue.find([]).tolist() == []
    catalogue.remove([])
    catalogue.regroup()
    assert (catalogue.products(), catalogue.changes(), catalogue.revision) == (
        {},
        [],
        0,
    )


def test_all_listings_may_go(catalogue):
    catalogue.add(["red tea pot", "blue ham"], ["a", "b"])
    catalogue.remove(["a", "b"])
    assert catalogue.products() == {}
    assert catalogue.add(["blue ham"], ["a"]).tolist() == [2]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda p, m: ProductCatalogue(p / "none"), "has no catalogue"),
        (lambda p, m: ProductCatalogue(p / "x", m, read_only=True), "has no catalogue"),
        (lambda p, m: ProductCatalogue(p, m), "has a catalogue"),
        (
            lambda p, m: ProductCatalogue(p),
            "is open to be written to, by this or another",
        ),
        (lambda p, m: ProductCatalogue(p / "x", m, threshold=0), "threshold == 0"),
        (lambda p, m: ProductCatalogue(p / "x", 3), "matcher=3; expected a fitted"),
        (lambda p, m: ProductCatalogue(p / "x", m[-1]), "expected a fitted PairClass"),
        (
            lambda p, m: ProductCatalogue(
                p / "x", make_pipeline(m[0], FaissThresholdMatcher(-0.1)).fit(TITLES)
            ),
            "threshold=-0.1; a ProductCatalogue expects",
        ),
        (
            lambda p, m: ProductCatalogue(
                p / "x",
                make_pipeline(
                    m[0], FaissThresholdMatcher(0.5, query_expansion=True)
                ).fit(TITLES),
            ),
            "query_expansion=True; expected False",
        ),
    ],
)
def test_a_catalogue_that_cannot_be_opened(tmp_path, matcher, make, error):
    with (
        ProductCatalogue(tmp_path, matcher),
        pytest.raises((ValueError, FileNotFoundError), match=error),
    ):
        make(tmp_path, matcher)
    assert not (tmp_path / "x").exists()


def test_a_tuned_matcher_is_taken(tmp_path):
    tuned = TunedThresholdMatcherCV(make_matcher(), cv=3).fit(TITLES, PRODUCT_IDS)
    with ProductCatalogue(tmp_path, tuned) as catalogue:
        assert catalogue.threshold == pytest.approx(tuned.best_threshold_)
        assert catalogue.add(["red tea pot", "red tea pot"]).tolist() == [0, 0]


def test_many_read_while_one_writes(tmp_path, matcher):
    with ProductCatalogue(tmp_path, matcher) as writer:
        readers = [ProductCatalogue(tmp_path, read_only=True) for _ in range(3)]
        writer.add(["tea"], ["a"])
        for reader in readers:
            assert reader.products() == {0: ["a"]}
            with pytest.raises(ValueError, match="read_only=True; expected False"):
                reader.add(["tea"])
            reader.close()


@pytest.mark.parametrize(
    ("name", "n_before"),
    # With one before, listings are written, and changes are not yet.
    [("write_values", 0), ("dumps", 0), ("dumps", 1)],
)
def test_what_is_interrupted_is_as_before(catalogue, monkeypatch, name, n_before):
    catalogue.add(["red tea pot"], ["a"])
    original, n_calls = getattr(store_module, name, json.dumps), []

    def interrupt(*args):
        n_calls.append(1)
        if len(n_calls) > n_before:
            raise KeyboardInterrupt
        return original(*args)

    with monkeypatch.context() as patch:
        if name == "dumps":
            own = SimpleNamespace(dumps=interrupt, loads=json.loads)
            patch.setattr(store_module, "json", own)
        else:
            patch.setattr(store_module, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            catalogue.add(["red tea pot"], ["b"])
    assert len(n_calls) == n_before + 1
    assert catalogue.products() == {0: ["a"]}
    assert catalogue.revision == 1
    assert catalogue.add(["red tea pot"], ["b"]).tolist() == [0]


def add_without_end(folder, batch, ready):
    with ProductCatalogue(folder) as catalogue:
        n_there = len(list_ids(catalogue))
        while True:
            ids = range(n_there, n_there + batch)
            catalogue.add([TITLES[i % len(TITLES)] for i in ids], ids)
            os.write(ready, b".")
            catalogue.remove([n_there])
            catalogue.add([TITLES[n_there % len(TITLES)]], [n_there])
            n_there += batch


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_program_leaves_a_whole_catalogue(tmp_path, matcher):
    batch, rng = 5, np.random.default_rng(0)
    ProductCatalogue(tmp_path, matcher).close()
    n_before = 0
    for _ in range(12):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                add_without_end(tmp_path, batch, write)
            finally:
                os._exit(1)
        os.read(read, 1)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        os.close(read), os.close(write)
        with ProductCatalogue(tmp_path) as catalogue:
            there = list_ids(catalogue)
            assert len(there) >= n_before
            missing = set(range(max(there, default=-1) + 1)) - set(there)
            assert len(missing) <= 1
            assert_told(catalogue)
            if missing:
                row = missing.pop()
                catalogue.add([TITLES[row % len(TITLES)]], [row])
            n_before = len(list_ids(catalogue))
            assert n_before % batch == 0
    assert n_before > 0


def test_files_of_others_stay(tmp_path, matcher):
    own = tmp_path / "catalogue"
    (own / "parts" / "2023").mkdir(parents=True)
    (own / "parts" / "2023" / "invoice.txt").write_text("1")
    with pytest.raises(ValueError, match="parts has files of others"):
        ProductCatalogue(own, matcher)
    assert (own / "parts" / "2023" / "invoice.txt").exists()
    (own / "parts").rename(tmp_path / "elsewhere")
    ProductCatalogue(own, matcher).close()
    for name in ("12345678", "photos"):
        (own / "parts" / name).mkdir()
        (own / "parts" / name / "a.jpg").write_text("1")
    (own / "parts" / "87654321").write_text("1")
    ProductCatalogue(own).close()
    assert (own / "parts" / "12345678" / "a.jpg").exists()
    assert (own / "parts" / "photos" / "a.jpg").exists()
    assert (own / "parts" / "87654321").exists()
    (own / "parts").rename(own / "others")
    (own / "parts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="parts is no folder"):
        ProductCatalogue(own)
    assert (tmp_path / "elsewhere" / "2023" / "invoice.txt").exists()


def test_a_matcher_that_is_not_fitted_makes_no_catalogue(tmp_path, matcher):
    for unfitted in (PairClassifierMatcher(), FaissThresholdMatcher()):
        with pytest.raises((ValueError, NotFittedError)):
            ProductCatalogue(tmp_path / "x", unfitted, threshold=0.5)
        assert not (tmp_path / "x").exists()


def test_a_call_after_an_interrupted_transaction_is_done(catalogue, monkeypatch):
    database = catalogue._store._database
    for statement in ("BEGIN IMMEDIATE", "COMMIT"):

        class After:
            """Do as the database does, and be interrupted after one statement."""

            def __getattr__(self, name):
                return getattr(database, name)

            def execute(self, query, *values, statement=statement):
                result = database.execute(query, *values)
                if query == statement:
                    raise KeyboardInterrupt
                return result

        with monkeypatch.context() as patch:
            patch.setattr(catalogue._store, "_database", After())
            with pytest.raises(KeyboardInterrupt):
                catalogue.add(["red tea pot"], [statement])
        assert catalogue.revision == (statement == "COMMIT")
    assert catalogue.add(["red tea pot"], ["c"]).tolist() == [0]
    assert catalogue.products() == {0: ["COMMIT", "c"]}


def test_frames_and_missing_values_are_taken(tmp_path):
    frame = pd.DataFrame(
        {
            "title": TITLES,
            "brand": ["acme", pd.NA] * (len(TITLES) // 2)
            + ["acme"] * (len(TITLES) % 2),
        }
    )
    known = PRODUCT_IDS < 60
    matcher = PairClassifierMatcher(
        columns={"brand": "category"}, n_levels=1, cv=2, random_state=0
    ).fit(frame[known], PRODUCT_IDS[known])
    with ProductCatalogue(tmp_path, matcher) as catalogue:
        first = catalogue.add(frame[~known])
    with ProductCatalogue(tmp_path) as catalogue:
        assert_array_equal(catalogue.find(range(len(first))), first)
        catalogue.add(frame[:3], ["a", "b", "c"])
        catalogue.regroup()


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"),
    reason="a save does not know a type that its ColumnTransformer holds",
)
def test_an_embedder_gets_columns_by_name(tmp_path):
    frame = pd.DataFrame({"title": TITLES, "brand": "acme"})
    tfidf = ColumnTransformer([("title", TfidfVectorizer(), "title")])
    matcher = make_pipeline(tfidf, FaissThresholdMatcher(0.5)).fit(frame)
    with ProductCatalogue(tmp_path / "by name", matcher) as catalogue:
        catalogue.add(frame[:20])
    with ProductCatalogue(tmp_path / "by name") as catalogue:
        catalogue.regroup()
        with pytest.raises(ValueError, match="expecting 2 features"):
            catalogue.add(frame[["title"]])


def test_a_reader_finds_the_products_of_one_moment(tmp_path, matcher):
    with ProductCatalogue(tmp_path, matcher) as writer:
        writer.add(["red tea pot", "blue ham"], ["a", "b"])
        reader = ProductCatalogue(tmp_path, read_only=True)
        seen = reader._store._one

        def remove_between(query, *values):
            found = seen(query, *values)
            if values == ("a",):
                writer.remove(["b"])
            return found

        reader._store._one = remove_between
        assert reader.find(["a", "b"]).tolist() == [0, 1]
        reader._store._one = seen
        with pytest.raises(ValueError, match="holds 'b', which is not"):
            reader.find(["b"])
        reader.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", None),
        ("left", np.array([1], np.int64)),
        ("left", np.array([0.5])),
        ("right", np.array([2**40], np.int64)),
        ("scores", np.array([[np.nan]], np.float32)),
        ("scores", np.array([[1e30]], np.float32)),
        ("scores", np.array([0.9], np.float32)),
        ("scores", np.empty((1, 0), np.float32)),
        ("rows", np.array([0], np.int64)),
        ("rows", np.array([0, -1], np.int64)),
        ("embeddings", 3),
        ("embeddings", [np.zeros((1, 2), np.float32)]),
    ],
)
def test_an_altered_part_is_told(tmp_path, matcher, name, value):
    with ProductCatalogue(tmp_path, matcher) as catalogue:
        catalogue.add(["red tea pot", "red tea pots"])
    part = read_values(tmp_path / "parts" / "00000000")
    part[name] = value
    if value is None:
        del part[name]
    write_values(tmp_path / "parts" / "00000000", part)
    with (
        ProductCatalogue(tmp_path) as catalogue,
        pytest.raises(ValueError, match=r"arts? of the catalogue"),
    ):
        catalogue.add(["tea"])


def test_a_cosine_may_be_rounded_to_more_than_one(tmp_path, matcher):
    with ProductCatalogue(tmp_path, matcher) as catalogue:
        catalogue.add(["red tea pot", "red tea pots"])
    part = read_values(tmp_path / "parts" / "00000000")
    part["scores"] = np.full_like(part["scores"], np.nextafter(np.float32(1), 2))
    write_values(tmp_path / "parts" / "00000000", part)
    with ProductCatalogue(tmp_path) as catalogue:
        assert catalogue.add(["red tea pot"]).tolist() == [0]


def alter(folder, what):
    database = sqlite3.connect(folder / "catalogue.sqlite")
    database.execute(what)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("UPDATE counters SET value = 9 WHERE name = 'format'", "has the format"),
        ("DROP TABLE counters", "is no catalogue of format 1, or was altered"),
        ("CREATE VIEW more AS SELECT 1", "was altered: it defines .*view"),
        ("DELETE FROM parts", "The parts of the catalogue have not all rows"),
        (
            "UPDATE listings SET row = 77",
            "The parts of the catalogue have not all rows",
        ),
        ("UPDATE parts SET number = 7", "cannot be read"),
        ("UPDATE listings SET fields = '['", "was altered: fields are no JSON"),
        ("UPDATE listings SET fields = '3'", "was altered: listings have"),
        (
            "UPDATE counters SET value = 7 WHERE name = 'threshold'",
            "was altered: it has",
        ),
        ("UPDATE counters SET value = NULL WHERE name = 'row'", "was altered: it has"),
        ("CREATE VIRTUAL TABLE more USING fts5(a)", "was altered: it defines"),
        ("DROP TABLE listings", "was altered: it defines"),
    ],
)
def test_an_altered_folder_is_told(tmp_path, matcher, what, error):
    with ProductCatalogue(tmp_path, matcher) as catalogue:
        catalogue.add(["red tea pot", "red pot"])
    alter(tmp_path, what)
    with pytest.raises(ValueError, match=error):
        ProductCatalogue(tmp_path).add(["tea"])
