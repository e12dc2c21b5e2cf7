"""Folders that are whole, or refused by name."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skmatch import (
    ClassDisjointKFold,
    DisjointPairsKFold,
    PairClassifierMatcher,
    TitlePairClassifier,
    decode_escapes,
    load,
    make_product_titles,
    save,
)
from skmatch.persistence import _folder
from skmatch.persistence._folder import FolderReader, FolderWriter
from skmatch.persistence._sklearn_parts import read_sklearn, write_sklearn
from skmatch.persistence._values import Decoder, Encoder, _as_small_ints

X, Y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 2


@pytest.fixture
def again(tmp_path):
    """Write a value and read it."""

    def again(value):
        with FolderWriter(tmp_path / "value") as writer:
            writer.finish({"value": Encoder(writer).encode(value, "it")})
        reader = FolderReader(tmp_path / "value")
        return Decoder(reader, {}).decode(reader.content["value"])

    return again


@pytest.fixture
def saved(tmp_path):
    """A small matcher, saved."""
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    tfidf.fit(["paper bag", "paper cup", "Krapfen"])
    save(FeatureUnion([("tfidf", tfidf)]), tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2**70,
        -0.5,
        float("inf"),
        "half \udc80 a pair, NUL \0 and é",
        [1, [2, None]],
        (1, ("a", 2.5)),
        {"a": 1, "b": {"c": [1]}},
        {1: "x", (2, 3): "y", None: "z"},
        {"b", "a"},
        frozenset([1, 2]),
        Counter({"a": 3, "b": 1}),
        [f"word {n} \udc80" for n in range(3000)],
        {f"word {n}": n for n in range(3000)},
        Counter({f"word {n}": n % 7 for n in range(3000)}),
        {f"word {n}": -n * 10**9 for n in range(3000)},
        10**400,
        np.float32,
        np.float64(0.1),
        np.int32(-7),
        np.bool_(True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back(again, value):
    found = again(value)
    assert found == value
    assert type(found) is type(value)


def test_splitter_of_pairs_comes_back(again):
    splitter = DisjointPairsKFold(3, shuffle=True, random_state=1)
    assert vars(again(splitter)) == vars(splitter)


@pytest.mark.slow
@pytest.mark.parametrize(
    "known", [{}, {"pairs": [[0, 1], [2, 3]], "is_match": [True, False]}], ids=str
)
def test_matcher_with_few_labels_or_none_says_the_same_once_saved(tmp_path, known):
    titles = make_product_titles(10, random_state=0)[0]
    fitted = PairClassifierMatcher(random_state=0).fit(titles, **known)
    save(fitted, tmp_path)
    loaded = load(tmp_path)
    assert loaded.supervision_ == fitted.supervision_
    for method in ("score_graph", "transform"):
        found, expected = (getattr(each, method)(titles) for each in (loaded, fitted))
        assert_array_equal(found.toarray(), expected.toarray())
    assert_array_equal(loaded.suggest_pairs(titles, 5), fitted.suggest_pairs(titles, 5))
    assert loaded.explain(*titles[:2]) == fitted.explain(*titles[:2])


def test_number_that_is_none_comes_back(again):
    assert np.isnan(again(float("nan")))
    assert np.isnan(again(np.float32("nan")))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.asfortranarray(np.random.default_rng(0).normal(size=(5, 4))),
        np.zeros((0, 3), np.float32),
        np.array(["a", "Köln", "\udc80"]),
        np.array([["a", 1], [None, 2.5]], dtype=object),
        np.array([True, False]),
        np.array(3.5),
    ],
    ids=str,
)
def test_arrays_come_back(again, value):
    found = again(value)
    assert found.dtype == value.dtype
    assert found.shape == value.shape
    assert_array_equal(found, value)


def test_sparse_arrays_random_states_and_vectors_come_back(again):
    matrix = sparse.random_array((7, 5), density=0.4, rng=0, format="csr")
    assert (again(matrix) != matrix).nnz == 0
    random_state = np.random.RandomState(3)
    assert again(random_state).randint(99) == random_state.randint(99)
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(2, count=0)
    vectors.add_vectors(["a", "b"], np.array([[1, 2], [3, 4]], np.float32))
    assert again(vectors)["b"].tolist() == [3, 4]


def test_one_object_stays_one(again):
    array = np.arange(3)
    one, other = again([array, array])
    assert one is other


def test_value_that_holds_itself(again):
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="nested too deeply, or holds itself"):
        again(value)


def test_int_that_is_too_long(again):
    with pytest.raises(ValueError, match=r"is an int of 20001 bits; expected at most"):
        again(2**20000)


class Unknown(BaseEstimator):
    def fit(self, X, y=None):
        return self


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (3, "estimator=3 of type int; expected an estimator of skmatch"),
        (
            PairClassifierMatcher(pair_features=[len]),
            r"estimator.pair_features\[0\] is <built-in function len> of type",
        ),
        (
            TitlePairClassifier(pair_features=[len]),
            r"estimator.pair_features\[0\] is <built-in function len> of type",
        ),
        (
            TfidfVectorizer(tokenizer=lambda text: text),
            r"estimator.tokenizer is <function .* cannot be saved: a save holds data",
        ),
        (
            Pipeline([("a", Unknown())]),
            r"estimator.steps\[0\]\[1\] is Unknown\(\), which",
        ),
        (
            Pipeline([("a", RandomForestClassifier(1).fit(X, Y))]),
            "'sklearn.tree._class",
        ),
        (Pipeline([("a", SVC())]), "it holds objects of the type 'sklearn.svm"),
        (
            PairClassifierMatcher(embedders=[object()]),
            r"estimator.embedders\[0\] is <object object",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_saved_is_named_and_leaves_nothing(tmp_path, estimator, message):
    with pytest.raises(ValueError, match=message):
        save(estimator, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_functions_of_skmatch_are_saved_by_their_name(tmp_path):
    decode = FunctionTransformer(decode_escapes)
    pipeline = make_pipeline(decode, TfidfVectorizer()).fit([r"caf\xc3\xa9", "tea"])
    save(pipeline, tmp_path)
    again = load(tmp_path)
    assert again[0].func is decode_escapes
    assert_array_equal(again.transform(["café"]).toarray(), [[1, 0]])


def test_failed_save_leaves_the_old_one(saved):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(ValueError, match="cannot be saved"):
        save(FeatureUnion([("a", TfidfVectorizer(stop_words=len))]), saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_next_save_deletes_what_a_killed_one_left_and_nothing_else(saved):
    (saved / f"{_folder._UNFINISHED}x2").write_bytes(b"half")
    (saved / f"{'a' * 32}.npy").write_bytes(b"whole, but not named")
    (saved / "notes.npy").write_bytes(b"mine")
    save(make_matcher(), saved)
    assert sorted(path.name for path in saved.iterdir()) == [
        "notes.npy",
        "skmatch.json",
    ]


def make_matcher():
    return PairClassifierMatcher(cv=ClassDisjointKFold(3))


def test_every_flipped_byte_is_seen(saved):
    """One byte after another, of every file; of long ones, each 11th byte."""
    n_flipped = 0
    for path in saved.iterdir():
        whole = path.read_bytes()
        for place in range(0, len(whole), 1 if len(whole) < 300 else 11):
            altered = bytearray(whole)
            altered[place] ^= 1 << place % 8
            path.write_bytes(altered)
            with pytest.raises(ValueError, match=str(saved)):
                load(saved)
            n_flipped += 1
        path.write_bytes(whole)
    assert n_flipped > 100
    load(saved)


def test_files_that_are_cut_or_missing(saved):
    for path in saved.iterdir():
        whole = path.read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(ValueError, match=path.name):
                load(saved)
        path.unlink()
        with pytest.raises(ValueError, match=r"cannot be read|is not a folder that"):
            load(saved)
        path.write_bytes(whole)


def test_folder_of_something_else(tmp_path):
    with pytest.raises(ValueError, match=r"is not a folder that skmatch\.save wrote"):
        load(tmp_path / "nowhere")
    (tmp_path / "skmatch.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        load(tmp_path)
    (tmp_path / "skmatch.json").write_text("{}")
    with pytest.raises(ValueError, match="it has no hash"):
        load(tmp_path)


def name_outside(content):
    content["files"]["../outside.npy"] = {"bytes": 1, "sha256": ""}
    content["estimator"] = {"kind": "array", "file": "../outside.npy"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=2), r"has the format 2, by skmatch .*; expected 1"),
        (lambda c: c.update(estimator={"kind": "code"}), "a value of the kind 'code'"),
        (
            lambda c: c.update(estimator={"kind": "object", "type": "os", "state": {}}),
            "an object of the type 'os', which this skmatch does not know",
        ),
        (
            lambda c: c["estimator"].update(type="subprocess.Popen"),
            "an estimator of the type 'subprocess.Popen'; expected one of",
        ),
        (
            lambda c: c.update(estimator={"kind": "function", "name": "system"}),
            "a function 'system', which this skmatch does not know; expected one of",
        ),
        (
            lambda c: c.update(
                estimator={
                    "kind": "object",
                    "type": "FaissThresholdMatcher",
                    "state": {},
                }
            ),
            "A saved FaissThresholdMatcher lacks 'index'",
        ),
        (
            lambda c: c.update(estimator={"kind": "same", "as": 7}),
            "does not describe an",
        ),
        (
            lambda c: c.update(estimator={"kind": "type", "name": "object_"}),
            "of the type obj",
        ),
        (name_outside, r"names the file '\.\./outside\.npy'"),
        (lambda c: c.update(files=[]), "has no list of files"),
        (lambda c: c.update(estimator=nested(300)), "does not describe an|was altered"),
    ],
)
def test_settings_that_somebody_wrote(saved, forge, change, message):
    forge(saved, change)
    with pytest.raises(ValueError, match=message):
        load(saved)


def nested(depth):
    node = {"kind": "tuple", "items": []}
    for _ in range(depth):
        node = {"kind": "tuple", "items": [node]}
    return node


def test_another_scikit_learn_is_told_of(saved, forge):
    forge(saved, lambda content: content["versions"].update({"scikit-learn": "0.1.2"}))
    with pytest.warns(UserWarning, match="was saved with scikit-learn 0.1.2; this is"):
        load(saved)


def npy(header):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy({"descr": "<f4", "fortran_order": False, "shape": (10**12,)}),
            "says that",
        ),
        (
            npy({"descr": "|O", "fortran_order": False, "shape": (1,)}) + b"8" * 8,
            "says",
        ),
        (
            npy({"descr": "<f4", "fortran_order": False, "shape": (-1,)}) + b"8" * 8,
            "says",
        ),
        (b"\x93NUMPY\x03\x00", "of version"),
        (b"nothing", "magic"),
    ],
)
def test_arrays_that_lie(saved, forge_file, content, message):
    path = next(saved.glob("*.npy"))
    forge_file(saved, path, content)
    with pytest.raises(ValueError, match=message):
        load(saved)


@pytest.mark.parametrize(
    "parts",
    [
        ([1.0], [5], [0, 1]),
        ([1.0], [-1], [0, 1]),
        ([1.0], [0], [0, 2]),
        ([1.0, 1.0], [0, 1], [0, 2, 1]),
    ],
)
def test_sparse_arrays_that_lead_outside(again, parts, tmp_path):
    with FolderWriter(tmp_path) as writer:
        encoder = Encoder(writer)
        nodes = [encoder.encode(np.array(part), "it") for part in parts]
        shape = [len(parts[2]) - 1, 3]
        writer.finish(
            {
                "it": {
                    "kind": "csr",
                    "class": "csr_array",
                    "shape": shape,
                    "parts": nodes,
                }
            }
        )
    reader = FolderReader(tmp_path)
    with pytest.raises(ValueError, match="ind"):
        Decoder(reader, {}).decode(reader.content["it"])


def test_trees_come_back():
    fitted = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
    again = read_sklearn(write_sklearn(fitted, "it"), "it")
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    ("field", "value"), [("left", 0), ("right", 10**6), ("feature_idx", 3)]
)
def test_trees_that_lead_outside(field, value):
    fitted = HistGradientBoostingClassifier(max_iter=2).fit(X, Y)
    fitted._predictors[1][0].nodes[field][0] = value
    with pytest.raises(ValueError, match="a tree whose nodes lead outside of it"):
        read_sklearn(write_sklearn(fitted, "it"), "it")


def test_skops_file_of_another_type():
    from skops.io import dumps

    with pytest.raises(ValueError, match=r"objects of the type .*Unknown"):
        read_sklearn(dumps(Unknown()), "it")
    with pytest.raises(ValueError, match="is not a skops file to be read"):
        read_sklearn(b"nothing", "it")


def test_skops_file_that_unpacks_to_much():
    fitted = HistGradientBoostingClassifier(max_iter=1).fit(X, Y)
    file = io.BytesIO(write_sklearn(fitted, "it"))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"0" * 2**27)
    with pytest.raises(ValueError, match=r"unpacks to 1342\d+ bytes; expected at most"):
        read_sklearn(file.getvalue(), "it")


def test_full_disk_leaves_the_old_save(saved):
    """A limit of the size of files stands for the disk; the limit is of a process."""
    script = """
import resource, signal, sys
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from skmatch import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
large = TfidfVectorizer().fit([str(number) for number in range(100_000)])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(FeatureUnion([("tfidf", large)]), sys.argv[1])
except OSError as error:
    print(error)
"""
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", script, saved],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_ints_take_no_more_than_they_need():
    for values, dtype in (
        ([0, 255], np.uint8),
        ([-1, 100], np.int8),
        ([-1, 300], np.int16),
        ([-(2**40), 2**41], np.int64),
        ([2**40], np.uint64),
        ([], np.int64),
    ):
        found = _as_small_ints(values)
        assert found.tolist() == values
        assert found.dtype == dtype


def test_manifest_is_readable(saved):
    content = json.loads((saved / "skmatch.json").read_bytes())
    assert content["format"] == 1
    assert {"skmatch", "scikit-learn", "skops", "numpy", "python"} <= set(
        content["versions"]
    )
    assert set(content["files"]) == {path.name for path in saved.iterdir()} - {
        "skmatch.json"
    }


def test_sizes(saved):
    """A save is not larger than 1.2 pickles of the same."""
    fitted = load(saved)
    n_bytes = sum(os.path.getsize(path) for path in saved.glob("*.npy"))
    assert n_bytes < 1.2 * len(pickle.dumps(fitted))
