"""The check battery of scikit-learn, and what it does not ask of estimators of str."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
)

AMONG_THEMSELVES = (
    "predict matches the rows of X with one another: another order or a subset of the "
    "rows is another question"
)
ONE_VALUE_A_ROW = (
    "predict matches the rows of X with one another: its shape is (n, n), and the "
    "check wants (n,)"
)
EMBEDDER = LSTMTitleEmbedder(
    embedding_dim=8, hidden_size=4, n_epochs=1, batch_size=16, random_state=0
)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    # the battery fits tiny random labels, of which some come once
    "ignore:.*have a single title:UserWarning",
    "ignore:.*had no triplet with a non-zero loss:UserWarning",
    "ignore:The embeddings have collapsed:UserWarning",
    "ignore:The threshold was chosen on galleries:UserWarning",
)
@pytest.mark.parametrize(
    ("estimator", "expected_failures"),
    [
        (EMBEDDER, {}),
        (
            FaissThresholdMatcher(),
            {
                "check_estimator_sparse_array": ONE_VALUE_A_ROW,
                "check_estimator_sparse_matrix": ONE_VALUE_A_ROW,
                "check_methods_sample_order_invariance": AMONG_THEMSELVES,
                "check_methods_subset_invariance": AMONG_THEMSELVES,
            },
        ),
        (
            TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=ClassDisjointKFold(2)),
            {
                "check_estimator_sparse_array": ONE_VALUE_A_ROW,
                "check_estimator_sparse_matrix": ONE_VALUE_A_ROW,
                "check_methods_sample_order_invariance": AMONG_THEMSELVES,
                "check_methods_subset_invariance": AMONG_THEMSELVES,
            },
        ),
        (
            PairClassifierMatcher(
                classifier=HistGradientBoostingClassifier(max_iter=5), cv=2
            ),
            {
                "check_methods_subset_invariance": AMONG_THEMSELVES,
            },
        ),
    ],
    ids=[
        "LSTMTitleEmbedder",
        "FaissThresholdMatcher",
        "TunedThresholdMatcherCV",
        "PairClassifierMatcher",
    ],
)
def test_check_battery(estimator, expected_failures):
    results = check_estimator(
        estimator, expected_failed_checks=expected_failures, on_skip=None, on_fail=None
    )
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert failed == {}
    excused = {r["check_name"] for r in results if r["status"] == "xfail"}
    assert excused == set(expected_failures)
    ran = [r for r in results if r["status"] in ("passed", "xfail")]
    assert len(ran) >= 44
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}


@pytest.fixture(params=[LSTMTitleEmbedder, FaissThresholdMatcher])
def case(request, listings, quick, fitted):
    """An unfitted estimator, a fitted one and what it takes."""
    titles, product_ids = listings
    if request.param is LSTMTitleEmbedder:
        return quick(), fitted, titles, product_ids
    X = fitted.transform(titles)
    return FaissThresholdMatcher(0.6), FaissThresholdMatcher(0.6).fit(X), X, None


def test_init_stores_its_arguments_and_nothing_else(case):
    estimator = type(case[0])()
    assert set(vars(estimator)) == set(estimator.get_params())


def test_all_parameters_but_the_first_are_keyword_only(case):
    with pytest.raises(TypeError, match="positional argument"):
        type(case[0])(0.5, 3)


def test_fit_returns_self_and_ends_names_with_an_underscore(case):
    estimator, _, X, y = case
    assert estimator.fit(X, y) is estimator
    new = set(vars(estimator)) - set(estimator.get_params())
    assert all(name.endswith("_") or name.startswith("_") for name in new)


def test_fit_and_transform_leave_parameters_and_data(case):
    estimator, _, X, y = case
    parameters, before = estimator.get_params(), np.array(X, copy=True)
    estimator.fit(X, y).transform(X)
    assert estimator.get_params() == parameters
    assert_array_equal(X, before)


def test_transform_and_predict_leave_the_estimator(case):
    _, fitted, X, _ = case
    before = pickle.dumps(fitted)
    fitted.transform(X)
    if hasattr(fitted, "predict"):
        fitted.predict(X)
    assert pickle.dumps(fitted) == before


def test_unfitted_estimator_says_so(case):
    estimator, _, X, _ = case
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        clone(estimator).transform(X)


def test_order_and_subset_of_the_rows_change_nothing_in_transform(case):
    _, fitted, X, _ = case

    def transform(rows):
        result = fitted.transform(rows)
        return result.toarray() if hasattr(result, "toarray") else result

    whole = transform(X)
    np.testing.assert_allclose(transform(X[::-1])[::-1], whole, atol=1e-6)
    np.testing.assert_allclose(transform(X[5:9]), whole[5:9], atol=1e-6)


def test_names_of_the_columns(case):
    _, fitted, X, _ = case
    names = fitted.get_feature_names_out()
    assert len(names) == fitted.transform(X).shape[1]
    assert names[0] == f"{type(fitted).__name__.lower()}0"
