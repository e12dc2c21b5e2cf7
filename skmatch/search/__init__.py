"""From embeddings to pairs of similar rows: all similarities are computed here.

In: embeddings, dense or sparse, which ``_unit_rows.py`` scales. Out: pairs, as arrays
(row, column, similarity); of nearest neighbours (row, column). What decides between
exact and approximate search is ``_planner.py``.

- ``_radius.py``: all pairs above a threshold, as a plan says: all compared, in cells,
  or in a faiss index
- ``_planner.py``: what each way costs, and which one is taken, with its recall
- ``_prefixes.py``: in which directions rows are shortened to be compared quickly
- ``_neighbors.py``: the nearest neighbours of each row: candidates
- ``_cells.py``: an inverted file whose probing rule can lose no pair
- ``_partitions.py``: the same cells as parts that know nothing of one another
- ``_faiss_index.py``: rows in an index that faiss makes of a factory string
- ``_equal_rows.py``: equal rows, of which an index holds one
- ``_sparse.py``: both searches of sparse rows
- ``_similarities.py``: those of given pairs and of blocks; exact re-ranking in float64
- ``_recall.py``: the share of the pairs that is found, from a sample
- ``_estimates.py``: how many pairs a threshold gives, from a sample
- ``_threads.py``: how many threads BLAS and OpenMP use meanwhile
"""

from skmatch.search._estimates import lowest_threshold, refuse_too_many
from skmatch.search._faiss_index import clone_index, flat_index, rows_of
from skmatch.search._neighbors import (
    most_similar,
    nearest_neighbors,
    neighbors_in_part,
)
from skmatch.search._partitions import (
    Partitions,
    PartRows,
    assign_rows,
    calibrate_partitions,
    count_to_train,
    join_part,
    plan_partitions,
    probe_sample,
)
from skmatch.search._planner import (
    ROWS_TO_CALIBRATE,
    check_index,
    enough_rows,
    plan_search,
    uses_factory,
)
from skmatch.search._radius import Plan, search_pairs
from skmatch.search._recall import EXACT, Recall, SearchReport
from skmatch.search._similarities import Pairs, inner_products, similar_pairs
from skmatch.search._sparse import count_rows_with, keep_rarest
from skmatch.search._threads import limit_threads
from skmatch.search._unit_rows import draw, unit_rows

__all__ = [
    "EXACT",
    "ROWS_TO_CALIBRATE",
    "Pairs",
    "PartRows",
    "Partitions",
    "Plan",
    "Recall",
    "SearchReport",
    "assign_rows",
    "calibrate_partitions",
    "check_index",
    "clone_index",
    "count_rows_with",
    "count_to_train",
    "draw",
    "enough_rows",
    "flat_index",
    "inner_products",
    "join_part",
    "keep_rarest",
    "limit_threads",
    "lowest_threshold",
    "most_similar",
    "nearest_neighbors",
    "neighbors_in_part",
    "plan_partitions",
    "plan_search",
    "probe_sample",
    "refuse_too_many",
    "rows_of",
    "search_pairs",
    "similar_pairs",
    "unit_rows",
    "uses_factory",
]
