"""From scores of pairs to matches, and from matches to groups: sparse matrices only.

In: a score graph, a symmetric csr_array of the scores of pairs without a diagonal (or
one of rows against a catalogue). Out: matches, bool with the diagonal; groups, an int a
row; links of two catalogues; or a better score graph.

- ``_decide.py``: scores -> matches: threshold, expected F1, best, mutual, singletons
- ``_filters.py``: pairs that cannot match, by their source, category or a person's word
- ``_grouping.py``: matches -> groups: components, average, complete, louvain
- ``_linking.py``: one-to-one matches of two catalogues
- ``_consistency.py``: whether the matches of matches match; shifts of log-odds by it
- ``_propagation.py``: probabilities averaged over the match graph
- ``_expansion.py``: embeddings averaged over their matches (query expansion)
- ``_neighbourhoods.py``: a score among the scores of its row
- ``_csr.py``: what all of them do to sparse matrices
"""

from skmatch.graph._consistency import (
    choose_shift,
    measure_agreement,
    shift_log_odds,
)
from skmatch.graph._csr import (
    find_entries,
    keep_entries,
    keep_rows,
    replace_entries,
    row_indices,
    symmetrize,
    widen,
)
from skmatch.graph._decide import (
    ROUNDED_ZERO,
    check_decision,
    decide_matches,
    keep_matches,
)
from skmatch.graph._expansion import expand_queries
from skmatch.graph._filters import filter_pairs
from skmatch.graph._grouping import group_matches, group_with_answers, least_score
from skmatch.graph._linking import link_catalogues
from skmatch.graph._neighbourhoods import Neighbourhoods, Standing, ratio
from skmatch.graph._propagation import (
    LOWEST_KEPT,
    LOWEST_WEIGHED,
    KnownPropagation,
    Propagation,
    drop_low,
    list_needed,
    propagate_rows,
)

__all__ = [
    "LOWEST_KEPT",
    "LOWEST_WEIGHED",
    "ROUNDED_ZERO",
    "KnownPropagation",
    "Neighbourhoods",
    "Propagation",
    "Standing",
    "check_decision",
    "choose_shift",
    "decide_matches",
    "drop_low",
    "expand_queries",
    "filter_pairs",
    "find_entries",
    "group_matches",
    "group_with_answers",
    "keep_entries",
    "keep_matches",
    "keep_rows",
    "least_score",
    "link_catalogues",
    "list_needed",
    "measure_agreement",
    "propagate_rows",
    "ratio",
    "replace_entries",
    "row_indices",
    "shift_log_odds",
    "symmetrize",
    "widen",
]
