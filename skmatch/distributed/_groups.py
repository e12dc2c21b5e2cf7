"""Groups of the rows of a DataFrame by their pairs, on the driver or on Spark."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from skmatch.distributed._engine import cut
from skmatch.distributed._spark import match
from skmatch.graph import group_matches, least_score

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_ON_DRIVER = 30_000_000  # rows: 1.3 GB


def groups(
    fitted: Any,
    df: DataFrame,
    *,
    title_col: str | list[str],
    id_col: str,
    method: str = "average",
    threshold: float | None = None,
    folder: str | None = None,
) -> DataFrame:
    """Put each title of a DataFrame into one group: a product.

    It is :func:`match`, then :func:`group_pairs`.

    Parameters
    ----------
    fitted, df, title_col, id_col, folder
        As of :func:`match`.
    method, threshold
        As of :func:`group_pairs`.

    Returns
    -------
    groups : pyspark.sql.DataFrame
        ``id`` and ``group``, the smallest id of the rows of the same group.

    Raises
    ------
    ValueError
        As :func:`match`, and if a parameter is out of its range.
    """
    _check_method(method, threshold)
    pairs = match(fitted, df, title_col=title_col, id_col=id_col, folder=folder)
    return group_pairs(pairs, df, id_col=id_col, method=method, threshold=threshold)


def group_pairs(
    pairs: DataFrame,
    df: DataFrame,
    *,
    id_col: str,
    method: str = "average",
    threshold: float | None = None,
) -> DataFrame:
    """Put each row into one group by the pairs of :func:`match`.

    Up to 30 million rows are grouped on the driver. Of more, connected components are
    found by Spark [1]_, and each of them is grouped by one of its workers.

    Parameters
    ----------
    pairs : pyspark.sql.DataFrame
        ``left``, ``right`` and ``score``, each pair once.
    df : pyspark.sql.DataFrame
        All rows.
    id_col : str
        Name of the column of ids.
    method : str, default="average"
        As of :func:`group_matches`.
    threshold : float or None, default=None
        As of :func:`group_matches`. None is, of cosine similarities of :func:`match`,
        the threshold of the matcher, and else what it is there.

    Returns
    -------
    groups : pyspark.sql.DataFrame
        ``id`` and ``group``, the smallest id of the rows of the same group.

    Raises
    ------
    ValueError
        If a pair has an id that no row has, or a parameter is out of its range.

    References
    ----------
    .. [1] R. Kiveris et al., "Connected components in MapReduce and beyond", SoCC 2014.
       :doi:`10.1145/2670979.2670997`
    """
    from pyspark.sql import functions as F

    if threshold is None:
        threshold = pairs.schema["score"].metadata.get("threshold")
    _check_method(method, threshold)
    options: dict[str, Any] = {"method": method, "threshold": threshold}
    pairs = pairs.select("left", "right", "score").persist()  # read more than once
    rows = df.select(F.col(id_col).alias("id"))
    ends = pairs.select(F.explode(F.array("left", "right")).alias("id"))
    if not ends.join(rows, "id", "left_anti").isEmpty():
        raise ValueError(
            "pairs has ids that are not in df; expected those of its rows."
        )
    if rows.count() <= _MOST_ON_DRIVER:
        found = df.sparkSession.createDataFrame(_group(pairs.toArrow(), options))
        pairs.unpersist()
    else:
        found = _group_components(pairs, options)
    group = F.coalesce("group", "id").alias("group")  # a row without a pair is alone
    return rows.join(found, "id", "left").select("id", group)


def _check_method(method: str, threshold: float | None) -> None:
    """Raise as :func:`group_matches` does, before Spark starts."""
    group_matches(csr_array((1, 1)), method=method, threshold=threshold)


def _group(pairs: pa.Table, options: dict[str, Any]) -> pa.Table:
    """Return the group of each row that has a pair: ``id`` and ``group``."""
    sides = [pairs.column(name).combine_chunks() for name in ("left", "right")]
    ids = pc.unique(pa.concat_arrays(sides))
    ids = ids.take(pc.sort_indices(ids))
    left, right = (pc.index_in(side, value_set=ids).to_numpy() for side in sides)
    entries = pairs.column("score").to_numpy(), (left, right)
    graph = csr_array(entries, shape=(len(ids), len(ids)))
    labels = group_matches(graph, **options)
    first = np.unique(labels, return_index=True)[1]
    return pa.table({"id": ids, "group": ids.take(pa.array(first[labels]))})


def _group_components(pairs: DataFrame, options: dict[str, Any]) -> DataFrame:
    """Group the rows of each connected component by themselves."""
    from pyspark.sql import functions as F

    id_type = pairs.schema["left"].dataType.simpleString()
    least = F.lit(float(np.float32(least_score(**options))))
    kept = pairs.filter((F.col("score") >= least) & (F.col("score") > 0)).persist()
    component = find_components(kept.select("left", "right"))
    named = component.select(F.col("id").alias("left"), F.col("group").alias("of"))
    # Components of a worker are grouped together, which says the same.
    n_parts = 4 * pairs.sparkSession.sparkContext.defaultParallelism
    parts = kept.join(named, "left").withColumn(
        "part", F.pmod(F.xxhash64("of"), F.lit(n_parts))
    )

    def group(part: pa.Table) -> pa.Table:
        return _group(part, options)

    return parts.groupBy("part").applyInArrow(group, f"id {id_type}, group {id_type}")


def find_components(edges: DataFrame) -> DataFrame:
    """Return the smallest id of the component of each row that has an edge.

    Rows are hung below smaller ones until each is below the smallest one: first the
    larger neighbours of each row, then the smaller ones.
    """
    from pyspark.sql import functions as F

    edges, before = edges.toDF("id", "group"), None
    while True:
        for step in (_hang_larger, _hang_smaller):
            edges = step(edges)
        edges = cut(edges)
        state = edges.agg(
            F.count("*"), F.sum(F.xxhash64("id", "group").cast("decimal(38,0)"))
        ).first()
        if state == before:
            break
        before = state
    roots = edges.select(F.col("group").alias("id"), "group")
    return edges.union(roots).distinct()


def _hang_larger(edges: DataFrame) -> DataFrame:
    """Hang the larger neighbours of each row below its smallest one, or below it."""
    from pyspark.sql import functions as F

    other = edges.select(F.col("group").alias("id"), F.col("id").alias("group"))
    return _hang(edges.union(other).distinct(), lambda own, other: other > own)


def _hang_smaller(edges: DataFrame) -> DataFrame:
    """Hang each row and its smaller neighbours below the smallest one."""
    from pyspark.sql import functions as F

    falling = edges.select(
        F.greatest("id", "group").alias("id"), F.least("id", "group").alias("group")
    ).distinct()
    own = falling.groupBy("id").agg(F.min("group").alias("group"))
    return _hang(falling, lambda own, other: other < own).union(own).distinct()


def _hang(edges: DataFrame, is_hung: Callable[[Any, Any], Any]) -> DataFrame:
    """Hang some neighbours of each row below the smallest of it and them."""
    from pyspark.sql import functions as F

    smallest = edges.groupBy("id").agg(F.min("group").alias("smallest"))
    smallest = smallest.withColumn("smallest", F.least("id", "smallest"))
    hung = edges.join(smallest, "id").filter(is_hung(F.col("id"), F.col("group")))
    hung = hung.select(F.col("group").alias("id"), F.col("smallest").alias("group"))
    return hung.filter("id != group").distinct()
