"""Estimators of scikit-learn: skops writes and reads those that are safe to read.

skops makes objects of types that it trusts and of no other. That keeps code out, but
not every type is safe for that: compiled code follows the indices in fitted trees
without a check, and reads beyond them if a file says so. The trees of histogram
gradient boosting are therefore checked here, and other types whose state goes to
compiled code are refused.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from skmatch.persistence._objects import is_savable_function

# Estimators that hold others, or many words: they are written part by part.
_COMPOSITES = {
    f"{cls.__module__}.{cls.__qualname__}": cls
    for cls in (
        CountVectorizer,
        FeatureUnion,
        FunctionTransformer,
        Pipeline,
        TfidfTransformer,
        TfidfVectorizer,
    )
}
# Of histogram gradient boosting; some versions of skops do not know them.
_TRUSTED = [
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
# Their state goes to compiled code that does not check it, and neither can we.
_UNCHECKED = (
    "sklearn.neighbors._ball_tree.",
    "sklearn.neighbors._kd_tree.",
    "sklearn.svm.",
    "sklearn.tree.",
)
_MOST_UNPACKED = 50  # times the size of a skops file; those that we wrote stay below 10
_ALWAYS_UNPACKED = 2**24  # bytes that are allowed however small the file is


def is_composite(value: Any) -> bool:
    """Tell whether an estimator is written part by part."""
    if type(value) is FunctionTransformer:  # of another function, skops knows more
        return is_savable_function(value.func)
    return type(value) in _COMPOSITES.values()


def composite_class(name: Any) -> Any:
    """Return the class of a name, of those that are written part by part."""
    if not isinstance(name, str) or name not in _COMPOSITES:
        raise ValueError(
            f"The save holds an estimator of the type {name!r}; expected one of "
            f"{sorted(_COMPOSITES)}."
        )
    return _COMPOSITES[name]


def write_sklearn(value: Any, where: str) -> bytes:
    """Return an object of scikit-learn as a skops file."""
    from skops.io import dumps

    try:
        content: bytes = dumps(value, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
        _check_types(content, where)
    except Exception as error:  # skops has no one exception for what it cannot write
        raise ValueError(
            f"{where} is {value!r:.200}, which cannot be saved: {error}"
        ) from error
    return content


def read_sklearn(content: bytes, name: str) -> Any:
    """Read an object of scikit-learn, and check what compiled code would not."""
    from skops.io import loads

    try:
        _check_types(content, name)
        value = loads(content, trusted=_TRUSTED)
        for estimator in _parts(value):
            _check_trees(estimator)
    except Exception as error:  # whatever a file that is none of ours may cause
        raise ValueError(f"{name} is not a skops file to be read: {error}") from error
    return value


def _check_types(content: bytes, name: str) -> None:
    """Raise unless all types in a skops file are trusted and can be checked."""
    from skops.io import get_untrusted_types

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        n_bytes = sum(entry.file_size for entry in archive.infolist())
        most = max(_ALWAYS_UNPACKED, _MOST_UNPACKED * len(content))
        if n_bytes > most:
            raise ValueError(
                f"{name} unpacks to {n_bytes} bytes; expected at most {most}."
            )
        types = set(_types_in(json.loads(archive.read("schema.json"))))
    untrusted = set(get_untrusted_types(data=content)) - set(_TRUSTED)
    refused = untrusted | {t for t in types if t.startswith(_UNCHECKED)}
    if refused:
        raise ValueError(f"it holds objects of the type {min(refused)!r}")


def _types_in(node: Any) -> Iterator[str]:
    """Give the names of the types that a skops schema makes."""
    if isinstance(node, dict):
        if "__class__" in node:
            yield f"{node.get('__module__')}.{node['__class__']}"
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _types_in(item)


def _parts(value: Any) -> Iterator[Any]:
    """Give all estimators in an estimator, itself included."""
    if isinstance(value, BaseEstimator):
        yield value
        value = list(vars(value).values())
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _parts(item)


def _check_trees(estimator: Any) -> None:
    """Raise if a fitted tree leads outside of itself or round in a circle."""
    boosting = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    if isinstance(estimator, boosting) and hasattr(estimator, "_predictors"):
        if estimator.is_categorical_ is not None:
            raise ValueError("it has categorical features, which are not read")
        for tree in (t for stage in estimator._predictors for t in stage):
            nodes = tree.nodes
            inner = nodes[nodes["is_leaf"] == 0]
            own = np.flatnonzero(nodes["is_leaf"] == 0)
            children = (inner["left"], inner["right"])
            if nodes["is_categorical"].any():
                raise ValueError("it has categorical splits, which are not read")
            n_features = estimator.n_features_in_
            _check_tree(own, children, inner["feature_idx"], len(nodes), n_features)


def _check_tree(
    own: Any, children: tuple[Any, Any], features: Any, n_nodes: int, n_features: int
) -> None:
    """Raise unless children come after their parents and features are there."""
    is_right = n_nodes > 0
    for child in children:
        child = child.astype(np.int64)
        is_right &= bool(((child > own) & (child < n_nodes)).all())
    features = features.astype(np.int64)
    is_right &= bool(((features >= 0) & (features < n_features)).all())
    if not is_right:
        raise ValueError("it holds a tree whose nodes lead outside of it")
