"""The parameters of estimators of pairs: checked, and what they name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import check_scalar

from skmatch._numbers import check_n_jobs
from skmatch.embedders import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    LSTMTitleEmbedder,
    check_language_model,
)
from skmatch.pairs._named_embedders import check_names, name_parts


def make_classifier(classifier: Any, seed: int) -> Any:
    """Return the classifier of a parameter, or the default."""
    if classifier is not None:
        if isinstance(classifier, type) or not hasattr(classifier, "get_params"):
            raise ValueError(
                f"classifier={classifier!r}; expected None or a classifier with "
                "predict_proba."
            )
        return classifier
    return HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=100,
        l2_regularization=1.0,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=seed,
    )


def make_embedders(embedders: Any, seed: int) -> list[Any]:
    """Return the embedders that a parameter names."""
    named: dict[str, Callable[[], Any]] = {
        "tfidf": lambda: TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32
        ),
        "words": lambda: TfidfVectorizer(
            token_pattern=r"\w+", sublinear_tf=True, dtype=np.float32
        ),
        "lstm": lambda: LSTMTitleEmbedder(random_state=seed),
        "bert": lambda: AdapterBertEmbedder(random_state=seed),
    }
    if embedders is None:
        embedders = ["tfidf", "words"]
    made = []
    for _, embedder in name_parts(embedders):
        if isinstance(embedder, str) and embedder in named:
            made.append(named[embedder]())
        elif hasattr(embedder, "fit") and hasattr(embedder, "transform"):
            made.append(embedder)
        else:
            hint = (
                " A sentence-transformers model is AdapterBertEmbedder(its folder or "
                "name, adapter=None)."
                if hasattr(embedder, "encode")
                else ""
            )
            raise ValueError(
                f"embedders holds {embedder!r}; expected transformers or names of "
                f"{sorted(named)}.{hint}"
            )
    if not made:
        raise ValueError("embedders is empty; expected at least one transformer.")
    return made


def make_cross_encoder(cross_encoder: Any, seed: int) -> Any:
    """Return the cross-encoder that a parameter names; None is none."""
    if isinstance(cross_encoder, str) and cross_encoder == "bert":
        cross_encoder = AdapterBertPairClassifier(random_state=seed)
    is_class = isinstance(cross_encoder, type)
    methods = ("fit", "predict_proba", "get_params")
    if cross_encoder is not None and (
        is_class or not all(hasattr(cross_encoder, name) for name in methods)
    ):
        raise ValueError(
            f"cross_encoder={cross_encoder!r}; expected None, 'bert' or a classifier "
            "of two titles with predict_proba."
        )
    if isinstance(cross_encoder, AdapterBertPairClassifier):
        try:  # now, and not after the levels
            check_language_model(cross_encoder)
        except ValueError as error:
            raise ValueError(f"cross_encoder: {error}") from error
    return cross_encoder


def fit_in_threads(classifier: Any, X: Any, y: Any, **weights: Any) -> Any:
    """Fit a classifier, and leave the warning filters of the process as they are.

    scikit-learn may fit in threads, which can leave each other's filters.
    """
    with warnings.catch_warnings():
        return classifier.fit(X, y, **weights)


def check_pair_params(estimator: Any) -> None:
    """Raise if a parameter that the estimators of pairs share is out of its range."""
    for name, most in (("n_candidates", 2**20), ("n_levels", 100)):
        check_scalar(getattr(estimator, name), name, Integral, min_val=1, max_val=most)
    check_scalar(estimator.propagation, "propagation", (bool, np.bool_))
    check_n_jobs(estimator.n_jobs)
    check_scalar(estimator.verbose, "verbose", (Integral, np.bool_))
    names = [name for name, _ in name_parts(estimator.embedders)]
    check_names(names, {*estimator.get_params(deep=False)})
    try:
        functions = [*estimator.pair_features]
    except TypeError as error:
        raise ValueError(
            f"pair_features={estimator.pair_features!r}; expected a sequence of "
            "callables."
        ) from error
    for function in functions:
        if not callable(function):
            raise ValueError(
                f"pair_features holds {function!r}; expected callables on two arrays "
                "of rows."
            )


def find_local_functions(functions: Any) -> list[str]:
    """Tell, to warn of, which functions have no name that a pickle finds."""
    names = [getattr(function, "__qualname__", "") for function in functions]
    return [
        f"pair_features holds {name!r}, which no module has: neither skmatch.save nor "
        "pickle can store the fitted estimator."
        for name in names
        if "<" in name
    ]
