"""Tables of listings in, tables of matches out: Parquet files, by way of Arrow.

In: a fitted matcher, and files with titles and ids. Out: a file of the pairs that
match, by these ids.

- ``_parquet.py``: match_parquet and link_parquet, what users call
- ``_source.py``: files of listings, read by batches of rows
- ``_arrow_titles.py``: columns of Arrow as titles
- ``_pairs_file.py``: the pairs that match, written by blocks: whole, or not at all
"""

from skmatch.tables._arrow_titles import (
    as_ids,
    as_titles,
    has_names,
    refuse_mutual,
)
from skmatch.tables._parquet import link_parquet, match_parquet

__all__ = [
    "as_ids",
    "as_titles",
    "has_names",
    "link_parquet",
    "match_parquet",
    "refuse_mutual",
]
