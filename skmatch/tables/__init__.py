"""Tables of listings in, tables of matches out: frames, and Parquet files.

In: scores or groups, or a fitted matcher and files with titles. Out: a frame or a file
of the pairs that match, or of the products, by the ids of the caller.

- ``_match_table.py``: match_table and groups_table, what users call
- ``_columns.py``: columns of pandas, polars, pyarrow or plain, and frames of them
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
from skmatch.tables._columns import as_columns, check_ids
from skmatch.tables._match_table import groups_table, match_table
from skmatch.tables._pairs_file import check_target
from skmatch.tables._parquet import link_parquet, match_parquet, take_apart

__all__ = [
    "as_columns",
    "as_ids",
    "as_titles",
    "check_ids",
    "check_target",
    "groups_table",
    "has_names",
    "link_parquet",
    "match_parquet",
    "match_table",
    "refuse_mutual",
    "take_apart",
]
