"""Embed, match, link and group the titles of Spark DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from skmatch.distributed._engine import keep, map_batches, reader, share, type_of
from skmatch.distributed._gallery import make_gallery, match_gallery
from skmatch.distributed._steps import (
    assign_batch,
    embed_batch,
    join_batches,
    link_batch,
    probe_batch,
    unpack,
)
from skmatch.distributed._titles import Titles, check_rows
from skmatch.matchers import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
)
from skmatch.search import (
    EXACT,
    ROWS_TO_CALIBRATE,
    Partitions,
    Recall,
    calibrate_partitions,
    count_to_train,
    enough_rows,
    plan_partitions,
)
from skmatch.tables import as_ids, refuse_mutual

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# What calibrates are pairs of some rows with one in five of all: the pairs of a row are
# lost together, and fewer of more rows tell as much.
_ONE_IN = 5


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

    With a threshold on embeddings:

    1. Embed the titles.
    2. Train cells on a sample, on the driver.
    3. Send each row to its cell, and to those whose border is near; neighbouring cells
       are one part.
    4. Compare the rows of each part.

    With ``index="exact"`` all pairs above the threshold are found, whatever the
    partitions are. Else rows go to fewer cells: how near a border has to be is chosen
    by all pairs of 2,000 rows or more, so that the share of pairs that is found reaches
    `target_recall`.

    A :class:`PairClassifierMatcher` finds the pairs of its ``predict``, on rows in the
    order of their ids; dense embedders propose the true nearest titles. It has to
    decide by a number alone: not by the expected F1, `max_matches`, `match_singletons`,
    a cross-encoder or judged pairs.

    Parameters
    ----------
    fitted : Pipeline, TunedThresholdMatcherCV of one, or PairClassifierMatcher
        Fitted. The Pipeline has an embedder of dense rows, and a
        :class:`FaissThresholdMatcher` that decides by its threshold alone.
    df, title_col, id_col
        As in :func:`embed`.
    folder : str or None, default=None
        Where the embeddings are kept, as Parquet, in a subfolder "skmatch-embeddings",
        and the steps of a PairClassifierMatcher in others: a later call with the same
        titles and estimator goes on from there. With None they are checkpoints of the
        session.

    Returns
    -------
    pairs : pyspark.sql.DataFrame
        ``left`` and ``right``, the ids of two rows that match, the smaller one first;
        ``score``, float32, their cosine similarity or probability. Each pair is there
        once. The metadata of the column of cosine similarities have "value", the
        recall, "low" and "high", its 95 % interval, and "threshold". Pairs are computed
        when they are read; embeddings, and all but the last step of a
        PairClassifierMatcher, now.

    Raises
    ------
    ValueError
        As :func:`embed`, and if the matcher is another one, or `folder` holds the
        embeddings of other titles.
    """
    from pyspark.sql import functions as F

    titles = check_rows(df, title_col, id_col)
    id_type = type_of(titles.rows, "id")
    schema = f"left {id_type}, right {id_type}, score float"
    if isinstance(fitted, PairClassifierMatcher):
        digest = f"{joblib.hash(fitted)}-{titles.n_rows}-{titles.digest}"
        gallery = make_gallery(
            fitted,
            titles.rows,
            titles.n_rows,
            reader(fitted, titles, title_col),
            lambda df, name: keep(df, folder, name, digest),
        )
        if titles.n_rows:
            return match_gallery(gallery, titles.rows)
        return df.sparkSession.createDataFrame([], schema)
    embedder, threshold = _embedder_of(fitted), _threshold_of(fitted, titles.n_rows)
    embedded = _embed(embedder, fitted, titles, title_col)
    if not titles.n_rows:
        return df.sparkSession.createDataFrame([], schema)
    digest = f"{joblib.hash(embedder)}-{titles.n_rows}-{titles.digest}"
    embedded = keep(embedded, folder, "embeddings", digest)
    plan, recall = _plan(embedded, titles.n_rows, threshold, _last(fitted))
    partitions = share(df, plan)
    assigned = embedded.mapInArrow(
        partial(map_batches, assign_batch, {"partitions": partitions}),
        f"id {id_type}, vector binary, part int, lives boolean, home int",
    )
    sorted_rows = assigned.repartition("part").sortWithinPartitions("part")
    pairs = sorted_rows.mapInArrow(partial(_join, partitions=partitions), schema)
    told = recall._asdict() | {"threshold": max(0.0, threshold)}
    return pairs.select(
        F.least("left", "right").alias("left"),
        F.greatest("left", "right").alias("right"),
        F.col("score").alias("score", metadata=told),
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
        As :func:`embed`; if `catalogue_ids` are not as many as the catalogue has
        titles; and if the matcher is mutual: the best rows of a batch are not those of
        all.
    """
    titles = check_rows(df, title_col, id_col)
    refuse_mutual(fitted)
    ids = None if catalogue_ids is None else as_ids(catalogue_ids)
    n_catalogue = _last(fitted).n_samples_fit_
    if ids is not None and len(ids) != n_catalogue:
        raise ValueError(
            f"catalogue_ids has {len(ids)} ids; expected one for each of the "
            f"{n_catalogue} titles of the catalogue."
        )
    right = "bigint" if ids is None or pa.types.is_integer(ids.type) else "string"
    shared = {"matcher": share(df, fitted), "catalogue_ids": share(df, ids)}
    read = reader(fitted, titles, title_col)
    return titles.rows.mapInArrow(
        partial(map_batches, partial(link_batch, read=read), shared),
        f"left {type_of(titles.rows, 'id')}, right {right}, score float",
    )


def _embed(embedder: Any, fitted: Any, titles: Titles, title_col: Any) -> DataFrame:
    shared = {"embedder": share(titles.rows, embedder)}
    read = reader(fitted, titles, title_col)
    return titles.rows.mapInArrow(
        partial(map_batches, partial(embed_batch, read=read), shared),
        f"id {type_of(titles.rows, 'id')}, order bigint, vector binary",
    )


def _plan(
    embedded: DataFrame, n_rows: int, threshold: float, matcher: FaissThresholdMatcher
) -> tuple[Partitions, Recall]:
    """Plan cells, whose margin is calibrated unless the matcher searches exactly."""
    vectors, _ = _draw(embedded, count_to_train(n_rows)[1] / n_rows, is_first=True)
    partitions = plan_partitions(vectors, n_rows, threshold)
    if matcher.index == "exact":
        return partitions, EXACT
    n_few, one_in = ROWS_TO_CALIBRATE, _ONE_IN
    few, _ = _probe(embedded, partitions, n_few / n_rows, one_in)
    n_sampled = enough_rows(few, n_few, matcher.target_recall)
    if n_sampled >= min(10 * n_few, n_rows):  # no more are drawn: compare with all rows
        one_in = 1
    mine, needed = _probe(embedded, partitions, n_sampled / n_rows, one_in)
    return calibrate_partitions(partitions, mine, needed, matcher.target_recall)


def _draw(
    embedded: DataFrame, share: float, *, is_first: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a share of the rows, and their order: those that come first, or last."""
    from pyspark.sql import functions as F

    bound = min(2**63 - 1, int((2 * min(share, 1.0) - 1) * 2**63))  # of a hash
    order = F.col("order")
    rows = embedded.filter(order <= bound if is_first else order >= -bound)
    drawn = rows.select("vector", "order").toArrow().sort_by("order")
    return unpack(drawn.column("vector")), drawn.column("order").to_numpy()


def _probe(
    embedded: DataFrame, partitions: Partitions, share_drawn: float, one_in: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the margins that the pairs of some rows need, and the row of each pair.

    That are the pairs of a share of the rows with one in so many of all rows.
    """
    from pyspark.sql import functions as F

    # Other rows than trained the cells: those lie closer to their centroids.
    sample = _draw(embedded, share_drawn, is_first=False)
    shared = {"partitions": partitions, "sample": sample}
    shared = {name: share(embedded, value) for name, value in shared.items()}
    others = embedded.filter(F.pmod("order", F.lit(one_in)) == 0)
    found = others.mapInArrow(
        partial(map_batches, probe_batch, shared), "sampled bigint, margin float"
    ).toArrow()
    return found.column("sampled").to_numpy(), found.column("margin").to_numpy()


def _embedder_of(fitted: Any) -> Any:
    """Return what embeds titles, without the matcher that follows it."""
    if isinstance(fitted, TunedThresholdMatcherCV):
        fitted = fitted.estimator_
    if isinstance(fitted, Pipeline) and _is_matcher(fitted[-1]):
        return fitted[:-1]
    return fitted


def _last(fitted: Any) -> Any:
    """Return the matcher itself."""
    while isinstance(fitted, (Pipeline, TunedThresholdMatcherCV)):
        is_pipeline = isinstance(fitted, Pipeline)
        fitted = fitted[-1] if is_pipeline else fitted.estimator_
    return fitted


def _is_matcher(step: Any) -> bool:
    return isinstance(step, (FaissThresholdMatcher, TunedThresholdMatcherCV))


def _threshold_of(fitted: Any, n_rows: int) -> float:
    """Return the threshold of a matcher; raise if it decides by more than that."""
    last, threshold = _last(fitted), None
    tuned = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    if isinstance(tuned, TunedThresholdMatcherCV):
        threshold = tuned.threshold_for(n_rows)
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


def _join(
    batches: Iterator[pa.RecordBatch], partitions: Any
) -> Iterator[pa.RecordBatch]:
    return join_batches(batches, partitions.value)
