"""A DataFrame of titles with ids, checked and read as a matcher does."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from skmatch.tables import as_titles


class Titles(NamedTuple):
    """The rows of a DataFrame, as id, order and the fields of a title."""

    rows: Any  # pyspark.sql.DataFrame of id, order, and columns of `names`
    names: list[str]
    n_rows: int
    digest: int  # a sum of hashes of all ids and titles


def check_rows(df: Any, title_col: str | list[str], id_col: str) -> Titles:
    """Count the rows; raise if an id or a title is missing, or an id is there twice."""
    from pyspark.sql import functions as F

    names = [title_col] if isinstance(title_col, str) else list(title_col)
    for parameter, name in [*(("title_col", n) for n in names), ("id_col", id_col)]:
        if name not in df.columns:
            raise ValueError(
                f"{parameter} names {name!r}; expected one of the columns of df, "
                f"{df.columns}."
            )
    fields = [F.col(name) for name in names]
    rows = df.select(
        F.col(id_col).alias("id"),
        # A number of each row that does not depend on where the row lies.
        F.xxhash64(F.col(id_col)).alias("order"),
        *(field.alias(f"field {n}") for n, field in enumerate(fields)),
    )
    fields = [F.col(f"field {n}") for n in range(len(names))]
    digest = F.xxhash64("id", *fields).cast("decimal(38,0)")
    counts = rows.agg(
        F.count("*").alias("n_rows"),
        F.count("id").alias("ids"),
        F.countDistinct("id").alias("distinct"),
        *(F.count(field).alias(f"n {n}") for n, field in enumerate(fields)),
        F.sum(digest).alias("digest"),
    ).first()
    n_rows = counts["n_rows"]
    if counts["ids"] < n_rows:
        raise ValueError(
            f"id_col={id_col!r} is null in {n_rows - counts['ids']} of {n_rows} rows; "
            "expected an id for each row."
        )
    if counts["distinct"] < n_rows:
        twice = rows.groupBy("id").count().filter("count > 1").first()["id"]
        raise ValueError(
            f"id_col={id_col!r} has {counts['distinct']} values in {n_rows} rows, and "
            f"{twice!r} more than once; expected an id for each row."
        )
    for n, name in enumerate(names):
        if counts[f"n {n}"] < n_rows and len(names) == 1:
            example = rows.filter(fields[n].isNull()).first()["id"]
            raise ValueError(
                f"title_col={name!r} is null in {n_rows - counts[f'n {n}']} of "
                f"{n_rows} rows, such as that of id {example!r}; expected a title for "
                "each row (an empty title is '')."
            )
    return Titles(rows, names, n_rows, int(counts["digest"] or 0))


def read_titles(
    batch: pa.RecordBatch, names: list[str], is_1d: bool, keeps_names: bool
) -> Any:
    """Return the titles of a batch as a matcher takes them."""
    columns = {name: batch.column(f"field {n}") for n, name in enumerate(names)}
    return as_titles(columns, is_1d=is_1d, keeps_names=keeps_names)
