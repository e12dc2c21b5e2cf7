"""What is asked of a matcher that was saved: it may end a Pipeline."""

from __future__ import annotations

import warnings
from typing import Any

from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.pipeline import Pipeline

from skmatch.graph import group_matches
from skmatch.matchers import (
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    make_growing,
)
from skmatch.persistence import load
from skmatch.tables import take_apart


def load_matcher(folder: str) -> Any:
    """Return a matcher of titles that was saved; no code of it is run."""
    matcher = load(folder)
    take_apart(matcher, "transform")
    return matcher


def as_pair_classifier(matcher: Any, command: str) -> PairClassifierMatcher:
    """Return the matcher, of which a command needs what others have not."""
    if not isinstance(matcher, PairClassifierMatcher):
        raise ValueError(
            f"{command} needs a model of PairClassifierMatcher; this one is "
            f"{matcher!r:.100}."
        )
    return matcher


def score(matcher: Any, X: Any) -> tuple[csr_array, csr_array]:
    """Return the scores of pairs of titles, and which of them match."""
    before, last = take_apart(matcher, "score_graph")
    rows = X if before is None else before.transform(X)
    graph = last.score_graph(rows)
    for what in last._doubts(rows) if hasattr(last, "_doubts") else ():
        warnings.warn(what, UserWarning, stacklevel=2)
    return graph, last.decide(graph)


def group(matcher: Any, X: Any) -> NDArray[Any]:
    """Return the product of each title, as a ProductCatalogue would."""
    graph, _ = score(matcher, X)
    return group_matches(graph, threshold=make_growing(matcher).threshold)


def set_catalogue(matcher: Any, X: Any) -> None:
    """Have titles as the catalogue of a matcher."""
    if isinstance(matcher, Pipeline):
        before = matcher[:-1] if len(matcher) > 1 else None
        set_catalogue(matcher[-1], X if before is None else before.transform(X))
    elif isinstance(matcher, TunedThresholdMatcherCV):
        set_catalogue(matcher.estimator_, X)
    elif isinstance(matcher, PairClassifierMatcher):
        matcher.set_catalogue(X)
    else:
        matcher.fit(X)  # which keeps them, and learns nothing
