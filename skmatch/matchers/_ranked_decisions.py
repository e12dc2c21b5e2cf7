"""What choosing a threshold needs: ranked decisions, and the size of a gallery."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.evaluation import RankedMatches, rank_matches
from skmatch.graph import keep_matches

_FAR = 3.0  # factor by which a gallery may differ before a warning


class Refinements(NamedTuple):
    """How scores become matches besides the threshold, as of ``decide_matches``."""

    max_matches: int | None
    mutual: bool
    match_singletons: bool

    @classmethod
    def of(cls, matcher: Any) -> Refinements:
        """Return those of a matcher; one that has no such parameter refines nothing."""
        return cls(
            getattr(matcher, "max_matches", None),
            getattr(matcher, "mutual", False),
            getattr(matcher, "match_singletons", False),
        )


def rank_decisions(
    graph: csr_array, labels: NDArray[np.intp], refinements: Refinements
) -> RankedMatches:
    """Rank the entries of a score graph that match at one threshold or another.

    The best matches of a row are those above a threshold, too: to limit the graph first
    and to lower the threshold then is the same as to limit the matches above each.
    """
    singleton_match = None
    if refinements.match_singletons:
        singleton_match = keep_matches(graph, np.inf, match_singletons=True)
    limited = keep_matches(
        graph,
        -np.inf,
        max_matches=refinements.max_matches,
        mutual=refinements.mutual,
    )
    return rank_matches(limited, labels, singleton_match)


def doubt_size(n_rows: int, gallery_size: float, parameter: str) -> list[str]:
    """Tell, to warn of, that a gallery is unlike those of the threshold."""
    ratio = n_rows / gallery_size
    if 1 / _FAR <= ratio <= _FAR:
        return []
    return [
        f"The threshold was chosen on galleries of about {gallery_size:.0f} rows and X "
        f"has {n_rows}: the best one for X is probably "
        f"{'higher' if ratio > 1 else 'lower'}. See {parameter}."
    ]


def say_nothing_scores(scoring: object) -> str:
    """Return the warning of a score that is 0 at every threshold."""
    return (
        f"scoring={scoring!r} is 0 at every threshold of the training rows; the "
        "highest threshold was taken, at which next to nothing matches."
    )
