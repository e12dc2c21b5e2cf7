"""From embeddings to pairs: every product of embeddings is made here.

In: embeddings, dense or sparse. Out: pairs of similar rows, as arrays (row, column) or
(row, column, similarity).
"""

from skmatch.search._neighbors import nearest_neighbors
from skmatch.search._products import inner_products, lowest_threshold, similar_pairs
from skmatch.search._unit_rows import draw, unit_rows

__all__ = [
    "draw",
    "inner_products",
    "lowest_threshold",
    "nearest_neighbors",
    "similar_pairs",
    "unit_rows",
]
