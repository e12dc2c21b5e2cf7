"""Titles that are too many for one machine, matched on Spark.

In: a fitted matcher and a DataFrame of titles with ids. Out: a DataFrame of the pairs
that match, by these ids. The algorithms are those of one machine.

- ``_spark.py``: embed, match, link and groups, what users call
- ``_titles.py``: a DataFrame of titles: its rows checked, and read as a matcher does
- ``_steps.py``: what a worker does with a batch: Arrow in, Arrow out
"""

from skmatch.distributed._spark import embed, groups, link, match

__all__ = ["embed", "groups", "link", "match"]
