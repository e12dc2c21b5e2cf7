"""Embed, match, link and group the titles of Spark DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from sklearn.pipeline import Pipeline

from skmatch.distributed._steps import (
    assign_batch,
    embed_batch,
    join_batches,
    link_batch,
    unpack,
)
from skmatch.distributed._titles import Titles, check_rows, read_titles
from skmatch.graph import group_matches
from skmatch.matchers import FaissThresholdMatcher, TunedThresholdMatcherCV
from skmatch.search import count_to_train, plan_partitions
from skmatch.tables import as_ids, has_names, refuse_mutual

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_GROUPED = 30_000_000  # rows that are grouped on the driver: 1.3 GB


def embed(
    fitted: Any, df: DataFrame, *, title_col: str | list[str], id_col: str
) -> DataFrame:
    """Embed the titles of a DataFrame.

    Parameters
    ----------
    fitted : transformer or Pipeline
        Fitted: an embedder of dense rows, or a Pipeline that ends in a matcher, of
        which all but the matcher is used. It goes to each executor once, by pickle, and
        is loaded once by each of its Python workers, on which skmatch is installed.
    df : pyspark.sql.DataFrame
        Titles and their ids.
    title_col : str or list of str
        Name of the column of titles, or names of the fields of each row of ``X``, in
        the order of ``fit``.
    id_col : str
        Name of the column of ids, none of which is null or there twice.

    Returns
    -------
    embeddings : pyspark.sql.DataFrame
        ``id``; ``order``, a hash of it; ``vector``, the unit embedding as the bytes of
        float32, which ``numpy.frombuffer`` reads.

    Raises
    ------
    ValueError
        If a column is not there, an id or a title is missing (how many are, and an
        example, is told), or an id is there twice.
    """
    titles = check_rows(df, title_col, id_col)
    return _embed(_embedder_of(fitted), fitted, titles, title_col)


def match(
    fitted: Any,
    df: DataFrame,
    *,
    title_col: str | list[str],
    id_col: str,
    folder: str | None = None,
) -> DataFrame:
    """Match the titles of a DataFrame with one another.

    All pairs at or above the threshold are found, whatever the partitions are: those of
    a :class:`FaissThresholdMatcher` with ``index="exact"``.

    1. Embed the titles.
    2. Train cells on a sample, on the driver.
    3. Send each row to its cell, and to those whose border is near.
    4. Compare the rows of each cell.

    Parameters
    ----------
    fitted : Pipeline or TunedThresholdMatcherCV of one
        Fitted: an embedder of dense rows, and a :class:`FaissThresholdMatcher` that
        decides by its threshold alone.
    df, title_col, id_col
        As in :func:`embed`.
    folder : str or None, default=None
        Where the embeddings are kept, as Parquet, in a subfolder "skmatch-embeddings":
        a later call with the same titles and embedder goes on from there. With None
        they stay in the storage of the cluster as long as Spark keeps them.

    Returns
    -------
    pairs : pyspark.sql.DataFrame
        ``left`` and ``right``, the ids of two rows that match, the smaller one first;
        ``score``, float32, their cosine similarity. Each pair is there once. It is
        computed when it is read.

    Raises
    ------
    ValueError
        As :func:`embed`, and if the matcher is another one, or `folder` holds the
        embeddings of other titles.
    """
    from pyspark.sql import functions as F

    titles = check_rows(df, title_col, id_col)
    embedder, threshold = _embedder_of(fitted), _threshold_of(fitted, titles.n_rows)
    embedded = _embed(embedder, fitted, titles, title_col)
    if folder is None:
        embedded = embedded.persist()
    else:
        embedded = _keep(embedded, folder, embedder, titles)
    id_type = _type_of(embedded, "id")
    schema = f"left {id_type}, right {id_type}, score float"
    if not titles.n_rows:
        return df.sparkSession.createDataFrame([], schema)
    n_sample = count_to_train(titles.n_rows)[1]
    sample = embedded.orderBy("order", "id").limit(n_sample).select("vector").toArrow()
    vectors = unpack(sample.column("vector"))
    partitions = _share(df, plan_partitions(vectors, titles.n_rows, threshold))
    assigned = embedded.mapInArrow(
        partial(_map_batches, assign_batch, {"partitions": partitions}),
        f"id {id_type}, order bigint, vector binary, cell int, block int, "
        "lives boolean, home int",
    )
    sorted_rows = assigned.repartition("cell", "block").sortWithinPartitions(
        "cell", "block"
    )
    pairs = sorted_rows.mapInArrow(partial(_join, partitions=partitions), schema)
    return pairs.select(
        F.least("left", "right").alias("left"),
        F.greatest("left", "right").alias("right"),
        "score",
    )


def link(
    fitted: Any,
    df: DataFrame,
    *,
    title_col: str | list[str],
    id_col: str,
    catalogue_ids: ArrayLike | None = None,
) -> DataFrame:
    """Match the titles of a DataFrame with the catalogue of a fitted matcher.

    Parameters
    ----------
    fitted : estimator
        Fitted, with a ``transform`` that matches titles with those of ``fit``: a
        :class:`PairClassifierMatcher`, or a Pipeline that ends in a matcher.
    df, title_col, id_col
        As in :func:`embed`.
    catalogue_ids : array-like of shape (`n_samples_fit_`,) or None, default=None
        The ids, int or str, of the titles of ``fit``; None numbers them from 0.

    Returns
    -------
    pairs : pyspark.sql.DataFrame
        ``left``, the id of a row; ``right``, that of a title of the catalogue that
        matches it; ``score``, float32, their similarity or probability.

    Raises
    ------
    ValueError
        As :func:`embed`, and if the matcher is mutual: the best rows of a batch are not
        those of all.
    """
    titles = check_rows(df, title_col, id_col)
    refuse_mutual(fitted)
    ids = None if catalogue_ids is None else as_ids(catalogue_ids)
    right = "bigint" if ids is None or pa.types.is_integer(ids.type) else "string"
    shared = {"matcher": _share(df, fitted), "catalogue_ids": _share(df, ids)}
    read = _reader(fitted, titles, title_col)
    return titles.rows.mapInArrow(
        partial(_map_batches, partial(link_batch, read=read), shared),
        f"left {_type_of(titles.rows, 'id')}, right {right}, score float",
    )


def groups(
    pairs: DataFrame, df: DataFrame, *, id_col: str, **options: Any
) -> DataFrame:
    """Make one group for each row of the pairs of :func:`match`, on the driver.

    Parameters
    ----------
    pairs : pyspark.sql.DataFrame
        ``left``, ``right`` and ``score``.
    df : pyspark.sql.DataFrame
        All rows, at most 30 million.
    id_col : str
        Name of the column of ids.
    **options
        Parameters of :func:`group_matches`.

    Returns
    -------
    groups : pyspark.sql.DataFrame
        ``id`` and ``group``, int.

    Raises
    ------
    ValueError
        If there are more rows, or a pair has an id that no row has.
    """
    n_rows = df.count()
    if n_rows > _MOST_GROUPED:
        raise ValueError(
            f"df has {n_rows} rows; expected at most {_MOST_GROUPED} to group them on "
            "the driver."
        )
    ids = df.select(id_col).orderBy(id_col).toArrow().column(0).combine_chunks()
    edges = pairs.select("left", "right", "score").toArrow()
    ends = [
        pc.index_in(edges.column(side), value_set=ids) for side in ("left", "right")
    ]
    if any(side.null_count for side in ends):
        raise ValueError(
            "pairs has ids that are not in df; expected those of its rows."
        )
    left, right = (side.to_numpy().astype(np.intp) for side in ends)
    scores = edges.column("score").to_numpy()
    entries = np.concatenate([scores, scores])
    ends_of = np.concatenate([left, right]), np.concatenate([right, left])
    graph = csr_array((entries, ends_of), shape=(n_rows, n_rows))
    found = group_matches(graph, **options)
    table = pa.table({"id": ids, "group": pa.array(found, pa.int64())})
    return df.sparkSession.createDataFrame(table)


def _embed(embedder: Any, fitted: Any, titles: Titles, title_col: Any) -> DataFrame:
    shared = {"embedder": _share(titles.rows, embedder)}
    read = _reader(fitted, titles, title_col)
    return titles.rows.mapInArrow(
        partial(_map_batches, partial(embed_batch, read=read), shared),
        f"id {_type_of(titles.rows, 'id')}, order bigint, vector binary",
    )


def _reader(fitted: Any, titles: Titles, title_col: Any) -> Callable[[Any], Any]:
    """Return what reads a batch as a matcher takes it."""
    return partial(
        read_titles,
        names=titles.names,
        is_1d=isinstance(title_col, str),
        keeps_names=has_names(fitted),
    )


def _keep(embedded: DataFrame, folder: str, embedder: Any, titles: Titles) -> DataFrame:
    """Write embeddings to a folder, or read those that are there."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    spark = embedded.sparkSession
    own = folder.rstrip("/") + "/skmatch-embeddings"  # nothing else is written over
    digest = f"{joblib.hash(embedder)}-{titles.n_rows}-{titles.digest}"
    try:
        kept = spark.read.parquet(own)
    except AnalysisException:  # nothing is there, or no whole file
        named = embedded.withColumn("digest", F.lit(digest))
        named.write.mode("overwrite").parquet(own)
        kept = spark.read.parquet(own)
    found = kept.agg(F.min("digest"), F.max("digest"), F.count("*")).first()
    if titles.n_rows and [*found] != [digest, digest, titles.n_rows]:
        raise ValueError(
            f"folder={folder!r} holds other embeddings, or not all; expected those of "
            "these titles by this embedder. Give another folder, or delete it."
        )
    return kept.drop("digest")


def _embedder_of(fitted: Any) -> Any:
    """Return what embeds titles, without the matcher that follows it."""
    if isinstance(fitted, TunedThresholdMatcherCV):
        fitted = fitted.estimator_
    if isinstance(fitted, Pipeline) and _is_matcher(fitted[-1]):
        return fitted[:-1]
    return fitted


def _is_matcher(step: Any) -> bool:
    return isinstance(step, (FaissThresholdMatcher, TunedThresholdMatcherCV))


def _threshold_of(fitted: Any, n_rows: int) -> float:
    """Return the threshold of a matcher; raise if it decides by more than that."""
    last, threshold = fitted, None
    while isinstance(last, (Pipeline, TunedThresholdMatcherCV)):
        if isinstance(last, Pipeline):
            last = last[-1]
        else:
            threshold = last.threshold_for(n_rows)
            last = last.estimator_
    if not isinstance(last, FaissThresholdMatcher) or last is fitted:
        raise ValueError(
            f"fitted={fitted!r:.100}; expected a fitted Pipeline that ends in a "
            "FaissThresholdMatcher."
        )
    for name in ("query_expansion", "max_matches", "match_singletons"):
        value = getattr(last, name)
        if value is not None and value is not False:
            raise ValueError(
                f"fitted has {name}={value!r}; expected a matcher that decides by its "
                "threshold alone."
            )
    return float(last.threshold if threshold is None else threshold)


def _type_of(df: DataFrame, column: str) -> str:
    """Return the type of a column as a schema names it."""
    return str(df.schema[column].dataType.simpleString())


def _share(df: DataFrame, value: Any) -> Any:
    """Send a value to each executor, once."""
    return df.sparkSession.sparkContext.broadcast(value)


def _map_batches(
    step: Callable[..., pa.RecordBatch],
    shared: dict[str, Any],
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Apply a step to each batch, with what was shared."""
    values = {name: variable.value for name, variable in shared.items()}
    for batch in batches:
        if len(batch):
            yield step(batch, **values)


def _join(
    batches: Iterator[pa.RecordBatch], partitions: Any
) -> Iterator[pa.RecordBatch]:
    return join_batches(batches, partitions.value)
