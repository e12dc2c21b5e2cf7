"""Titles that are too many for one machine, matched on Spark.

In: a fitted matcher and a DataFrame of titles with ids. Out: a DataFrame of the pairs
that match, by these ids. The algorithms are those of one machine.

- ``_spark.py``: embed, match and link, what users call
- ``_groups.py``: groups and group_pairs, too
- ``_gallery.py``: the pairs of a PairClassifierMatcher
- ``_titles.py``: a DataFrame of titles: its rows checked, and read as a matcher does
- ``_engine.py``: what Spark does for every step: share values, map, keep
- ``_steps.py``, ``_gallery_steps.py``: what a worker does: Arrow in, Arrow out
"""

try:
    import pyarrow as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        "skmatch.distributed needs pyarrow and pyspark: pip install 'skmatch[spark]'."
    ) from error

from skmatch.distributed._groups import group_pairs, groups
from skmatch.distributed._spark import embed, link, match
from skmatch.distributed._steps import (
    assign_batch,
    embed_batch,
    join_batches,
    link_batch,
    unpack,
)
from skmatch.search import plan_partitions

__all__ = [
    "assign_batch",
    "embed",
    "embed_batch",
    "group_pairs",
    "groups",
    "join_batches",
    "link",
    "link_batch",
    "match",
    "plan_partitions",
    "unpack",
]
