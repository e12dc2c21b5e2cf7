"""What every estimator promises: scikit-learn's check battery, and our own contract.

All checks run over one list. A new estimator is one more `Case`.
"""

import copy
import pickle
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_info

from skmatch import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    TitlePairClassifier,
    TunedThresholdMatcherCV,
    load,
    make_product_titles,
    save,
)

AMONG_THEMSELVES = (
    "predict matches the rows of X with one another: another order or a subset of the "
    "rows is another question"
)
ONE_VALUE_A_ROW = (
    "predict matches the rows of X with one another: its shape is (n, n), and the "
    "check wants (n,)"
)
OF_PADDING = (
    "padding changes the order of sums: 1.3e-7 were seen, and the check wants 1e-7 of "
    "entries near 0"
)
TWO_SIDES = (
    "a pair has a left and a right title: the check has 3 or 5 columns, and X an even "
    "number of them"
)
OF_ANSWERS = (
    "y says whether a pair matches, by bool or 0 and 1: the check has other labels, "
    "and the error names the first of them instead of their type"
)
OF_NUMBERS = "the check wants numbers to be learned; titles are compared as texts"
OF_MATRICES = {
    "check_estimator_sparse_array": ONE_VALUE_A_ROW,
    "check_estimator_sparse_matrix": ONE_VALUE_A_ROW,
    "check_methods_sample_order_invariance": AMONG_THEMSELVES,
    "check_methods_subset_invariance": AMONG_THEMSELVES,
}
OF_PAIRS = (
    dict.fromkeys(
        (
            "check_classifiers_one_label",
            "check_dict_unchanged",
            "check_dont_overwrite_parameters",
            "check_estimators_dtypes",
            "check_estimators_nan_inf",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_fit2d_predict1d",
            "check_fit_score_takes_y",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_pipeline_consistency",
            "check_supervised_y_2d",
        ),
        TWO_SIDES,
    )
    | dict.fromkeys(
        (
            "check_classifier_data_not_an_array",
            "check_classifier_not_supporting_multiclass",
            "check_classifiers_classes",
            "check_classifiers_regression_target",
        ),
        OF_ANSWERS,
    )
    | {"check_classifiers_train": OF_NUMBERS}
)
TITLES, PRODUCT_IDS = make_product_titles(n_products=60, random_state=0)
TITLES.flags.writeable = PRODUCT_IDS.flags.writeable = False
TFIDF = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
VECTORS = TFIDF.fit_transform(TITLES).toarray()
VECTORS.flags.writeable = False
# Judged pairs, among the first 100 rows, so that these can be fitted alone.
PAIRS = np.array(
    [
        (i, j)
        for j in range(100)
        for i in range(j)
        if i == j - 1 or PRODUCT_IDS[i] == PRODUCT_IDS[j]
    ]
)
IS_MATCH = PRODUCT_IDS[PAIRS[:, 0]] == PRODUCT_IDS[PAIRS[:, 1]]
JUDGED = MappingProxyType({"pairs": PAIRS, "is_match": IS_MATCH})
for judged in (PAIRS, IS_MATCH, PAIRED_TITLES := TITLES[PAIRS]):
    judged.flags.writeable = False
# Tiny data teach little and are told so; that is not what is checked here.
IGNORED = [
    "ignore:.*have a single title:UserWarning",
    "ignore:.*had no triplet with a non-zero loss:UserWarning",
    "ignore:The embeddings have collapsed:UserWarning",
    "ignore:The threshold was chosen on galleries:UserWarning",
    "ignore:propagation=True assumes:UserWarning",
]
pytestmark = [pytest.mark.filterwarnings(text) for text in IGNORED]


class Case(NamedTuple):
    """An estimator that fits in seconds, what it takes, and what cannot hold for it."""

    estimator: Any
    X: Any = TITLES
    y: Any = PRODUCT_IDS
    known: Any = MappingProxyType({})  # what fit is given besides
    expected_failures: Any = MappingProxyType({})  # of the check battery: why
    may_fail: Any = MappingProxyType({})  # on some processors
    runs_battery: bool = True

    def fit(self, estimator, rows=slice(None)):
        """Fit an estimator on some rows."""
        y = None if self.y is None else self.y[rows]
        return estimator.fit(self.X[rows], y, **self.known)


SMALL = {"embedding_dim": 8, "n_epochs": 1, "batch_size": 16, "random_state": 0}
QUICK = HistGradientBoostingClassifier(max_iter=5, random_state=0)
CASES = {
    "LSTMTitleEmbedder": Case(LSTMTitleEmbedder(hidden_size=4, **SMALL)),
    "AdapterBertEmbedder": Case(
        # the folder of the tiny model is put in by `case`
        AdapterBertEmbedder("", reduction_factor=4, precision="float32", **SMALL),
        may_fail=MappingProxyType({"check_methods_subset_invariance": OF_PADDING}),
    ),
    "FaissThresholdMatcher": Case(
        FaissThresholdMatcher(0.5), VECTORS, expected_failures=OF_MATRICES
    ),
    "TunedThresholdMatcherCV": Case(
        TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=ClassDisjointKFold(2)),
        VECTORS,
        expected_failures=OF_MATRICES,
    ),
    "TunedThresholdMatcherCV of a Pipeline": Case(
        TunedThresholdMatcherCV(
            make_pipeline(TFIDF, FaissThresholdMatcher()), cv=ClassDisjointKFold(2)
        ),
        runs_battery=False,  # TfidfVectorizer takes str alone
    ),
    "PairClassifierMatcher": Case(
        PairClassifierMatcher(classifier=QUICK, cv=2, random_state=0),
        expected_failures={
            "check_methods_sample_order_invariance": AMONG_THEMSELVES,
            "check_methods_subset_invariance": AMONG_THEMSELVES,
        },
    ),
    "PairClassifierMatcher without labels": Case(
        PairClassifierMatcher(classifier=QUICK, cv=2, random_state=0),
        y=None,
        runs_battery=False,  # which fits with labels and without
    ),
    "PairClassifierMatcher with judged pairs": Case(
        PairClassifierMatcher(classifier=QUICK, cv=2, random_state=0),
        y=None,
        known=JUDGED,
        runs_battery=False,
    ),
    "TitlePairClassifier": Case(
        TitlePairClassifier(classifier=QUICK, cv=2, random_state=0),
        PAIRED_TITLES,
        IS_MATCH,
        expected_failures=OF_PAIRS,
    ),
    "AdapterBertPairClassifier": Case(
        AdapterBertPairClassifier(
            "", reduction_factor=4, precision="float32", n_epochs=1, random_state=0
        ),
        PAIRED_TITLES,
        IS_MATCH,
        expected_failures=OF_PAIRS,
    ),
}
TRANSFORMERS = [
    name for name, case in CASES.items() if hasattr(case.estimator, "transform")
]
of_transformers = pytest.mark.parametrize("case", TRANSFORMERS, indirect=True)
METHODS = ("transform", "predict", "predict_proba", "score_graph")


def prepare(name, request):
    case = CASES[name]
    if not name.startswith("AdapterBert"):
        return case
    folder = request.getfixturevalue("bert_folder")  # or skip
    estimator = clone(case.estimator).set_params(model_name=str(folder))
    return case._replace(estimator=estimator)


@pytest.fixture(params=CASES)
def case(request):
    """A case whose estimator may be fitted."""
    case = prepare(request.param, request)
    return case._replace(estimator=clone(case.estimator))


@pytest.fixture(scope="module")
def fits():
    return {}


@pytest.fixture
def fitted(request, case, fits):
    """The same, fitted; it must be left as it is."""
    name = request.node.callspec.params["case"]
    if name not in fits:
        fits[name] = case.fit(clone(case.estimator))
    return fits[name]


def outputs(estimator, X):
    """Return all that an estimator says of some rows, as dense arrays."""
    found = [getattr(estimator, n)(X) for n in METHODS if hasattr(estimator, n)]
    return [x.toarray() if hasattr(x, "toarray") else np.asarray(x) for x in found]


def assert_same(ours, theirs, atol=0.0):
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert_allclose(one, other, rtol=0, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.runs_battery])
def test_check_battery(name, request):
    case = prepare(name, request)
    results = check_estimator(
        case.estimator,
        expected_failed_checks={**case.expected_failures, **case.may_fail},
        on_skip=None,
        on_fail=None,
    )
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert failed == {}
    excused = {r["check_name"] for r in results if r["status"] == "xfail"}
    assert excused - set(case.may_fail) == set(case.expected_failures)
    ran = [r for r in results if r["status"] in ("passed", "xfail")]
    assert len(ran) >= 44
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}


def test_init_stores_its_arguments_and_nothing_else(case):
    assert set(vars(case.estimator)) == set(case.estimator.get_params(deep=False))


def test_all_parameters_but_the_first_are_keyword_only(case):
    of_pairs = (PairClassifierMatcher, TitlePairClassifier)
    n_positional = 2 if isinstance(case.estimator, of_pairs) else 1
    with pytest.raises(TypeError, match="positional argument"):
        type(case.estimator)(*[0.5] * (n_positional + 1))


def test_what_is_learned_ends_with_an_underscore(case):
    estimator = case.estimator
    assert case.fit(estimator) is estimator
    learned = set(vars(estimator)) - set(estimator.get_params(deep=False))
    assert learned
    assert all(name.endswith("_") for name in learned), learned


def test_fit_and_use_leave_parameters_and_data(case):
    before = np.array(case.X, copy=True)
    parameters = case.estimator.get_params()
    outputs(case.fit(case.estimator), case.X)
    assert case.estimator.get_params() == parameters
    assert_array_equal(case.X, before)


def test_use_leaves_the_estimator(fitted, case):
    before = pickle.dumps(fitted)
    names = set(vars(fitted))
    outputs(fitted, case.X)
    assert set(vars(fitted)) == names
    assert pickle.dumps(fitted) == before


def test_unfitted_estimator_says_so(case):
    for name in METHODS:
        if hasattr(case.estimator, name):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                getattr(case.estimator, name)(case.X)


def test_equal_seeds_give_equal_results(fitted, case):
    again = case.fit(case.estimator)
    assert_same(outputs(again, case.X), outputs(fitted, case.X))


def test_clone_is_not_fitted_and_fits_the_same(fitted, case):
    fresh = clone(fitted)
    assert set(vars(fresh)) == set(fresh.get_params(deep=False))
    case.fit(fresh)
    assert_same(outputs(fresh, case.X), outputs(fitted, case.X))


@of_transformers
def test_order_and_subset_of_the_rows_change_nothing_in_transform(fitted, case):
    def transform(X):
        result = fitted.transform(X)
        return result.toarray() if hasattr(result, "toarray") else result

    whole = transform(case.X)
    assert_allclose(transform(case.X[::-1])[::-1], whole, atol=2e-6)
    assert_allclose(transform(case.X[5:9]), whole[5:9], atol=2e-6)


@of_transformers
def test_names_of_the_columns(fitted, case):
    names = fitted.get_feature_names_out()
    assert len(names) == fitted.transform(case.X).shape[1]
    assert names[0] == f"{type(fitted).__name__.lower()}0"


@of_transformers
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_survives_a_fit(case, library):
    estimator = case.estimator.set_output(transform=library)
    case.fit(estimator)
    if hasattr(estimator, "predict"):  # no frame holds sparse scores
        assert estimator.transform(case.X[:3]).format == "csr"
        return
    frame = estimator.transform(case.X[:3])
    assert type(frame).__module__.split(".")[0] == library
    assert list(frame.columns) == estimator.get_feature_names_out().tolist()


class InterruptedError_(BaseException):
    """Stands for KeyboardInterrupt, which a test runner would take for its own."""


class Trace:
    """Interrupt at the n-th call of a function of skmatch."""

    def __init__(self, at):
        self.at, self.n = at, 0

    def __call__(self, frame, event, arg):
        if event == "call" and frame.f_globals.get("__name__", "").startswith(
            "skmatch"
        ):
            self.n += 1
            if self.n == self.at:
                raise InterruptedError_
        return


def fit_until(case, estimator, at):
    """Fit, and interrupt at the n-th call; return the number of calls."""
    trace, before = Trace(at), sys.gettrace()
    sys.settrace(trace)
    try:
        case.fit(estimator, rows=slice(100))
    finally:
        sys.settrace(before)
    return trace.n


@pytest.mark.slow
def test_interrupted_fit_changes_nothing(fitted, case):
    """At ten moments: the fitted stays fitted, and what was not fitted is not."""
    expected = outputs(fitted, case.X)
    n_calls = fit_until(case, clone(fitted), at=None)
    for at in np.linspace(1, n_calls, 10).astype(int):
        old, new = copy.copy(fitted), clone(fitted)
        for estimator in (old, new):
            with pytest.raises(InterruptedError_):
                fit_until(case, estimator, at)
        assert_same(outputs(old, case.X), expected)
        with pytest.raises(NotFittedError):
            outputs(new, case.X)


def test_failed_fit_changes_nothing(fitted, case):
    old, bad = copy.copy(fitted), np.array(case.X[:40], dtype=object)
    bad[3] = None
    with pytest.raises((ValueError, TypeError, AttributeError)):  # the last: of TF-IDF
        old.fit(bad, None if case.y is None else case.y[:40])
    narrow = pd.DataFrame({"a": case.X[:40].tolist(), "b": "x"}, dtype=object)
    if case.X is TITLES:  # another number of columns, and then a label that is none
        with pytest.raises(ValueError, match="row 1 of y is b'1'"):
            old.fit(narrow, [1, b"1", *range(38)])
    elif isinstance(old, FaissThresholdMatcher):
        with pytest.raises(ValueError, match="row 1 of X holds NaN"):
            old.fit([[1.0, 2.0], [np.nan, 1.0]])
    assert_same(outputs(old, case.X), outputs(fitted, case.X))


def test_threads_agree_with_one(fitted, case):
    expected = outputs(fitted, case.X[:50])
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: outputs(fitted, case.X[:50]), range(8))]
    for result in found:
        assert_same(result, expected, atol=1e-6)


def filters():
    """Return the warning filters; scikit-learn's threads compile the text of some."""
    return [
        (action, getattr(text, "pattern", text), category,
         getattr(module, "pattern", module), line)
        for action, text, category, module, line in warnings.filters
    ]  # fmt: skip


def state():
    """Return all that is global and could be touched."""
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        filters(),
        sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info()),
    )


def test_no_global_state_is_touched(fitted, case, capfd):
    outputs(fitted, case.X)  # load what there is to load
    capfd.readouterr()
    before = state()
    outputs(case.fit(case.estimator), case.X)
    assert state() == before
    assert capfd.readouterr() == ("", "")


LOAD = """
import pickle
import sys

import numpy as np

from skmatch import load

folder, pickled, inputs, *found = sys.argv[1:]
with open(inputs, "rb") as file:
    X, names = pickle.load(file)

def use(estimator, path):
    outputs = [getattr(estimator, n)(X) for n in names if hasattr(estimator, n)]
    np.savez(path, *[x.toarray() if hasattr(x, "toarray") else x for x in outputs])

use(load(folder), found[0])
with open(pickled, "rb") as file:
    use(pickle.load(file), found[1])
"""


@pytest.mark.slow
def test_saved_and_pickled_it_says_the_same_in_a_new_process(fitted, case, tmp_path):
    """Saved, bit for bit, with the number of threads that this process has."""
    save(fitted, tmp_path / "saved")
    (tmp_path / "pickle").write_bytes(pickle.dumps(fitted))
    (tmp_path / "inputs").write_bytes(pickle.dumps((case.X[:20], METHODS)))
    names = ["saved", "pickle", "inputs", "of_saved.npz", "of_pickle.npz"]
    paths = [tmp_path / name for name in names]
    subprocess.run([sys.executable, "-c", LOAD, *paths], check=True)
    expected = outputs(fitted, case.X[:20])
    for path, atol in zip(paths[3:], (0, 1e-6), strict=True):
        with np.load(path) as arrays:
            assert_same([arrays[name] for name in arrays], expected, atol=atol)


def test_what_was_saved_has_the_same_parameters_and_attributes(fitted, case, tmp_path):
    for estimator in (fitted, case.estimator):
        save(estimator, tmp_path)
        loaded = load(tmp_path)
        assert type(loaded) is type(estimator)
        assert repr(loaded.get_params()) == repr(estimator.get_params())
        assert set(vars(loaded)) == set(vars(estimator))
        if estimator is not fitted:
            assert set(vars(loaded)) == set(vars(case.estimator))
            case.fit(loaded)
            assert_same(outputs(loaded, case.X), outputs(fitted, case.X))


@of_transformers
def test_saved_pipeline_and_union(fitted, case, tmp_path):
    union = FeatureUnion([("ours", fitted), ("theirs", "drop")])
    save(Pipeline([("union", union)]), tmp_path)
    found = load(tmp_path).transform(case.X[:9])
    expected = fitted.transform(case.X[:9])
    if hasattr(expected, "toarray"):
        found, expected = found.toarray(), expected.toarray()
    assert_array_equal(found, expected)


@of_transformers
def test_set_output_survives_a_save(fitted, case, tmp_path):
    save(copy.copy(fitted).set_output(transform="pandas"), tmp_path)
    loaded = load(tmp_path)
    if hasattr(loaded, "predict"):
        assert loaded.transform(case.X[:3]).format == "csr"
    else:
        assert isinstance(loaded.transform(case.X[:3]), pd.DataFrame)


@pytest.mark.parametrize("name", [name for name in CASES if " " not in name])
def test_a_notebook_links_to_its_page(name):
    page = f"https://skmatch.github.io/skmatch/generated/skmatch.{name}.html"
    assert f'href="{page}"' in CASES[name].estimator._repr_html_()
    listed = (Path(__file__).parents[1] / "docs" / "api.rst").read_text("utf-8")
    assert f"\n   {name}\n" in listed
