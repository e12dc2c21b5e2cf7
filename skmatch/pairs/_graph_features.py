"""What a score means among those of the other candidates: named features of pairs."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.graph import Neighbourhoods
from skmatch.search import inner_products

Values = NDArray[Any]


class Around(NamedTuple):
    """The scores around the two rows of pairs, against the same columns."""

    left: Neighbourhoods
    right: Neighbourhoods
    holds_left: bool  # whether the pairs are among those of their left rows
    holds_right: bool


class GraphFeatures(NamedTuple):
    """A score compared with those of the other candidates of both rows.

    The best candidate is the only one that can be right where a product has few rows,
    and in a dense neighbourhood a high score says little.
    """

    score: Values
    rank_min: Annotated[Values, "number of candidates that are nearer"]
    rank_max: Values
    of_best_min: Annotated[Values, "share of the best candidate's"]
    of_best_max: Values
    of_near_min: Annotated[Values, "share of the fifth best candidate's"]
    of_near_max: Values
    margin_min: Annotated[Values, "lead over the best other candidate"]
    margin_max: Values
    degree_min: Annotated[Values, "sum over all candidates"]
    degree_max: Values
    support: Annotated[Values, "support by common candidates"]
    agreement: Annotated[Values, "likeness of the candidates of both"]


def graph_feature_names(score: str) -> list[str]:
    """Return the names of the features of a score."""
    return [score, *(f"{score}_{name}" for name in GraphFeatures._fields[1:])]


def compare_neighbourhoods(
    scores: NDArray[np.float32],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    around: Around,
) -> GraphFeatures:
    """Compare the scores of pairs with those of the other candidates of their rows."""
    a = around.left.compare(left, scores, around.holds_left)
    b = around.right.compare(right, scores, around.holds_right)
    support = inner_products(around.left.graph, around.right.graph, left, right)
    # A row is a candidate of its own, with a score of 1.
    norms = np.sqrt((1 + a.square) * (1 + b.square))
    features = GraphFeatures(
        score=scores,
        rank_min=np.minimum(a.rank, b.rank),
        rank_max=np.maximum(a.rank, b.rank),
        of_best_min=np.minimum(a.of_best, b.of_best),
        of_best_max=np.maximum(a.of_best, b.of_best),
        of_near_min=np.minimum(a.of_near, b.of_near),
        of_near_max=np.maximum(a.of_near, b.of_near),
        margin_min=np.minimum(a.margin, b.margin),
        margin_max=np.maximum(a.margin, b.margin),
        degree_min=np.minimum(a.degree, b.degree),
        degree_max=np.maximum(a.degree, b.degree),
        support=support,
        agreement=(support + 2 * scores) / norms,
    )
    return GraphFeatures(*(np.asarray(value, np.float32) for value in features))
