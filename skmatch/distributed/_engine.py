"""What Spark does for every step: share values, map batches, and keep what was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from skmatch.distributed._titles import Titles, read_titles
from skmatch.tables import has_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def type_of(df: DataFrame, column: str) -> str:
    """Return the type of a column as a schema names it."""
    return str(df.schema[column].dataType.simpleString())


def share(df: DataFrame, value: Any) -> Any:
    """Send a value to each executor, once."""
    return df.sparkSession.sparkContext.broadcast(value)


def reader(fitted: Any, titles: Titles, title_col: Any) -> Callable[[Any], Any]:
    """Return what reads a batch as a matcher takes it."""
    return partial(
        read_titles,
        names=titles.names,
        is_1d=isinstance(title_col, str),
        keeps_names=has_names(fitted),
    )


def map_batches(
    step: Callable[..., pa.RecordBatch],
    shared: dict[str, Any],
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Apply a step to each batch, with what was shared."""
    values = {name: variable.value for name, variable in shared.items()}
    for batch in batches:
        if len(batch):
            yield step(batch, **values)


def cut(df: DataFrame) -> DataFrame:
    """Compute a DataFrame now, and forget how: plans of many steps grow too large.

    It is kept in the checkpoint folder of the session, if there is one, else on the
    executors, whose data are lost with them.
    """
    has_folder = df.sparkSession.sparkContext.getCheckpointDir() is not None
    return df.checkpoint() if has_folder else df.localCheckpoint()


def keep(df: DataFrame, folder: str | None, name: str, digest: str) -> DataFrame:
    """Write a DataFrame to a folder, or read what is there; with None, :func:`cut` it.

    Raises ValueError if what is there is of another digest, or is not whole.
    """
    from pyspark.errors import AnalysisException

    if folder is None:
        return cut(df)
    spark = df.sparkSession
    own = f"{folder.rstrip('/')}/skmatch-{name}"  # nothing else is written over
    try:
        found = spark.read.parquet(f"{own}-done").first()
    except AnalysisException:  # nothing is there, or no whole file
        df.write.mode("overwrite").parquet(own)
        found = {"digest": digest, "n_rows": spark.read.parquet(own).count()}
        done = spark.createDataFrame([found], "digest string, n_rows bigint")
        done.write.mode("overwrite").parquet(f"{own}-done")
    kept = spark.read.schema(df.schema).parquet(own)
    if found["digest"] != digest or found["n_rows"] != kept.count():
        raise ValueError(
            f"folder={folder!r} holds other {name}, or not all; expected those of "
            "these titles by this estimator. Give another folder, or delete it."
        )
    return kept
