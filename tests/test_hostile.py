"""Hostile input: a right answer, or a ValueError or TypeError that says what is wrong.

`CASES` holds every public name; a new one without a case fails a test. A case draws its
input, calls, and compares the answer with a slow oracle. The quick profile runs with
the other tests. A long one, whose counts are written to a file if that is wanted:

    export SKMATCH_HOSTILE=10000 SKMATCH_HOSTILE_RESULTS=FILE
    pytest tests/test_hostile.py
"""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import networkx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from numpy.testing import assert_allclose
from scipy.optimize import linear_sum_assignment
from scipy.sparse import (
    coo_array,
    csr_array,
    csr_matrix,
    issparse,
)
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

import skmatch
from skmatch import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    Change,
    ClassDisjointKFold,
    ClusterDisjointKFold,
    DisjointPairsKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    PairExplanation,
    ProductCatalogue,
    SearchReport,
    TitlePairClassifier,
    TunedThresholdMatcherCV,
    make_product_titles,
)

pytestmark = pytest.mark.slow
N_CASES = int(os.environ.get("SKMATCH_HOSTILE", "800"))  # of all tests together
IS_LONG = "SKMATCH_HOSTILE" in os.environ
RESULTS = os.environ.get("SKMATCH_HOSTILE_RESULTS")
COUNTS: dict[str, Counter[str]] = {}
TITLES, PRODUCT_IDS = make_product_titles(n_products=12, random_state=0)
VECTORS = np.random.default_rng(0).normal(size=(12, 3))
LABELS = np.repeat(np.arange(4), 3)
# What scikit-learn says of input of a wrong shape or kind; its check battery asks for
# these words, and it names no parameter in them.
OF_SKLEARN = re.compile(
    r"Expected 2D|Found array with|inconsistent numbers? of samples|at least one array"
    r"|[Ss]parse data|Complex data not supported|feature names should match"
    r"|Feature names|column names|requires y to be passed|1d array"
    r"|Reshape your data|valid collection|dimensional|inhomogeneous shape"
    r"|Expected sequence or array-like|number of folds|to seed a numpy|Seed must be"
)
# Warnings that the documentation tells of.
DOCUMENTED = re.compile(
    "have a single title|had no triplet with a non-zero loss|embeddings have collapsed"
    "|threshold was chosen on galleries|propagation=True assumes|expected target_recall"
    "|match_singletons=True assumes|max_matches=.* assumes|knows none of the words"
    "|pairs of two of those that come later are left out"
    "|judged pairs contradict other labels|products of y has two titles"
    "|column-vector y was passed|X (has|does not have valid) feature names"
)

# The strategies. Containers are made of plain values when a case runs, so that a failed
# case is printed in plain values.

MISSING = [None, math.nan, pd.NA, pd.NaT]
texts = st.one_of(
    st.sampled_from(TITLES.tolist()),
    st.text(max_size=12),
    st.text("\0\x01\x1b\r\n\t\x85\u2028\u200b\u202e\ufeff", max_size=6),
    st.text("!?.,;:-_()[]{}*/%", max_size=8),
    st.text("0123456789xX.,- gmkl\u00bd\u0660", max_size=12),
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "tea\0",
            "\ud800 tea",
            "tea \udfff",
            "שלום 5kg עולם",
            "e\u0301" * 9,
            "\u0301\u0302",
            "👩‍👩‍👧‍👦 mug 🇮🇩",
            "nan",
            "None",
            "a" * 100_000,
            "1-" * 5_000,
            "1x" * 5_000,
            "tea " * 2_000,
            "\ufb01ne \uff46ull \u1e9e \u0130",
        ]
    ),
)
no_titles = st.sampled_from(
    [*MISSING, 3, 2.5, True, math.inf, b"tea", ["tea"], {}, 1j, np.float32("nan")]
)
title_values = st.one_of(
    st.lists(texts, max_size=6),
    st.lists(texts, min_size=1, max_size=6),
    st.builds(lambda text, n: [text] * n, texts, st.integers(1, 9)),
    st.lists(st.one_of(texts, no_titles), max_size=5),
)
label_values = st.one_of(
    st.lists(st.integers(0, 3), min_size=12, max_size=12),
    st.lists(st.sampled_from("abc"), min_size=12, max_size=12),
    st.lists(st.sampled_from([0.5, 1.0, 2, 3]), min_size=12, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.lists(
        st.sampled_from([*MISSING, 0, 1, "a", b"a", 1.5, math.inf, (), 10**30, 2j]),
        min_size=12,
        max_size=12,
    ),
    st.lists(st.sampled_from(["a", "b", math.nan]), min_size=12, max_size=12),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=14),
    st.just([7] * 12),
    st.just([*range(12)]),
)


def strided(values: Any) -> Any:
    return np.repeat(values, 2, axis=0)[::2]


def read_only(values: Any) -> Any:
    values.flags.writeable = False
    return values


def objects(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


ONE_D: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "object": objects,
    "array": np.array,
    "str": lambda v: np.array(v, dtype=str),
    "read-only": lambda v: read_only(objects(v)),
    "strided": lambda v: strided(objects(v)),
    "reversed": lambda v: objects(v[::-1])[::-1],
    "Series": lambda v: pd.Series(v, index=[*range(7, 7 + len(v))]),
    "Series of object": lambda v: pd.Series(v, dtype=object),
    "Series of string": lambda v: pd.Series(v, dtype="string"),
    "Series of categories": lambda v: pd.Series(v, dtype="category"),
    "Series of Arrow": lambda v: pd.Series(v, dtype="string[pyarrow]"),
    "pandas array": lambda v: pd.array(v),
    "Index": lambda v: pd.Index(v),
    "polars": lambda v: pl.Series(v, strict=False),
    "pyarrow": lambda v: pa.array(v),
    "pyarrow chunked": lambda v: pa.chunked_array([v]),
}
TWO_D: dict[str, Callable[[list[Any]], Any]] = {
    "column": lambda v: objects(v).reshape(-1, 1),
    "lists": lambda v: [[value] for value in v],
    "frame": lambda v: pd.DataFrame({"title": v}, dtype=object),
    "frame of string": lambda v: pd.DataFrame({"title": pd.Series(v, dtype="string")}),
    "polars frame": lambda v: pl.DataFrame({"title": v}, strict=False),
}
ODD: dict[str, Callable[[list[Any]], Any]] = {
    "two columns": lambda v: np.array([v, v], dtype=object).T,
    "the same name twice": lambda v: pd.DataFrame(
        np.array([v, v], dtype=object).T, columns=["a", "a"]
    ),
    "3-D": lambda v: np.array(v, dtype=object).reshape(-1, 1, 1),
    "scalar": lambda v: v[0] if v else 3,
    "dict": lambda v: dict(enumerate(v)),
    "set": set,
    "generator": lambda v: (value for value in v),
    "sparse": lambda v: csr_array(np.ones((len(v), 1))),
    "None": lambda v: None,
    "bytes": lambda v: np.array(v, dtype="S"),
    "ragged": lambda v: [[value] * i for i, value in enumerate(v)],
    "itself": lambda v: type("Odd", (), {"__len__": lambda self: len(v)})(),
}


class Held(NamedTuple):
    """Values in a container."""

    values: list[Any]
    container: str

    def make(self) -> Any:
        """Return the container, or give the case up: not each can hold each value."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return (ONE_D | TWO_D | ODD)[self.container](list(self.values))
        except Exception:
            reject()

    def read(self) -> list[Any]:
        """Return the values that the container has: numpy makes str of some."""
        made = self.make()
        if self.container == "lists":
            return self.values
        if hasattr(made, "to_pylist"):
            return made.to_pylist()
        if hasattr(made, "columns"):
            made = made[made.columns[0]]
        return np.asarray(made, dtype=object).ravel().tolist()


containers = st.one_of(
    *[st.sampled_from([*kinds]) for kinds in (ONE_D, ONE_D, ONE_D, TWO_D, ODD)]
)
label_containers = st.one_of(
    *[st.sampled_from([*kinds]) for kinds in (ONE_D, ONE_D, ONE_D, ONE_D, ODD)]
)
title_inputs = st.builds(Held, title_values, containers)
label_inputs = st.builds(Held, label_values, label_containers)


def halves(of_side: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """Put the left and the right titles of pairs into a container each."""
    return lambda v: tuple(of_side([pair[side] for pair in v]) for side in (0, 1))


def as_pairs(v: list[Any]) -> Any:
    return np.array([*map(objects, v)], dtype=object).reshape(-1, 2)


PAIRS: dict[str, Callable[[list[Any]], Any]] = {
    "lists": lambda v: [[*pair] for pair in v],
    "list of tuples": lambda v: [*map(tuple, v)],
    "object": as_pairs,
    "str": lambda v: np.array(v, dtype=str),
    "read-only": lambda v: read_only(as_pairs(v)),
    "strided": lambda v: strided(as_pairs(v)),
    "Fortran": lambda v: np.asfortranarray(as_pairs(v)),
    "frame": lambda v: pd.DataFrame(v, dtype=object),
    "frame with names": lambda v: pd.DataFrame(v, columns=["a", "b"], dtype=object),
    "frame of string": lambda v: pd.DataFrame(v, dtype="string"),
    "polars frame": lambda v: pl.DataFrame(v, schema=["a", "b"], orient="row"),
    **{f"two of {name}": halves(kind) for name, kind in (ONE_D | TWO_D).items()},
}
ODD_PAIRS: dict[str, Callable[[list[Any]], Any]] = {
    "three columns": lambda v: np.column_stack([as_pairs(v), as_pairs(v)[:, 0]]),
    "no column": lambda v: as_pairs(v)[:, :0],
    "one side": lambda v: [pair[0] for pair in v],
    "longer side": lambda v: ([*"abc"], [pair[0] for pair in v]),
    "wider side": lambda v: (as_pairs(v), as_pairs(v)[:, 0]),
    "ragged": lambda v: [[pair[0]] * i for i, pair in enumerate(v)],
    "3-D of pairs": lambda v: as_pairs(v)[None],
    # Two sides of two columns are pairs of rows with two fields.
    **{
        f"two of {name}": halves(kind)
        for name, kind in ODD.items()
        if name not in ("two columns", "the same name twice")
    },
    **ODD,
}


class HeldPairs(NamedTuple):
    """Pairs of values in a container."""

    values: list[tuple[Any, Any]]
    container: str

    def make(self) -> Any:
        """Return the container, or give the case up: not each can hold each value."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return (PAIRS | ODD_PAIRS)[self.container](list(self.values))
        except Exception:
            reject()

    def read(self) -> list[Any]:
        """Return the pairs that the container has: numpy makes str of some."""
        assert self.container in PAIRS, f"{self.container} was taken for pairs"
        if self.container.startswith("two of "):
            held = self.container.removeprefix("two of ")
            sides = zip(*self.values, strict=True)
            return [*zip(*(Held([*s], held).read() for s in sides), strict=True)]
        if self.container in ("lists", "list of tuples"):
            return self.values
        return np.asarray(self.make(), dtype=object).tolist()


pair_values = st.one_of(
    st.lists(st.tuples(texts, texts), max_size=6),
    st.lists(st.tuples(texts, texts), min_size=1, max_size=6),
    st.lists(st.builds(lambda text: (text, text), texts), min_size=1, max_size=4),
    st.lists(st.tuples(texts, st.one_of(texts, no_titles)), max_size=5),
)
pair_inputs = st.builds(
    HeldPairs,
    pair_values,
    st.one_of(*[st.sampled_from([*k]) for k in (PAIRS, PAIRS, PAIRS, ODD_PAIRS)]),
)


def answer_values(n: int) -> Any:
    """Draw whether pairs match."""
    some = {"min_size": n, "max_size": n}
    return st.one_of(
        st.just([True] * n),
        st.lists(st.booleans(), **some),
        st.lists(st.integers(0, 1), **some),
        st.lists(st.sampled_from([0, 1.0, True]), **some),
        st.lists(st.sampled_from([0, 1, 2, *MISSING, "1", b"1", 1j, 10**400]), **some),
        st.lists(st.booleans(), max_size=n + 1),
    )


def answer_inputs(n: int) -> Any:
    plain = st.sampled_from(["list", "array", "object", "Series"])
    return st.builds(Held, answer_values(n), st.one_of(plain, label_containers))


def answered_pairs(n: int) -> Any:
    """Draw pairs of titles, and whether they match."""
    values = st.lists(st.tuples(texts, texts), min_size=n, max_size=n)
    held = st.builds(HeldPairs, values, st.sampled_from([*PAIRS]))
    return st.tuples(st.one_of(held, pair_inputs), answer_inputs(n))


numbers = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 3.0]),
    st.sampled_from([0.0, 1.0, -1.0, 1e-40, 1e38, -1e38, 1e-320, 1e300, 5e-324]),
    st.floats(-4, 4),
)
spoilt = st.one_of(numbers, st.sampled_from([math.nan, math.inf, -math.inf]))


def matrices(entries: Any, n_rows: Any, n_columns: Any) -> Any:
    """Draw lists of rows."""
    return st.tuples(n_rows, n_columns).flatmap(
        lambda shape: st.lists(
            st.lists(entries, min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )


row_values = st.one_of(
    matrices(numbers, st.integers(1, 8), st.just(3)),
    matrices(st.sampled_from([0.0, 1.0, -1.0]), st.integers(1, 8), st.just(3)),
    matrices(spoilt, st.integers(1, 6), st.just(3)),
    matrices(numbers, st.integers(0, 3), st.integers(0, 5)),
    st.builds(lambda row, n: [row] * n, st.just([0.1, 0.2, 0.3]), st.integers(1, 9)),
)


def duplicated(rows: Any) -> Any:
    """Store each entry as the sum of two halves."""
    whole = coo_array(np.array(rows, dtype=float))
    row, column = whole.coords
    order = np.argsort(np.tile(row, 2), kind="stable")
    ends = np.append(0, np.bincount(np.tile(row, 2), minlength=len(rows)).cumsum())
    parts = np.tile(whole.data / 2, 2)[order], np.tile(column, 2)[order], ends
    return csr_array(parts, shape=whole.shape)


def of_dtype(dtype: Any) -> Callable[[Any], Any]:
    return lambda rows: np.array(rows, dtype=float).astype(dtype)


DENSE: dict[str, Callable[[Any], Any]] = {
    "lists": list,
    "float64": of_dtype(np.float64),
    "float32": of_dtype(np.float32),
    "float16": of_dtype(np.float16),
    "big-endian": of_dtype(">f8"),
    "longdouble": of_dtype(np.longdouble),
    "int": of_dtype(np.int64),
    "uint8": of_dtype(np.uint8),
    "bool": of_dtype(bool),
    "object": of_dtype(object),
    "Fortran": lambda rows: np.asfortranarray(np.array(rows, dtype=float)),
    "read-only": lambda rows: read_only(np.array(rows, dtype=float)),
    "strided": lambda rows: strided(np.array(rows, dtype=float)),
    "matrix as frame": lambda rows: pd.DataFrame(rows, dtype=float),
    "polars frame": lambda rows: pl.DataFrame(np.array(rows, dtype=float)),
}
SPARSE: dict[str, Callable[[Any], Any]] = {
    f"{name} {kind.__name__}": lambda rows, name=name, kind=kind: kind(
        np.array(rows, dtype=float)
    ).asformat(name)
    for name in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
    for kind in (csr_array, csr_matrix)
} | {
    "csr with duplicates": duplicated,
    "csr of float32": lambda rows: csr_array(np.array(rows, dtype=np.float32)),
    "csr of int": lambda rows: csr_array(of_dtype(int)(rows)),
    "csr of bool": lambda rows: csr_array(of_dtype(bool)(rows)),
    "csr of 64-bit indices": lambda rows: csr_array(
        coo_array(np.array(rows, dtype=float)).astype(float)
    ),
}


def broken(rows: Any, change: Callable[[Any], None]) -> Any:
    matrix = csr_array(np.array(rows, dtype=float))
    change(matrix)
    return matrix


def set_index(matrix: Any) -> None:
    matrix.indices[0] = 99


def set_pointer(matrix: Any) -> None:
    matrix.indptr[1] = -5


WRONG: dict[str, Callable[[Any], Any]] = {
    "complex": of_dtype(complex),
    "str": of_dtype(str),
    "1-D": lambda rows: np.array(rows, dtype=float).ravel(),
    "3-D": lambda rows: np.atleast_2d(np.array(rows, dtype=float))[None],
    "scalar": lambda rows: 3.5,
    "dict": lambda rows: {"a": 1},
    "generator": lambda rows: (row for row in rows),
    "None": lambda rows: None,
    "dates": lambda rows: np.array(rows, dtype=float).astype("M8[s]"),
    "objects": lambda rows: np.full(np.shape(rows), {}, dtype=object),
    "ragged": lambda rows: [*rows, [*rows[-1], 1.0]],
    "the same name twice": lambda rows: pd.DataFrame(
        rows, columns=["a"] * len(rows[0])
    ),
    "complex csr": lambda rows: csr_array(np.array(rows, dtype=complex)),
    "index outside": lambda rows: broken(rows, set_index),
    "pointers that fall": lambda rows: broken(rows, set_pointer),
    "single str": lambda rows: "rows",
}


NO_MATRIX = {*WRONG} - {"str", "the same name twice"}


class Matrix(NamedTuple):
    """Rows of numbers in a container."""

    rows: list[list[float]]
    container: str

    def make(self) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return (DENSE | SPARSE | WRONG)[self.container](copy.copy(self.rows))
        except Exception:
            reject()

    def read(self) -> Any:
        """Return the numbers as the container has them, and where one is stored."""
        made = self.make()
        is_empty = not self.rows  # of which any container is a matrix
        assert is_empty or self.container not in NO_MATRIX, (
            f"{self.container} was taken for rows"
        )
        if issparse(made):
            parts = coo_array(made)
            values, is_stored = np.zeros(made.shape), np.zeros(made.shape, dtype=bool)
            np.add.at(values, parts.coords, parts.data.astype(float))
            is_stored[parts.coords] = True
            return values, is_stored
        values = np.asarray(made).astype(float)
        return values, values != 0


def matrix_inputs(rows: Any) -> Any:
    kinds = [st.sampled_from([*kind]) for kind in (DENSE, DENSE, SPARSE, SPARSE, WRONG)]
    return st.builds(Matrix, rows, st.one_of(kinds))


embeddings = matrix_inputs(row_values)
rows_12 = matrix_inputs(
    st.one_of(
        matrices(numbers, st.just(12), st.just(3)),
        matrices(spoilt, st.just(12), st.just(3)),
    )
)
scores_of_pairs = st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.75, 1.0])
score_values = st.one_of(
    *[
        st.integers(0, 6).flatmap(
            lambda n, entries=entries: matrices(entries, st.just(n), st.just(n))
        )
        for entries in (scores_of_pairs, scores_of_pairs, spoilt)
    ],
    matrices(scores_of_pairs, st.integers(0, 4), st.integers(0, 4)),
)
score_graphs = matrix_inputs(score_values)


def returns_none(*_: Any) -> None:
    """What may be called with anything."""


HOSTILE = [
    *(None, "", "x", -1, 0, 1, 2, 0.5, 0.25, -0.5, 1.5, math.nan, math.inf, -math.inf),
    *(10**30, -(10**30), True, False, (), [], {}, b"x", 1j, pd.NA, "auto", "tuned"),
    *(np.float32(0.5), np.int64(3), np.array(0.5), np.array([1, 2]), [0.1, 0.9], [1]),
    *("expected_f1", object, "exact", "cells", "HNSW8", "HNSW0", "Flat", "\0"),
    *("average", "components", "complete", "louvain", (2, 3), (3, 2), (0, 1), "cpu"),
    *([math.nan], "contrastive", "rowwise_f1", "prefit", "\ud800", "IVF0,Flat"),
    *(returns_none, 10**400, bytearray(b"x")),
]
hostile = st.sampled_from(HOSTILE)


# The fitted estimators and what is fitted to them


@cache
def lstm() -> Any:
    return LSTMTitleEmbedder(
        embedding_dim=8, hidden_size=4, n_epochs=1, batch_size=16, random_state=0
    )


@cache
def bert() -> Any:
    return AdapterBertEmbedder(
        os.environ["SKMATCH_TEST_BERT"],
        embedding_dim=8,
        reduction_factor=4,
        n_epochs=1,
        batch_size=16,
        precision="float32",
        random_state=0,
    )


@cache
def bert_pairs() -> Any:
    return AdapterBertPairClassifier(
        os.environ["SKMATCH_TEST_BERT"],
        reduction_factor=4,
        n_epochs=1,
        precision="float32",
        random_state=0,
    )


def pair_matcher() -> Any:
    classifier = HistGradientBoostingClassifier(max_iter=3, random_state=0)
    return PairClassifierMatcher(classifier=classifier, cv=2, random_state=0)


def title_pairs() -> Any:
    classifier = HistGradientBoostingClassifier(max_iter=3, random_state=0)
    return TitlePairClassifier(classifier=classifier, cv=2, random_state=0)


def tuned() -> Any:
    return TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=ClassDisjointKFold(2))


@cache
def fitted(name: str) -> Any:
    """Return a fitted estimator; it must be left as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "lstm": lambda: copy.copy(lstm()).fit(TITLES, PRODUCT_IDS),
            "bert": lambda: copy.copy(bert()).fit(TITLES, PRODUCT_IDS),
            "bert pairs": lambda: copy.copy(bert_pairs()).fit(P12, A12),
            "pairs": lambda: pair_matcher().fit(TITLES, PRODUCT_IDS),
            "title pairs": lambda: title_pairs().fit(P12, A12),
            "without labels": lambda: pair_matcher().fit(TITLES),
            "tuned": lambda: tuned().fit(VECTORS, LABELS),
            "tuned pipeline": lambda: TunedThresholdMatcherCV(
                make_pipeline(
                    TfidfVectorizer(analyzer="char", ngram_range=(1, 2)),
                    FaissThresholdMatcher(),
                ),
                cv=ClassDisjointKFold(2),
            ).fit(TITLES, PRODUCT_IDS),
            "titles": lambda: make_pipeline(
                TfidfVectorizer(analyzer="char", ngram_range=(1, 2)),
                FaissThresholdMatcher(0.5),
            ).fit(TITLES),
            "dense": lambda: FaissThresholdMatcher(0.5).fit(VECTORS),
            "sparse": lambda: FaissThresholdMatcher(0.5).fit(csr_array(VECTORS)),
        }[name]()


# What a case is, and what it may do


class Case(NamedTuple):
    """A public name, what is called, what with, and what the answer must be."""

    public: str
    call: Callable[..., Any]  # on what the inputs make
    inputs: tuple[Any, ...]  # strategies
    check: Callable[..., None]  # of the answer and the inputs
    names: str = "X|y"  # that a refusal may name
    weight: int = 12  # share of the cases: those that train are few


def n_rows_of(X: Any) -> int:
    if hasattr(X, "shape"):
        return int(X.shape[0]) if X.shape else 1
    return len(X) if hasattr(X, "__len__") else 1


def n_pairs_of(X: Any) -> int:
    return n_rows_of(X[0]) if isinstance(X, tuple) and len(X) == 2 else n_rows_of(X)


def names_what_is_wrong(message: str, names: str) -> bool:
    named = re.search(rf"\brow \d+\b|(?<!\w)(?:{names})(?!\w)", message)
    return bool(named or OF_SKLEARN.search(message))


def judge(case: Case, drawn: tuple[Any, ...]) -> str:
    """Run a case; return whether it was answered or refused, or fail."""
    made = [x.make() if hasattr(x, "make") else x for x in drawn]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = case.call(*made)
        except (ValueError, TypeError, FileNotFoundError) as error:
            if not names_what_is_wrong(str(error), case.names):
                raise AssertionError(
                    f"the message names nothing: {error!r:.300}"
                ) from error
            verdict, answer = "refused", None
        except UnsatisfiedAssumption:  # of a container that cannot hold the values
            raise
        except Exception as error:
            raise AssertionError(f"raised {error!r:.300}") from error
        else:
            verdict = "answered"
    for warning in caught:
        is_documented = issubclass(warning.category, UserWarning) and DOCUMENTED.search(
            str(warning.message)
        )
        assert is_documented, f"warned {warning.category.__name__}: {warning.message}"
    if verdict == "answered":
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            case.check(answer, *drawn)
    return verdict


def names_of(*functions: Any) -> str:
    """Return the parameters of functions, as a pattern."""
    names = {name for f in functions for name in inspect.signature(f).parameters}
    return "|".join(sorted(names - {"self"}))


# Titles


def expected_texts(held: Held) -> list[str]:
    """Return the titles that a container holds; fail if one of them is none."""
    assert held.container in ONE_D | TWO_D, held.container
    for value in held.read():
        missing = value is None or value is pd.NA or value is pd.NaT
        assert not missing, "a missing title was taken"
        assert not isinstance(value, (bytes, list, dict)), "no title was taken"
        assert not (isinstance(value, Real) and not math.isfinite(value))
    return [str(value) for value in held.read()]


def check_embeddings(name: str) -> Callable[..., None]:
    def check(answer: Any, held: Held) -> None:
        assert answer.dtype == np.float32
        assert np.isfinite(answer).all()
        assert_allclose(np.linalg.norm(answer, axis=1), 1, atol=1e-5)
        if held.container in ODD:
            return
        expected = [fitted(name).transform([text])[0] for text in expected_texts(held)]
        assert_allclose(answer, expected, atol=1e-5)

    return check


def check_graph(answer: Any, *_: Any) -> None:
    """A symmetric graph of finite scores without a diagonal."""
    graph = answer.toarray()
    assert graph.dtype == np.float32
    assert np.isfinite(graph).all()
    assert (graph == graph.T).all()
    assert not graph.diagonal().any()


def check_matches(answer: Any, *_: Any) -> None:
    assert answer.dtype == bool
    assert answer.shape[0] == answer.shape[1]
    assert answer.diagonal().all()


def check_title_matches(name: str, method: str) -> Callable[..., None]:
    def check(answer: Any, held: Held) -> None:
        (check_matches if method == "predict" else check_finite)(answer)
        if held.container in ODD:
            return
        expected = getattr(fitted(name), method)(expected_texts(held))
        assert_allclose(answer.toarray(), expected.toarray(), atol=1e-6)

    return check


def check_finite(answer: Any, *_: Any) -> None:
    assert np.isfinite(answer.toarray() if issparse(answer) else answer).all()


def check_removed(n_left: int, rows: Held) -> None:
    assert n_left == len(TITLES) - len(rows.values)


def in_catalogue(call: Callable[[ProductCatalogue], Any]) -> Any:
    """Call with a catalogue of two listings, "a" and "3"."""
    with (
        TemporaryDirectory() as folder,
        ProductCatalogue(folder, fitted("titles")) as catalogue,
    ):
        catalogue.add(TITLES[[0, -1]], ["a", "3"])
        before = catalogue.products()
        try:
            return call(catalogue), catalogue.products(), catalogue.changes()
        except (ValueError, TypeError):
            assert (catalogue.products(), catalogue.revision) == (before, 1)
            raise


def check_added(answer: Any, X: Held) -> None:
    """The groups are those of all titles at once."""
    products, listed, changes = answer
    assert products.shape == (len(X.values),)
    of_listing = {i: product for product, ids in listed.items() for i in ids}
    assert [of_listing[i] for i in range(2, 2 + len(X.values))] == products.tolist()
    titles = [*TITLES[[0, -1]], *map(str, X.values)]
    clean = [t.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
             for t in titles]  # fmt: skip
    graph = fitted("titles")[-1].score_graph(fitted("titles")[:-1].transform(clean))
    groups = skmatch.group_matches(graph, threshold=0.5)
    own = [of_listing[i] for i in ["a", "3", *range(2, 2 + len(X.values))]]
    assert_same_partition(own, groups.tolist())
    assert all(isinstance(change, Change) for change in changes)


def assert_same_partition(one: list[int], other: list[int]) -> None:
    pairs = {*zip(one, other, strict=True)}
    assert len(pairs) == len(set(one)) == len(set(other))


def check_listing_ids(answer: Any, ids: Held) -> None:
    """All that are str or int, and different, are taken as they are."""
    _, listed, _ = answer
    every = [i for own in listed.values() for i in own]
    given = [2] if ids.container == "None" else ids.values
    assert Counter(every) == Counter(["a", "3", *given])


def in_files(function: Callable[..., int]) -> Callable[..., Any]:
    """Call with a file of titles; return the rows that were written."""

    def call(values: list[Any], params: dict[str, Any]) -> Any:
        with TemporaryDirectory() as folder:
            source, target = (Path(folder) / name for name in ("in", "out"))
            try:
                pq.write_table(pa.table({"title": pa.array(values)}), source)
            except (ValueError, TypeError, pa.ArrowException):
                reject()
            given = {"columns": "title"} | params
            n_pairs = function(fitted("titles"), source, target, **given)
            table = pq.read_table(target)
            assert n_pairs == len(table)
            left, right = (table[side].to_pylist() for side in ("left", "right"))
            return {*zip(left, right, strict=True)}

    return call


def check_pairs_of_files(answer: Any, values: list[Any], *_: Any) -> None:
    matches = fitted("titles").predict([*map(str, values)])
    pairs = zip(*matches.nonzero(), strict=True)
    assert None not in values
    assert answer == {(i, j) for i, j in pairs if i < j}


def check_links_of_files(answer: Any, values: list[Any], *_: Any) -> None:
    assert None not in values
    if values:
        found = fitted("titles").transform([*map(str, values)])
        assert answer == {*zip(*found.nonzero(), strict=True)}


def rows_of_table(table: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a frame of pandas, polars or pyarrow."""
    frame = table.to_pandas() if hasattr(table, "to_pandas") else table
    return [*frame.itertuples(index=False, name=None)]


def check_match_table(answer: Any, drawn: Matrix, ids: Any, n: Any) -> None:
    values, is_stored = drawn.read()
    assert np.isfinite(values).all(), "a score that is not finite was taken"
    shape, names = values.shape, [*range(values.shape[0])]
    is_among = shape[0] == shape[1]
    if ids is not None and ids.container != "None":
        names = ids.read()
        assert len(names) == shape[0]
        assert all(not pd.isna(name) for name in names), "a missing id was taken"
        assert len({*names}) == len(names), "an id was taken twice"
    pairs = {(i, j) for i, j in zip(*np.nonzero(is_stored), strict=True)}
    if drawn.container == "csr of bool":
        pairs = {pair for pair in pairs if values[pair]}
    if is_among:
        pairs = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    rows = rows_of_table(answer)
    place = {name: row for row, name in enumerate(names)}
    right = place if is_among else {row: row for row in range(shape[1])}
    found = [(place[row[0]], right[row[1]]) for row in rows]
    assert len({*found}) == len(found)
    assert {*found} <= pairs
    assert n is not None or len(found) == len(pairs)
    assert all(n is None or 1 <= row[-1] <= n for row in rows)


def check_groups_table(answer: Any, held: Held) -> None:
    check_labels(None, held)
    labels = held.read()
    rows = rows_of_table(answer)
    assert sorted(row[0] for row in rows) == [*range(len(labels))]
    for row, product, size in rows:
        assert product == labels[row]
        assert size == labels.count(product)
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)


def check_explanation(answer: Any, *_: Any) -> None:
    assert isinstance(answer, PairExplanation)
    assert 0 <= answer.probability <= 1
    assert np.isfinite([part[1:] for part in answer.contributions]).all()
    assert str(answer).startswith("probability of a match")


# Embeddings


def cosines(one: Any, other: Any) -> Any:
    """Return cosine similarities by loops over float64; those of a zero row are 0."""
    found = np.zeros((len(one), len(other)))
    for i, j in itertools.product(range(len(one)), range(len(other))):
        a, b = one[i] / (abs(one[i]).max() or 1), other[j] / (abs(other[j]).max() or 1)
        norm = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
        found[i, j] = float(a @ b) / norm if norm else 0
    return found


def check_threshold_matches(answer: Any, drawn: Matrix) -> None:
    rows, _ = drawn.read()
    assert np.isfinite(rows).all(), "a row that is not finite was taken"
    check_matches(answer)
    assert answer.shape == (len(rows), len(rows))
    compare_matches(answer.toarray(), cosines(rows, rows), 0.5)


def compare_matches(found: Any, expected: Any, threshold: float) -> None:
    off = ~np.eye(*found.shape, dtype=bool) if found.dtype == bool else True
    assert not ((expected > threshold + 1e-5) & (found == 0) & off).any()
    assert not ((expected < threshold - 1e-5) & (found != 0) & off).any()


def check_scores(answer: Any, drawn: Matrix) -> None:
    rows, _ = drawn.read()
    check_graph(answer)
    expected = cosines(rows, rows)
    np.fill_diagonal(expected, 0)
    compare_matches(answer.toarray().astype(float), expected, 0.5)
    stored = answer.toarray() != 0
    assert_allclose(answer.toarray()[stored], expected[stored], atol=1e-5)


def check_against(answer: Any, drawn: Matrix) -> None:
    rows, _ = drawn.read()
    expected = cosines(rows, VECTORS)
    assert answer.shape == expected.shape
    compare_matches(answer.toarray().astype(float), expected, 0.5)


def check_report(answer: Any, *_: Any) -> None:
    assert isinstance(answer, SearchReport)
    assert 0 <= answer.recall_low <= answer.recall <= answer.recall_high <= 1


# Fits


def fit(make: Callable[[], Any], name: str) -> Callable[..., Any]:
    """Fit again what is fitted; a fit that fails must leave it as it was."""

    def call(X: Any, y: Any = None, known: Any = None, **params: Any) -> Any:
        old = copy.copy(fitted(name))
        old.set_params(**params)
        before = dict(vars(old))
        try:
            return old.fit(X, y, **(known or {}))
        except Exception:
            after = vars(old)
            assert set(after) == set(before), "a failed fit changed the estimator"
            assert all(after[key] is before[key] for key in before)
            raise

    return call


def fit_with(make: Callable[[], Any], name: str, X: Any, y: Any) -> Callable[..., Any]:
    """Fit with a hostile parameter, and use the estimator."""

    def call(params: dict[str, Any]) -> Any:
        estimator = fit(make, name)(X, y, **params)
        method = "predict" if hasattr(estimator, "predict") else "transform"
        return getattr(estimator, method)(X)

    return call


def one_param(kind: Any, *unlimited: str) -> Any:
    """Draw one or two hostile parameters, without what would take for ever by right."""
    names = [*kind().get_params(deep=False)]
    return params_of(names, *unlimited)


def params_of(names: list[str], *unlimited: str) -> Any:
    pairs = st.tuples(st.sampled_from(names), hostile).filter(
        lambda pair: pair[0] not in unlimited or not is_huge(pair[1])
    )
    return st.lists(pairs, min_size=1, max_size=2).map(dict)


def is_huge(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > 2**31


def check_fitted_embedder(answer: Any, held: Held) -> None:
    vectors = answer.transform(held.make())
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def check_fitted_matcher(answer: Any, *drawn: Any) -> None:
    assert answer.n_samples_fit_ == len(drawn[0].read()[0])


def is_legal(labels: list[Any]) -> bool:
    """Tell whether labels are all of one kind, by a loop."""
    kinds = set()
    for label in labels:
        if isinstance(label, str):
            kinds.add("str")
        elif isinstance(label, (bool, np.bool_)):
            kinds.add("bool")
        elif isinstance(label, Real) and math.isfinite(label):
            kinds.add("number")
        else:
            kinds.add("none")
    return len(kinds) <= 1 and "none" not in kinds


def check_labels(answer: Any, held: Held) -> None:
    if held.container == "sparse":  # which is one of matches
        return
    assert held.container in [*ONE_D, *TWO_D, "scalar"] or not held.values, held
    assert is_legal(held.read()), "labels that are missing or mixed were taken"


def check_known_labels(answer: Any, held: Held) -> None:
    """Labels of which some are missing; without any it is the same as no labels."""
    if held.container in ("sparse", "None"):
        return
    assert held.container in [*ONE_D, *TWO_D, "scalar"] or not held.values, held
    known = [label for label in held.read() if not is_missing(label)]
    assert is_legal(known), "labels that are mixed were taken"
    says_something = len(set(map(str, known))) < len(known)
    assert answer.supervision_ == ("product_ids" if says_something else "none")


def is_missing(label: Any) -> bool:
    if label is None or label is pd.NA or label is pd.NaT:
        return True
    is_number = isinstance(label, Real) and not isinstance(label, (bool, np.bool_))
    return is_number and (math.isnan(label) or label == -1)


def expected_answers(held: Held) -> list[bool]:
    """Return the answers that a container holds; fail if one of them is none."""
    assert held.container in ONE_D, f"{held.container} was taken for answers"
    for answer in held.read():
        assert isinstance(answer, (Real, np.bool_)), "no answer was taken"
        assert answer in (0, 1), "no answer was taken"
    return [bool(answer) for answer in held.read()]


def check_fitted_pairs(answer: Any, pairs: HeldPairs) -> None:
    expected_pairs(pairs)
    assert answer.n_features_in_ == 2
    check_probabilities(answer.predict_proba(pairs.make()), pairs)


def check_answers(answer: Any, held: Held) -> None:
    assert len(set(expected_answers(held))) == 2
    assert answer.predict(P12).shape == (12,)


def expected_pairs(pairs: HeldPairs) -> list[list[str]]:
    """Return the titles of pairs; fail if one of them is none."""
    made = pairs.read()
    for side in (0, 1):
        expected_texts(Held([pair[side] for pair in made], "list"))
    return [[*map(str, pair)] for pair in made]


def check_probabilities(answer: Any, pairs: HeldPairs) -> None:
    assert answer.shape == (len(expected_pairs(pairs)), 2)
    assert ((answer >= 0) & (answer <= 1)).all()
    assert_allclose(answer.sum(axis=1), 1)


def check_predicted_pairs(name: str, method: str) -> Callable[..., None]:
    def check(answer: Any, pairs: HeldPairs) -> None:
        again = getattr(fitted(name), method)(expected_pairs(pairs))
        assert_allclose(answer.astype(float), again.astype(float), atol=1e-6)

    return check


def check_judged(answer: Any, drawn: Any) -> None:
    pairs, held = drawn
    rows = np.asarray(pairs.make())
    assert rows.shape == (len(expected_answers(held)), 2)
    assert rows.dtype.kind in "iu"
    assert ((rows >= 0) & (rows < 12)).all()
    assert (rows[:, 0] != rows[:, 1]).all()
    assert answer.supervision_ == "pairs"


def check_suggested(answer: Any, held: Held, n_pairs: Any) -> None:
    assert answer.shape == (len(answer), 2)
    assert len(answer) <= n_pairs
    if held.container in ODD:
        return
    expected = [" ".join(text.lower().split()) for text in expected_texts(held)]
    said = [frozenset(expected[row] for row in pair) for pair in answer]
    assert all(len(both) == 2 for both in said)
    assert len(set(said)) == len(said)


def check_pair_folds(answer: Any, pairs: HeldPairs, held: Held) -> None:
    made = [tuple(map(str, pair)) for pair in pairs.read()]
    answers = expected_answers(held)
    graph = networkx.Graph()
    graph.add_nodes_from(itertools.chain(*made))
    graph.add_edges_from(p for p, same in zip(made, answers, strict=True) if same)
    tested: list[int] = []
    for train, test in answer:
        assert len(train)
        assert len(test)
        for part in networkx.connected_components(graph):
            sides = [any(part & {*made[i]} for i in rows) for rows in (train, test)]
            assert not all(sides), "a product is on both sides"
        tested += test.tolist()
    assert len(set(tested)) == len(tested)
    assert {i for i, same in enumerate(answers) if same} <= set(tested)


def check_folds(answer: Any, held: Held) -> None:
    check_labels(answer, held)
    labels = held.read()
    seen: list[int] = []
    for train, test in answer:
        assert not {labels[i] for i in train} & {labels[i] for i in test}
        assert sorted([*train, *test]) == [*range(len(labels))]
        seen += test.tolist()
    assert sorted(seen) == [*range(len(labels))]


# Scores of matches


def f1_by_loops(true: Any, found: Any) -> Any:
    scores = []
    for truth, guess in zip(true, found, strict=True):
        total = len(truth) + len(guess)
        scores.append(2 * len(truth & guess) / total if total else 0.0)
    return scores


def sets_of_labels(labels: list[Any]) -> list[set[int]]:
    n = len(labels)
    return [{j for j in range(n) if labels[j] == labels[i]} for i in range(n)]


def sets_of_matrix(drawn: Matrix) -> list[set[int]]:
    values, _ = drawn.read()
    return [{j for j in range(len(row)) if row[j] != 0} for row in values]


def sets_of_found(drawn: Matrix) -> list[set[int]]:
    """Return matches, which group labels of as many rows as it has scores give, too."""
    if drawn.container == "1-D":
        return sets_of_labels(drawn.make().tolist())
    return sets_of_matrix(drawn)


def check_rowwise(answer: Any, labels: Held, drawn: Matrix) -> None:
    check_labels(answer, labels)
    true, found = sets_of_labels(labels.read()), sets_of_found(drawn)
    assert answer == pytest.approx(np.mean(f1_by_loops(true, found)))


def check_pairs(mean: Callable[..., Any]) -> Callable[..., None]:
    def check(answer: Any, labels: Held, found: Any) -> None:
        check_labels(answer, labels)
        true = sets_of_labels(labels.read())
        if isinstance(found, Held):
            check_labels(answer, found)
            guess = sets_of_labels(found.read())
        else:
            guess = sets_of_found(found)
        assert answer == pytest.approx(mean(true, guess))

    return check


def harmonic(precision: float, recall: float) -> tuple[float, float, float]:
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0


def pairwise(true: Any, guess: Any) -> Any:
    true = [row - {i} for i, row in enumerate(true)]
    guess = [row - {i} for i, row in enumerate(guess)]
    both = sum(len(t & g) for t, g in zip(true, guess, strict=True))
    n_true, n_guess = sum(map(len, true)), sum(map(len, guess))
    return harmonic(both / n_guess if n_guess else 1, both / n_true if n_true else 1)


def bcubed(true: Any, guess: Any) -> Any:
    guess = [row | {i} for i, row in enumerate(guess)]
    rows = [*zip(true, guess, strict=True)]
    precision = np.mean([len(t & g) / len(g) for t, g in rows])
    return harmonic(precision, np.mean([len(t & g) / len(t) for t, g in rows]))


def check_evaluation(answer: Any, labels: Held, found: Any) -> None:
    check_pairs(pairwise)(answer.pairwise_precision_recall_f1, labels, found)
    check_pairs(bcubed)(answer.bcubed_precision_recall_f1, labels, found)
    assert all(len(line) <= 88 for line in str(answer).splitlines())


def check_shown_titles(answer: Any, held: Held) -> None:
    if held.container not in ("two columns", "None"):  # fields, and no titles
        assert answer.n_rows == len(expected_texts(held))
    for group in answer.mixed_groups:
        if held.container == "None":
            assert group.titles is None
        else:
            assert len(group.titles) == len(group.rows) == answer.n_rows
    lines = str(answer).replace("\u200d", "").split("\n")
    assert all(line.isprintable() for line in lines)
    answer._repr_html_().encode()


def check_shown_scores(answer: Any, drawn: Matrix) -> None:
    if drawn.container == "None":  # no scores
        drawn = Matrix([[0.0] * 3] * 3, "float64")
    values, is_stored = drawn.read()
    for pair in [*answer.false_matches, *answer.missed_matches]:
        ends = ([pair.row_a, pair.row_b], [pair.row_b, pair.row_a])
        if is_stored[ends].any():
            assert pair.score == pytest.approx(values[ends][is_stored[ends]].max())
        else:
            assert math.isnan(pair.score)


def check_n_examples(answer: Any, n_examples: Any) -> None:
    assert len(answer.false_matches) == min(n_examples, 1)


def check_error_of_mean(answer: Any, scores: Held, labels: Held) -> None:
    check_labels(answer, labels)
    values = np.array(scores.read(), dtype=float)
    totals: dict[Any, float] = {}
    for value, label in zip(values, labels.read(), strict=True):
        totals[label] = totals.get(label, 0) + value - values.mean()
    expected = math.hypot(*totals.values()) / len(values)
    assert answer == pytest.approx(expected, abs=1e-9)


# Decisions and groups


def decide_by_loops(graph: Any, stored: Any, threshold: Any, params: Any) -> Any:
    n, matches = len(graph), []
    graph = graph.astype(np.float32).astype(float)
    for i in range(n):
        ends = [j for j in range(n) if j != i and stored[i, j]]
        ends.sort(key=lambda j: (-graph[i, j], j))
        matches.append([j for j in ends if graph[i, j] >= float(np.float32(threshold))])
    most = params.get("max_matches")
    if most is not None:
        kept = [row[:most] for row in matches]
        if params.get("mutual"):
            columns = []
            for j in range(n):
                ends = [i for i in range(n) if j in matches[i]]
                columns.append(
                    sorted(ends, key=lambda i, j=j: (-graph[i, j], i))[:most]
                )
            kept = [[j for j in row if i in columns[j]] for i, row in enumerate(kept)]
        matches = kept
    if params.get("match_singletons"):
        for i in range(n):
            ends = [j for j in range(n) if j != i and stored[i, j] and graph[i, j] > 0]
            if not matches[i] and ends:
                matches[i] = [min(ends, key=lambda j, i=i: (-graph[i, j], j))]
    return [{i, *row} for i, row in enumerate(matches)]


def check_filtered(answer: Any, drawn: Matrix, params: dict[str, Any]) -> None:
    values, _ = drawn.read()
    assert answer.dtype == np.float32
    assert answer.shape == values.shape
    assert np.isfinite(values).all(), "a score that is not finite was taken"


def check_decision(answer: Any, drawn: Matrix, params: dict[str, Any]) -> None:
    check_matches(answer)
    values, stored = drawn.read()
    assert np.isfinite(values).all(), "a score that is not finite was taken"
    threshold = params.get("threshold", 0.5)
    if isinstance(threshold, str):
        return
    found = [set(np.flatnonzero(row)) for row in answer.toarray()]
    assert found == decide_by_loops(values, stored, threshold, params)


decision_params = st.fixed_dictionaries(
    {},
    optional={
        "threshold": st.one_of(st.sampled_from([0, 0.25, 0.5, 0.6, 1.0]), hostile),
        "max_matches": st.one_of(st.sampled_from([1, 2]), hostile),
        "mutual": st.booleans(),
        "match_singletons": st.booleans(),
    },
)


def decide(graph: Any, params: dict[str, Any]) -> Any:
    return skmatch.decide_matches(graph, params.get("threshold", 0.5), **{
        key: value for key, value in params.items() if key != "threshold"
    })  # fmt: skip


def group(graph: Any, params: dict[str, Any]) -> Any:
    return skmatch.group_matches(graph, **params)


def link(graph: Any, params: dict[str, Any]) -> Any:
    return skmatch.link_catalogues(graph, **params)


def check_groups(answer: Any, drawn: Matrix, params: dict[str, Any]) -> None:
    values, _ = drawn.read()
    assert np.isfinite(values).all(), "a score that is not finite was taken"
    method, threshold = params.get("method", "average"), params.get("threshold")
    if threshold is None:
        threshold = 0.5 if method in ("average", "complete") else 0
    reached = np.maximum(values, values.T)
    reached[(reached.astype(np.float32) < np.float32(threshold)) | (reached <= 0)] = 0
    parts = [*networkx.connected_components(networkx.from_numpy_array(reached))]
    found = [set(np.flatnonzero(answer == label)) for label in range(len(set(answer)))]
    assert answer.dtype == np.int64
    assert [min(rows) for rows in found] == sorted(min(rows) for rows in found)
    for rows in found:
        assert any(rows <= part for part in parts)
        if method == "complete" and threshold > 0:
            assert all(reached[i, j] for i in rows for j in rows if i != j)
    if method == "components":
        assert sorted(map(sorted, found)) == sorted(map(sorted, parts))


def check_links(answer: Any, drawn: Matrix, params: dict[str, Any]) -> None:
    values, _ = drawn.read()
    assert np.isfinite(values).all(), "a score that is not finite was taken"
    threshold = np.float32(params.get("threshold", 0))
    allowed = np.where(values.astype(np.float32) >= threshold, values, 0)
    allowed = np.maximum(allowed, 0)
    assert answer.shape == values.shape
    links = answer.toarray()
    assert ((links > 0).sum(axis=0) <= 1).all()
    assert ((links > 0).sum(axis=1) <= 1).all()
    best = linear_sum_assignment(allowed, maximize=True)
    total = np.float32(allowed[best].sum())  # which may be infinite
    assert np.float32(links.sum(dtype=float)) == pytest.approx(total, rel=1e-5)


def check_expansion(answer: Any, rows: Matrix, graph: Matrix) -> None:
    X, weights = rows.read()[0], graph.read()[0]
    assert np.isfinite(X).all(), "a row that is not finite was taken"
    found = answer.toarray() if issparse(answer) else answer
    assert np.isfinite(found).all()
    np.fill_diagonal(weights, 1)
    if max(abs(X).max(initial=0), abs(weights).max(initial=0)) > 1e3:
        return
    for i in range(len(X)):
        total = sum((weights[i, j] * X[j] for j in range(len(X))), np.zeros(X.shape[1]))
        if (norm := np.linalg.norm(total)) > 1e-3:
            assert_allclose(found[i], total / norm, atol=1e-4)


# Files


class Folder(NamedTuple):
    """A folder, whole or spoilt, or something that is none."""

    what: Any
    byte: int = 0

    def make(self) -> Any:
        if self.what not in ("saved", "flipped", "cut", "empty", "file"):
            return self.what
        root = Path(os.environ["SKMATCH_TEST_FOLDER"])
        folder = root / f"{self.what}-{self.byte}"
        if self.what == "file":
            folder.write_bytes(b"no folder")
            return folder
        folder.mkdir(exist_ok=True)
        if self.what != "empty":
            skmatch.save(fitted("dense"), folder)
            paths = sorted(path for path in folder.iterdir() if path.is_file())
            path = paths[self.byte % len(paths)]
            old = path.read_bytes()
            position = self.byte % len(old)
            if self.what == "flipped":
                path.write_bytes(
                    old[:position] + bytes([old[position] ^ 1]) + old[position + 1 :]
                )
            elif self.what == "cut":
                path.write_bytes(old[:position])
        return folder


folders = st.one_of(
    st.builds(
        Folder, st.sampled_from(["saved", "flipped", "cut"]), st.integers(0, 4000)
    ),
    st.builds(
        Folder,
        st.sampled_from(
            [None, 3, b"x", "\0", "no/such/folder", [], {1: 2}, "empty", "file", 1.5]
        ),
    ),
)


def check_loaded(answer: Any, folder: Folder, *_: Any) -> None:
    assert folder.what in ("saved",), "a folder that is spoilt was loaded"
    expected = fitted("dense").predict(VECTORS).toarray()
    assert (answer.predict(VECTORS).toarray() == expected).all()


def save(estimator: Any) -> Any:
    skmatch.save(estimator, Path(os.environ["SKMATCH_TEST_FOLDER"]) / "of-a-case")
    return skmatch.load(Path(os.environ["SKMATCH_TEST_FOLDER"]) / "of-a-case")


class Unfitted(NamedTuple):
    """An estimator with a hostile parameter, or something that is none."""

    kind: Any
    params: dict[str, Any]

    def make(self) -> Any:
        return self.kind(**self.params) if isinstance(self.kind, type) else self.kind


KINDS = (
    LSTMTitleEmbedder,
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TitlePairClassifier,
)
unfitted = st.one_of(
    *[st.builds(Unfitted, st.just(kind), one_param(kind)) for kind in KINDS],
    st.builds(
        Unfitted,
        st.sampled_from([None, 3, "x", [], FaissThresholdMatcher]),
        st.just({}),
    ),
)


def check_saved(answer: Any, drawn: Unfitted) -> None:
    assert repr(answer.get_params()) == repr(drawn.make().get_params())


def check_made(answer: Any, params: dict[str, Any]) -> None:
    titles, ids = answer
    assert len(titles) == len(ids)
    assert len(set(ids.tolist())) == params.get("n_products", 1000)


# Every public name


def of_titles(public: str, name: str, method: str, weight: int = 8) -> Case:
    check = check_embeddings(name) if public.endswith("Embedder") else (
        check_title_matches(name, method)
    )  # fmt: skip
    return Case(
        public,
        lambda X: getattr(fitted(name), method)(X),
        (title_inputs,),
        check,
        weight=weight,
    )


def scorer_case(name: str) -> Case:
    return Case(
        name,
        lambda X, y: getattr(skmatch, name)(fitted("dense"), X, y),
        (rows_12, label_inputs),
        lambda answer, X, y: check_score_of_estimator(answer, y),
        "X|y|y_true|y_pred",
    )


def check_score_of_estimator(answer: Any, y: Held) -> None:
    check_labels(answer, y)
    assert 0 <= answer <= 1


def fit_labels(public: str, make: Any, name: str, X: Any, weight: int) -> Case:
    return Case(
        public,
        lambda y: fit(make, name)(X, y),
        (label_inputs,),
        check_labels,
        names="X|y|n_splits|cv",
        weight=weight,
    )


def fit_params(
    public: str, make: Any, name: str, X: Any, y: Any, weight: int, *unlimited: str
) -> Case:
    kind = getattr(skmatch, public)
    names = [
        n
        for n in inspect.signature(kind).parameters
        if n not in ("log_dir", "checkpoint_dir", "verbose")
    ]
    return Case(
        public,
        fit_with(make, name, X, y),
        (params_of(names, *unlimited),),
        check_finite,
        names=names_of(kind) + "|X|y",
        weight=weight,
    )


labels_12 = st.builds(
    Held, label_values.filter(lambda values: len(values) == 12), containers
)
labels_4 = st.builds(
    Held,
    st.one_of(
        st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=6),
        st.lists(st.sampled_from([0, "a", None, math.nan, pd.NA]), max_size=5),
    ),
    label_containers,
)
scores_12 = st.builds(
    Held,
    st.one_of(
        st.lists(st.floats(0, 1), min_size=12, max_size=12),
        st.lists(st.sampled_from([0.5, None, math.nan, "a", 1e308]), max_size=13),
    ),
    containers,
)
two_groupings = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        *[
            st.builds(
                Held,
                st.lists(st.integers(0, 2), min_size=n, max_size=n),
                label_containers,
            )
        ]
        * 2
    )
)
square = st.integers(0, 6).flatmap(
    lambda n: st.tuples(
        st.builds(
            Held,
            st.lists(st.sampled_from("abc"), min_size=n, max_size=n),
            label_containers,
        ),
        matrix_inputs(matrices(scores_of_pairs, st.just(n), st.just(n))),
    )
)
T12, Y12 = TITLES[:12], np.repeat([0, 1, 2, 3], 3)
P12, A12 = TITLES[np.arange(24).reshape(12, 2)], np.arange(12) % 3 == 0
judged_pairs = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.one_of(
            st.builds(
                Matrix,
                st.lists(
                    st.lists(st.integers(0, 11), min_size=2, max_size=2, unique=True),
                    min_size=n,
                    max_size=n,
                ),
                st.sampled_from(["lists", "int", "uint8"]),
            ),
            matrix_inputs(
                st.one_of(
                    matrices(st.integers(-1, 12), st.just(n), st.integers(0, 3)),
                    matrices(spoilt, st.just(n), st.just(2)),
                )
            ),
        ),
        answer_inputs(n),
    )
)
CASES: dict[str, Case] = {
    "LSTMTitleEmbedder.transform": of_titles("LSTMTitleEmbedder", "lstm", "transform"),
    "LSTMTitleEmbedder.fit": Case(
        "LSTMTitleEmbedder",
        lambda X: fit(lstm, "lstm")(X, [i // 2 for i in range(n_rows_of(X))]),
        (st.builds(Held, st.lists(texts, min_size=3, max_size=8), containers),),
        check_fitted_embedder,
        "X|y",
        1,
    ),
    "LSTMTitleEmbedder.fit, labels": fit_labels(
        "LSTMTitleEmbedder", lstm, "lstm", T12, 2
    ),
    "LSTMTitleEmbedder, parameters": fit_params(
        "LSTMTitleEmbedder", lstm, "lstm", T12, Y12, 3, "n_epochs"
    ),
    "AdapterBertEmbedder.transform": of_titles(
        "AdapterBertEmbedder", "bert", "transform", 3
    ),
    "AdapterBertEmbedder.fit, labels": fit_labels(
        "AdapterBertEmbedder", bert, "bert", T12, 1
    ),
    "AdapterBertEmbedder, parameters": fit_params(
        "AdapterBertEmbedder", bert, "bert", T12, Y12, 2, "n_epochs"
    ),
    "FaissThresholdMatcher.predict": Case(
        "FaissThresholdMatcher",
        lambda X: fitted("dense").predict(X),
        (embeddings,),
        check_threshold_matches,
    ),
    "FaissThresholdMatcher.score_graph": Case(
        "FaissThresholdMatcher",
        lambda X: fitted("sparse").score_graph(X),
        (embeddings,),
        check_scores,
    ),
    "FaissThresholdMatcher.transform": Case(
        "FaissThresholdMatcher",
        lambda X: fitted("sparse" if issparse(X) else "dense").transform(X),
        (embeddings,),
        check_against,
    ),
    "FaissThresholdMatcher.fit": Case(
        "FaissThresholdMatcher",
        lambda X: fit(FaissThresholdMatcher, "dense")(X, None),
        (embeddings,),
        check_fitted_matcher,
    ),
    "FaissThresholdMatcher, parameters": fit_params(
        "FaissThresholdMatcher", FaissThresholdMatcher, "dense", VECTORS, None, 12
    ),
    "FaissThresholdMatcher.report_search": Case(
        "SearchReport",
        lambda X: fitted("dense").report_search(X),
        (embeddings,),
        check_report,
    ),
    "TunedThresholdMatcherCV.predict": Case(
        "TunedThresholdMatcherCV",
        lambda X: fitted("tuned").predict(X),
        (embeddings,),
        check_matches,
    ),
    "TunedThresholdMatcherCV.fit": Case(
        "TunedThresholdMatcherCV",
        lambda X, y: fit(tuned, "tuned")(X, y),
        (rows_12, label_inputs),
        lambda answer, X, y: check_labels(answer, y),
        "X|y|n_splits|cv",
    ),
    "TunedThresholdMatcherCV.fit, labels": fit_labels(
        "TunedThresholdMatcherCV", tuned, "tuned", VECTORS, 8
    ),
    "TunedThresholdMatcherCV, parameters": fit_params(
        "TunedThresholdMatcherCV", tuned, "tuned", VECTORS, LABELS, 8
    ),
    "PairClassifierMatcher.predict": of_titles(
        "PairClassifierMatcher", "pairs", "predict", 3
    ),
    "PairClassifierMatcher.score_graph": of_titles(
        "PairClassifierMatcher", "pairs", "score_graph", 3
    ),
    "PairClassifierMatcher.transform": of_titles(
        "PairClassifierMatcher", "pairs", "transform", 3
    ),
    "PairClassifierMatcher.explain": Case(
        "PairExplanation",
        lambda a, b: fitted("pairs").explain(a, b),
        (
            st.one_of(texts, no_titles, title_inputs),
            st.one_of(texts, no_titles, title_inputs),
        ),
        check_explanation,
        "title_a|title_b|X",
        3,
    ),
    "PairClassifierMatcher.explain, without labels": Case(
        "PairExplanation",
        lambda a, b: fitted("without labels").explain(a, b),
        (texts, texts),
        check_explanation,
        "title_a|title_b|X",
        1,
    ),
    "PairClassifierMatcher.score_graph, without labels": of_titles(
        "PairClassifierMatcher", "without labels", "score_graph", 2
    ),
    "PairClassifierMatcher.suggest_pairs": Case(
        "PairClassifierMatcher",
        lambda X, n_pairs: fitted("pairs").suggest_pairs(X, n_pairs),
        (title_inputs, st.one_of(st.integers(1, 6), hostile)),
        check_suggested,
        "X|n_pairs",
        3,
    ),
    "PairClassifierMatcher.partial_fit": Case(
        "PairClassifierMatcher",
        lambda X: copy.copy(fitted("pairs")).partial_fit(X).transform(T12),
        (title_inputs,),
        check_finite,
        weight=2,
    ),
    "ProductCatalogue.add": Case(
        "ProductCatalogue",
        lambda X: in_catalogue(lambda catalogue: catalogue.add(X)),
        (title_inputs,),
        check_added,
        weight=4,
    ),
    "ProductCatalogue.add, ids": Case(
        "Change",
        lambda ids: in_catalogue(
            lambda catalogue: catalogue.add(TITLES[: n_rows_of(ids)], ids)
        ),
        (label_inputs,),
        check_listing_ids,
        "listing_ids",
        4,
    ),
    "PairClassifierMatcher.remove": Case(
        "PairClassifierMatcher",
        lambda rows: copy.copy(fitted("pairs")).remove(rows).n_samples_fit_,
        (label_inputs,),
        lambda answer, rows: check_removed(answer, rows),
        "rows",
        4,
    ),
    "PairClassifierMatcher.update": Case(
        "PairClassifierMatcher",
        lambda X: copy.copy(fitted("pairs")).update([3, 1], X).transform(T12),
        (title_inputs,),
        check_finite,
        "rows|X",
        2,
    ),
    "PairClassifierMatcher.fit, labels": fit_labels(
        "PairClassifierMatcher", pair_matcher, "pairs", T12, 1
    )._replace(check=check_known_labels),
    "PairClassifierMatcher.fit, judged pairs": Case(
        "PairClassifierMatcher",
        lambda drawn: fit(pair_matcher, "pairs")(
            T12, known={"pairs": drawn[0].make(), "is_match": drawn[1].make()}
        ),
        (judged_pairs,),
        check_judged,
        "pairs|is_match",
        4,
    ),
    "PairClassifierMatcher, parameters": fit_params(
        "PairClassifierMatcher", pair_matcher, "pairs", T12, Y12, 2
    ),
    "TitlePairClassifier.fit": Case(
        "TitlePairClassifier",
        lambda X: fit(title_pairs, "title pairs")(X, np.arange(6)[: n_pairs_of(X)] % 2),
        (pair_inputs,),
        check_fitted_pairs,
        "X|y",
        2,
    ),
    "TitlePairClassifier.fit, answers": Case(
        "TitlePairClassifier",
        lambda y: fit(title_pairs, "title pairs")(P12, y),
        (answer_inputs(12),),
        check_answers,
        "y",
        2,
    ),
    "TitlePairClassifier.fit, gallery": Case(
        "TitlePairClassifier",
        lambda gallery: fit(title_pairs, "title pairs")(P12, A12, {"gallery": gallery}),
        (title_inputs,),
        lambda answer, held: held.make() is None or expected_texts(held),
        "gallery",
        1,
    ),
    "TitlePairClassifier.fit, validation pairs": Case(
        "TitlePairClassifier",
        lambda X: fit(title_pairs, "title pairs")(
            P12, A12, {"X_val": X, "y_val": np.arange(6)[: n_pairs_of(X)] % 2}
        ),
        (pair_inputs,),
        check_fitted_pairs,
        "X_val|y_val",
        1,
    ),
    "TitlePairClassifier.fit, validation answers": Case(
        "TitlePairClassifier",
        lambda y: fit(title_pairs, "title pairs")(P12, A12, {"X_val": P12, "y_val": y}),
        (answer_inputs(12),),
        check_answers,
        "y_val",
        1,
    ),
    "TitlePairClassifier, parameters": fit_params(
        "TitlePairClassifier", title_pairs, "title pairs", P12, A12, 2
    ),
    **{
        f"TitlePairClassifier.{method}": Case(
            "TitlePairClassifier",
            lambda X, method=method: getattr(fitted("title pairs"), method)(X),
            (pair_inputs,),
            check_predicted_pairs("title pairs", method),
            weight=3,
        )
        for method in ("predict", "predict_proba")
    },
    "TitlePairClassifier.explain": Case(
        "PairExplanation",
        lambda a, b: fitted("title pairs").explain(a, b),
        (
            st.one_of(texts, no_titles, title_inputs),
            st.one_of(texts, no_titles, title_inputs),
        ),
        check_explanation,
        "title_a|title_b",
        2,
    ),
    "AdapterBertPairClassifier.fit": Case(
        "AdapterBertPairClassifier",
        lambda X: fit(bert_pairs, "bert pairs")(X, np.arange(6)[: n_pairs_of(X)] % 2),
        (pair_inputs,),
        check_fitted_pairs,
        "X|y",
        1,
    ),
    "AdapterBertPairClassifier.fit, answers": Case(
        "AdapterBertPairClassifier",
        lambda y: fit(bert_pairs, "bert pairs")(P12, y),
        (answer_inputs(12),),
        check_answers,
        "y",
        1,
    ),
    "AdapterBertPairClassifier, parameters": fit_params(
        "AdapterBertPairClassifier", bert_pairs, "bert pairs", P12, A12, 2, "n_epochs"
    ),
    **{
        f"AdapterBertPairClassifier.{method}": Case(
            "AdapterBertPairClassifier",
            lambda X, method=method: getattr(fitted("bert pairs"), method)(X),
            (pair_inputs,),
            check_predicted_pairs("bert pairs", method),
            weight=2,
        )
        for method in ("predict", "predict_proba")
    },
    "decode_escapes": Case(
        "decode_escapes",
        lambda X: skmatch.decode_escapes(X),
        (title_inputs,),
        lambda answer, held: list(answer) == expected_texts(held),
        "X",
    ),
    "DisjointPairsKFold.split": Case(
        "DisjointPairsKFold",
        lambda drawn: [*DisjointPairsKFold(2).split(*(x.make() for x in drawn))],
        (st.integers(2, 6).flatmap(answered_pairs),),
        lambda answer, drawn: check_pair_folds(answer, *drawn),
        "X|y|n_splits",
    ),
    "DisjointPairsKFold, parameters": Case(
        "DisjointPairsKFold",
        lambda params: [*DisjointPairsKFold(**params).split(P12, np.ones(12))],
        (params_of(["n_splits", "shuffle", "random_state"]),),
        lambda answer, params: check_pair_folds(
            answer, HeldPairs(P12.tolist(), "lists"), Held([1] * 12, "list")
        ),
        names_of(DisjointPairsKFold) + "|k-fold|splits",
    ),
    "ClassDisjointKFold.split": Case(
        "ClassDisjointKFold",
        lambda y: [*ClassDisjointKFold(2).split(np.zeros(12), y)],
        (label_inputs,),
        check_folds,
        "X|y|n_splits",
    ),
    "ClassDisjointKFold, parameters": Case(
        "ClassDisjointKFold",
        lambda params: [*ClassDisjointKFold(**params).split(T12, Y12)],
        (params_of(["n_splits", "shuffle", "random_state"]),),
        lambda answer, params: check_folds(answer, Held(Y12.tolist(), "list")),
        names_of(ClassDisjointKFold) + "|k-fold|splits",
    ),
    "ClusterDisjointKFold.split": Case(
        "ClusterDisjointKFold",
        lambda X, y: [*ClusterDisjointKFold(2).split(X, y)],
        (title_inputs, st.one_of(label_inputs, labels_4)),
        lambda answer, X, y: check_folds(answer, y),
        "X|y|n_splits",
    ),
    "ClusterDisjointKFold.split, labels": Case(
        "ClusterDisjointKFold",
        lambda y: [*ClusterDisjointKFold(2).split(T12, y)],
        (label_inputs,),
        check_folds,
        "X|y|n_splits",
    ),
    "ClusterDisjointKFold, parameters": Case(
        "ClusterDisjointKFold",
        lambda params: [*ClusterDisjointKFold(**params).split(T12, Y12)],
        (params_of(["n_splits"]),),
        lambda answer, params: check_folds(answer, Held(Y12.tolist(), "list")),
        names_of(ClusterDisjointKFold),
    ),
    "rowwise_f1_score": Case(
        "rowwise_f1_score",
        lambda drawn: skmatch.rowwise_f1_score(*(x.make() for x in drawn)),
        (square,),
        lambda answer, drawn: check_rowwise(answer, *drawn),
        names_of(skmatch.rowwise_f1_score),
    ),
    "rowwise_f1_score, other shapes": Case(
        "rowwise_f1_score",
        skmatch.rowwise_f1_score,
        (labels_4, st.one_of(score_graphs, labels_4)),
        lambda answer, *_: check_finite(answer),
        names_of(skmatch.rowwise_f1_score),
    ),
    "pairwise_precision_recall_f1": Case(
        "pairwise_precision_recall_f1",
        lambda drawn: skmatch.pairwise_precision_recall_f1(*(x.make() for x in drawn)),
        (st.one_of(square, two_groupings, st.tuples(labels_4, labels_4)),),
        lambda answer, drawn: check_pairs(pairwise)(answer, *drawn),
        names_of(skmatch.pairwise_precision_recall_f1),
    ),
    "bcubed_precision_recall_f1": Case(
        "bcubed_precision_recall_f1",
        lambda drawn: skmatch.bcubed_precision_recall_f1(*(x.make() for x in drawn)),
        (st.one_of(square, two_groupings, st.tuples(labels_4, labels_4)),),
        lambda answer, drawn: check_pairs(bcubed)(answer, *drawn),
        names_of(skmatch.bcubed_precision_recall_f1),
    ),
    **{
        name: scorer_case(name)
        for name in ("rowwise_f1_scorer", "pairwise_f1_scorer", "bcubed_f1_scorer")
    },
    "clustered_standard_error": Case(
        "clustered_standard_error",
        skmatch.clustered_standard_error,
        (scores_12, labels_12),
        check_error_of_mean,
        names_of(skmatch.clustered_standard_error),
    ),
    "evaluate_matches": Case(
        "evaluate_matches",
        lambda drawn: skmatch.evaluate_matches(*(x.make() for x in drawn)),
        (st.one_of(square, two_groupings, st.tuples(labels_4, labels_4)),),
        lambda answer, drawn: check_evaluation(answer, *drawn),
        names_of(skmatch.evaluate_matches),
    ),
    "evaluate_matches, titles": Case(
        "MatchEvaluation",
        lambda X: skmatch.evaluate_matches(
            np.arange(n_rows_of(X)), np.zeros(n_rows_of(X)), X
        ),
        (title_inputs,),
        check_shown_titles,
        names_of(skmatch.evaluate_matches),
    ),
    "evaluate_matches, scores": Case(
        "evaluate_matches",
        lambda graph: skmatch.evaluate_matches([0, 0, 1], [0, 1, 1], scores=graph),
        (matrix_inputs(matrices(spoilt, st.just(3), st.just(3))),),
        check_shown_scores,
        names_of(skmatch.evaluate_matches),
    ),
    "evaluate_matches, parameters": Case(
        "evaluate_matches",
        lambda n: skmatch.evaluate_matches([0, 0, 1], [0, 1, 1], n_examples=n),
        (hostile,),
        lambda answer, n: check_n_examples(answer, n),
        "n_examples",
        4,
    ),
    "decide_matches": Case(
        "decide_matches",
        decide,
        (score_graphs, decision_params),
        check_decision,
        names_of(skmatch.decide_matches),
    ),
    "filter_pairs": Case(
        "filter_pairs",
        lambda graph, params: skmatch.filter_pairs(graph, **params),
        (
            score_graphs,
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(
                    ("source", "category", "same", "different"), hostile
                ),
            ),
        ),
        check_filtered,
        names_of(skmatch.filter_pairs),
    ),
    "group_matches": Case(
        "group_matches",
        group,
        (
            score_graphs,
            st.fixed_dictionaries(
                {},
                optional={
                    "method": st.one_of(
                        st.sampled_from(
                            ["average", "complete", "components", "louvain"]
                        ),
                        hostile,
                    ),
                    "threshold": st.one_of(st.sampled_from([0, 0.25, 0.5, 1]), hostile),
                },
            ),
        ),
        check_groups,
        names_of(skmatch.group_matches),
    ),
    "link_catalogues": Case(
        "link_catalogues",
        link,
        (
            score_graphs,
            st.fixed_dictionaries(
                {}, optional={"threshold": st.one_of(st.just(0.5), hostile)}
            ),
        ),
        check_links,
        names_of(skmatch.link_catalogues),
    ),
    "expand_queries": Case(
        "expand_queries",
        skmatch.expand_queries,
        (
            matrix_inputs(matrices(spoilt, st.integers(0, 4), st.integers(0, 3))),
            matrix_inputs(
                st.integers(0, 4).flatmap(
                    lambda n: matrices(scores_of_pairs, st.just(n), st.just(n))
                )
            ),
        ),
        check_expansion,
        names_of(skmatch.expand_queries),
    ),
    "match_table": Case(
        "match_table",
        lambda scores, ids, n: skmatch.match_table(scores, ids, n_matches=n),
        (
            matrix_inputs(
                st.tuples(st.integers(0, 4), st.integers(0, 4)).flatmap(
                    lambda shape: matrices(spoilt, *map(st.just, shape))
                )
            ),
            st.one_of(st.none(), title_inputs),
            st.one_of(st.none(), st.integers(-1, 3)),
        ),
        check_match_table,
        names_of(skmatch.match_table),
    ),
    "groups_table": Case(
        "groups_table",
        skmatch.groups_table,
        (label_inputs,),
        check_groups_table,
        names_of(skmatch.groups_table),
    ),
    "match_parquet": Case(
        "match_parquet",
        in_files(skmatch.match_parquet),
        (
            title_values,
            st.one_of(st.just({}), params_of(["columns", "ids", "batch_size"])),
        ),
        check_pairs_of_files,
        names_of(skmatch.match_parquet),
        4,
    ),
    "link_parquet": Case(
        "link_parquet",
        in_files(skmatch.link_parquet),
        (
            title_values,
            st.one_of(st.just({}), params_of(["columns", "ids", "catalogue_ids"])),
        ),
        check_links_of_files,
        names_of(skmatch.link_parquet),
        4,
    ),
    "make_product_titles": Case(
        "make_product_titles",
        lambda params: make_product_titles(**params),
        (params_of(["n_products", "random_state"], "n_products"),),
        check_made,
        names_of(make_product_titles),
        1,
    ),
    "save": Case("save", save, (unfitted,), check_saved, names=(
        names_of(skmatch.save, *KINDS)
    )),
    "load": Case("load", skmatch.load, (folders,), check_loaded,
                 names=r"folder|model_name|skmatch\.json|\S*-\d+\S*", weight=4),
}  # fmt: skip


def share_of(case: Case) -> int:
    """Return how many of all cases are of one."""
    total = sum(other.weight for other in CASES.values())
    return math.ceil(N_CASES * case.weight / total)


ESTIMATORS = ("pairs", "without labels", "title pairs", "tuned", "dense", "sparse")


@pytest.fixture(scope="module")
def prepared(bert_folder, tmp_path_factory):
    """Tell where the tiny language model is, and where to save."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKMATCH_TEST_BERT", str(bert_folder))
        patch.setenv("SKMATCH_TEST_FOLDER", str(tmp_path_factory.mktemp("saved")))
        for name in (*ESTIMATORS, "lstm", "bert"):
            fitted(name)
        yield
        fitted.cache_clear()


def test_every_public_name_has_a_case():
    assert {case.public for case in CASES.values()} == set(skmatch.__all__)


@pytest.mark.parametrize("name", CASES)
def test_answers_or_says_what_is_wrong(name, prepared, capfd):
    case, counts = CASES[name], COUNTS.setdefault(name, Counter())

    @settings(
        max_examples=share_of(case),
        database=None,
        derandomize=not IS_LONG,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*case.inputs))
    def run(drawn):
        counts[judge(case, drawn)] += 1

    run()
    assert counts.total() > 0
    assert capfd.readouterr() == ("", "")


def rowwise_of(matches: Any) -> Any:
    return skmatch.rowwise_f1_score([0, 1], matches)


FALLING = csr_array((np.ones(2), [0, 1], [0, 1, 2]), shape=(2, 2))
FALLING.indptr[1] = -5
# Found by these cases, and mended: the shortest input of each.
MENDED: dict[str, tuple[Callable[[], Any], str]] = {
    "indices of matches are not checked": (lambda: rowwise_of(FALLING), "y_pred"),
    "a str for matches": (
        lambda: skmatch.rowwise_f1_score(["a", "b"], "ab"),
        "y_pred",
    ),
    "threshold NA": (lambda: skmatch.decide_matches(np.eye(2), pd.NA), "threshold"),
    "rows that are a dict": (lambda: FaissThresholdMatcher().fit({"a": 1}), "X"),
    "embeddings without columns": (
        lambda: skmatch.expand_queries(csr_array((2, 0)), csr_array((2, 2))),
        "embeddings",
    ),
    "n_jobs that is a str": (
        lambda: FaissThresholdMatcher(n_jobs="x").fit(VECTORS).predict(VECTORS),
        "n_jobs",
    ),
    "cv that is no splitter": (
        lambda: TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=0.5).fit(
            VECTORS, LABELS
        ),
        "cv",
    ),
    "adapter that is a number": (  # which would be read as an open file
        lambda: AdapterBertEmbedder(adapter=0).fit(T12, Y12),
        "adapter",
    ),
    "switch of the gradients that is NA": (
        lambda: AdapterBertEmbedder(cache_gradients=pd.NA).fit(T12, Y12),
        "cache_gradients",
    ),
    "pair_features of a single number": (
        lambda: PairClassifierMatcher(pair_features=np.array(0.5)).fit(T12, Y12),
        "pair_features",
    ),
    "scoring that cannot be called": (
        lambda: TunedThresholdMatcherCV(
            FaissThresholdMatcher(), cv=ClassDisjointKFold(2), scoring=object
        ).fit(VECTORS, LABELS),
        "scoring",
    ),
    "target_recall NaN": (
        lambda: FaissThresholdMatcher(target_recall=math.nan).fit(VECTORS),
        "target_recall",
    ),
    "threshold of groups NaN": (
        lambda: skmatch.group_matches(np.eye(2), threshold=math.nan),
        "threshold",
    ),
    "beta NaN": (
        lambda: TunedThresholdMatcherCV(
            FaissThresholdMatcher(), scoring=("pair_fbeta", math.nan)
        ).fit(VECTORS, LABELS),
        "scoring",
    ),
    "threshold beyond float64": (
        lambda: skmatch.decide_matches(np.eye(2), 10**400),
        "threshold",
    ),
    "choice that is NA": (
        lambda: AdapterBertEmbedder(pooling=pd.NA).fit(T12, Y12),
        "pooling",
    ),
    "lengths that are no int": (
        lambda: LSTMTitleEmbedder(ngram_range=(pd.NA, 3)).fit(T12, Y12),
        "ngram_range",
    ),
    "switch that is NA": (
        lambda: LSTMTitleEmbedder(verbose=pd.NA).fit(T12, Y12),
        "verbose",
    ),
    "scoring of NA": (
        lambda: TunedThresholdMatcherCV(
            FaissThresholdMatcher(), scoring=(pd.NA, 1.0)
        ).fit(VECTORS, LABELS),
        "scoring",
    ),
    "weights that are none": (
        lambda: skmatch.rowwise_f1_score([0, 1], np.eye(2), sample_weight=[pd.NA, 1]),
        "sample_weight",
    ),
    "match_singletons NA": (
        lambda: skmatch.decide_matches(np.eye(2), 0.5, match_singletons=pd.NA),
        "match_singletons",
    ),
    "thresholds beyond float64": (
        lambda: TunedThresholdMatcherCV(
            FaissThresholdMatcher(), thresholds=[10**400]
        ).fit(VECTORS, LABELS),
        "thresholds",
    ),
    "cv of bytes": (
        lambda: TunedThresholdMatcherCV(
            FaissThresholdMatcher(), cv=bytearray(b"x")
        ).fit(VECTORS, LABELS),
        "cv",
    ),
    "average NA": (
        lambda: skmatch.rowwise_f1_score([0, 1], np.eye(2), average=pd.NA),
        "average",
    ),
    "bytes for a set of ids": (
        lambda: skmatch.rowwise_f1_score(np.array([b"a"]), [[0.0]]),
        "row 0 of y_true",
    ),
    "title of a single number": (
        lambda: fitted("pairs").explain("tea", np.float32(math.nan)),
        "title_b",
    ),
    "folder that is None": (lambda: skmatch.load(None), "folder"),
}
MENDED |= {
    f"{name} NaN": (lambda e=embedder, n=name: e(**{n: math.nan}).fit(T12, Y12), name)
    for embedder, name in (
        (LSTMTitleEmbedder, "dropout"),
        (LSTMTitleEmbedder, "learning_rate"),
        (LSTMTitleEmbedder, "validation_fraction"),
        (AdapterBertEmbedder, "warm_up"),
    )
}


@pytest.mark.parametrize("name", MENDED)
def test_mended_defects(name):
    call, names = MENDED[name]
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert re.search(rf"(?<!\w){names}(?!\w)", str(error.value))


@pytest.mark.parametrize("dtype", ["float16", ">f8", "int8"])
def test_matches_of_any_number_type(dtype):
    assert rowwise_of(np.eye(2, dtype=dtype)) == skmatch.rowwise_f1_score(
        [0, 1], np.eye(2)
    )


@pytest.mark.skipif(RESULTS is None, reason="SKMATCH_HOSTILE_RESULTS is not set")
def test_counts_are_written():
    """Last, in the form that the benchmarks write."""
    sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
    from _common import find_commit, find_cpu, find_versions

    verdicts = ("answered", "refused")
    rows = [
        {"code": name, "cases": counts.total()} | {v: counts[v] for v in verdicts}
        for name, counts in COUNTS.items()
    ]
    total = {key: sum(row[key] for row in rows) for key in ("cases", *verdicts)}
    columns = {"code": "", "cases": ",d"} | dict.fromkeys(verdicts, ",d")
    result = {
        "script": "robustness",
        "what": "hostile",
        "command": f"SKMATCH_HOSTILE={N_CASES} pytest tests/test_hostile.py",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **find_commit(Path(skmatch.__file__).parent),
        "versions": find_versions(),
        "cpu": {"model": find_cpu(), "cores": os.cpu_count(), "threads": None},
        "notes": [],
        "tables": [
            {"title": "", "columns": columns, "rows": [*rows, {"code": "all"} | total]}
        ],
    }
    Path(RESULTS).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    # Some have fewer inputs than their share: they were tried with all of them.
    assert total["cases"] >= 0.9 * N_CASES
