"""The gallery of a PairClassifierMatcher on Spark: its pairs, part by part.

1. Number the rows by their ids, and find those of the same title.
2. Embed the titles, and count in how many of them each word is.
3. Compare blocks of rows: the nearest ones of each row, by each embedder, are its
   candidates.
4. Describe the pairs of each part of the rows.
5. Level by level: score the pairs of each part, and propagate the scores; what is
   around a row is sent to each part that has a pair of it, or is reached by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from scipy.sparse import issparse

from skmatch.distributed._engine import cut, map_batches, share
from skmatch.distributed._gallery_steps import (
    count_batches,
    describe_pairs,
    encode_batch,
    name_batch,
    neighbors_batches,
    score_pairs,
    spread_rows,
)
from skmatch.graph import LOWEST_KEPT, LOWEST_WEIGHED
from skmatch.matchers import GalleryParts, PairClassifierMatcher
from skmatch.pairs import MOST_SCORED, MOST_STORED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_ROWS_PER_BLOCK = 2**17  # which are compared with those of another block
_MOST_ROWS_PER_PART = 2**14  # whose pairs are described and scored together


class Gallery(NamedTuple):
    """What each step needs of the gallery and its matcher."""

    parts: GalleryParts
    shared: Any  # the same, on the workers
    read: Callable[[Any], Any]
    keep: Callable[[Any, str], Any]  # a DataFrame, and its name in a folder
    n_rows: int
    n_slots: int  # how many tasks run at a time
    widths: list[int | None]  # number of columns of each embedding; None: dense

    @property
    def rows_per_part(self) -> int:
        """Number of rows whose pairs are described and scored together."""
        return min(_MOST_ROWS_PER_PART, math.ceil(self.n_rows / (2 * self.n_slots)))


def make_gallery(
    matcher: PairClassifierMatcher,
    rows: DataFrame,
    n_rows: int,
    read: Callable[[Any], Any],
    keep: Callable[[Any, str], Any],
) -> Gallery:
    """Return what each step needs; raise ValueError if the matcher cannot come here."""
    parts = GalleryParts(matcher)
    embedded = parts.model.describer.embed(np.array(["x"], object))
    widths = [X.shape[1] if issparse(X) else None for X in embedded]
    n_slots = rows.sparkSession.sparkContext.defaultParallelism
    return Gallery(parts, share(rows, parts), read, keep, n_rows, n_slots, widths)


def match_gallery(gallery: Gallery, rows: DataFrame) -> DataFrame:
    """Return the pairs that match: ``left`` and ``right``, ids, and ``score``."""
    from pyspark.sql import functions as F

    rows = gallery.keep(_number(gallery, rows), "rows")
    scored = rows.filter(F.col("rank") < MOST_SCORED)
    encoded = gallery.keep(_encode(gallery, scored), "encoded")
    pairs = gallery.keep(_find_candidates(gallery, encoded), "candidates")
    ends = F.explode(F.array("left", "right")).alias("row")
    needed = pairs.select("part", ends).distinct()
    counted = needed.join(_count_words(encoded), "row")
    described = gallery.keep(
        _describe(gallery, pairs, counted, scored.count()), "described"
    )
    near = _list_around(_both_ways(described, *_name_scores(gallery)), "near")
    around = encoded.drop(*_name_embeddings(gallery), "words", "same").join(near, "row")
    around = gallery.keep(around, "neighbourhoods")
    spread = _score(gallery, described, needed, around)
    is_match = F.col("score") >= float(gallery.parts.threshold)
    matches = spread.filter("row < other").filter(is_match)
    return _spread_copies(matches.toDF("left", "right", "score"), rows)


def _name_scores(gallery: Gallery) -> list[str]:
    return [f"s{number}" for number in range(len(gallery.widths))]


def _name_embeddings(gallery: Gallery) -> list[str]:
    return [f"e{number}" for number in range(len(gallery.widths))]


def _number(gallery: Gallery, rows: DataFrame) -> DataFrame:
    """Add ``row``, a number by the ids, and the ``rank`` among rows of its title.

    ``first`` is the row of that title whose rank is 0.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    number = F.row_number().over(Window.orderBy("id")).cast("bigint") - 1
    rows = rows.drop("order").withColumn("row", number)
    named = _add(gallery, rows, name_batch, "key string")
    of_title = Window.partitionBy("key")
    rank = F.row_number().over(of_title.orderBy("row")) - 1
    first = F.min("row").over(of_title)
    return named.withColumns({"rank": rank, "first": first}).drop("key")


def _encode(gallery: Gallery, rows: DataFrame) -> DataFrame:
    """Add the embeddings and the words of each row."""
    new = ", ".join(f"{name} binary" for name in _name_embeddings(gallery))
    rows = rows.drop("id", "rank", "first")
    return _add(gallery, rows, encode_batch, f"{new}, words array<string>, same string")


def _describe(
    gallery: Gallery, pairs: DataFrame, counted: DataFrame, n_titles: int
) -> DataFrame:
    """Add the features of the texts of pairs, and their similarities."""
    shared, read, widths = gallery.shared, gallery.read, gallery.widths

    def describe(pairs: pa.Table, rows: pa.Table) -> pa.Table:
        return describe_pairs(pairs, rows, shared.value, read, n_titles, widths)

    of_scores = ", ".join(f"{name} float" for name in _name_scores(gallery))
    return _cogroup(pairs, counted, describe, f"features binary, {of_scores}")


def _score(
    gallery: Gallery, pairs: DataFrame, needed: DataFrame, around: DataFrame
) -> DataFrame:
    """Return what the last level says around each row: row, other, score."""
    from pyspark.sql import functions as F

    spread: Any = None
    for number in range(gallery.parts.model.n_levels):
        known, new = around, f"p{number} float"
        if spread is not None:
            known = around.join(_list_around(spread, "spread"), "row", "left")
            new = f"q{number - 1} float, {new}"
        score = _score_by(number, gallery.shared, gallery.read)
        pairs = _cogroup(pairs, needed.join(known, "row"), score, new)
        pairs = gallery.keep(pairs, f"level{number}")
        edges = _both_ways(pairs, F.col(f"p{number}").alias("score"))
        is_last = number == gallery.parts.model.n_levels - 1
        spread = _propagate(gallery, edges, is_last)
        spread = gallery.keep(spread, f"propagated{number}")
    return spread


def _score_by(
    number: int, parts: Any, read: Callable[[Any], Any]
) -> Callable[[pa.Table, pa.Table], pa.Table]:
    """Return what scores the pairs of a part by a level; Spark counts its arguments."""

    def score(pairs: pa.Table, rows: pa.Table) -> pa.Table:
        return score_pairs(pairs, rows, parts.value, read, number)

    return score


def _add(
    gallery: Gallery, rows: DataFrame, step: Callable[..., Any], new: str
) -> DataFrame:
    """Map batches by a step that adds columns."""
    step = partial(step, read=gallery.read)
    mapped = partial(map_batches, step, {"parts": gallery.shared})
    return rows.mapInArrow(mapped, _wider(rows, new))


def _wider(df: DataFrame, new: str) -> Any:
    """Return the schema of a DataFrame with further columns."""
    from pyspark.sql.types import StructType

    return StructType([*df.schema.fields, *StructType.fromDDL(new).fields])


def _cogroup(
    pairs: DataFrame, rows: DataFrame, step: Callable[..., Any], new: str
) -> DataFrame:
    """Apply a step to the pairs and the rows of each part; it adds columns to pairs."""
    rows = rows.toDF(*rows.columns)  # else Spark confuses columns of both
    both = pairs.groupBy("part").cogroup(rows.groupBy("part"))
    return both.applyInArrow(step, _wider(pairs, new))


def _both_ways(pairs: DataFrame, *scores: Any) -> DataFrame:
    """Return pairs from both sides: ``row``, ``other`` and scores."""
    from pyspark.sql import functions as F

    ways = [
        pairs.select(F.col(one).alias("row"), F.col(two).alias("other"), *scores)
        for one, two in (("left", "right"), ("right", "left"))
    ]
    return ways[0].union(ways[1])


def _list_around(edges: DataFrame, name: str) -> DataFrame:
    """Return what is around each row, as a list."""
    from pyspark.sql import functions as F

    fields = [column for column in edges.columns if column != "row"]
    return edges.groupBy("row").agg(F.collect_list(F.struct(*fields)).alias(name))


def _count_words(encoded: DataFrame) -> DataFrame:
    """Add in how many rows each word is, and how many have the same words."""
    from pyspark.sql import functions as F

    words = encoded.select("row", F.explode("words").alias("word"))
    n_with = words.groupBy("word").agg(F.count("*").alias("n"))
    counts = _list_around(words.join(n_with, "word"), "counts")
    n_same = encoded.groupBy("same").agg(F.count("*").alias("n_same"))
    rows = encoded.drop("words").join(counts, "row", "left")
    return rows.join(n_same, "same")


def _find_candidates(gallery: Gallery, encoded: DataFrame) -> DataFrame:
    """Return the pairs of rows one of which is among the nearest of the other.

    ``part`` is that of the left row.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    names, widths, shared = _name_embeddings(gallery), gallery.widths, gallery.shared
    embeddings = encoded.select("row", *names)
    counted = embeddings.mapInArrow(
        partial(count_batches, widths=widths),
        ", ".join(f"{name} binary" for name in names),
    ).collect()
    counts = [
        sum(np.frombuffer(row[n], np.int64) for row in counted)
        for n in range(len(widths))
    ]
    n_blocks = max(
        math.ceil(gallery.n_rows / _MOST_ROWS_PER_BLOCK),
        math.isqrt(2 * gallery.n_slots),
    )
    rows_per_block = math.ceil(gallery.n_rows / n_blocks)
    every = F.sequence(F.lit(0), F.lit(n_blocks - 1)).cast("array<bigint>")
    blocks = embeddings.withColumn("block", F.expr(f"row div {rows_per_block}"))
    blocks = (
        blocks.withColumn("beside", F.explode(every))
        .select(
            "*",
            F.least("block", "beside").alias("first"),
            F.greatest("block", "beside").alias("second"),
        )
        .drop("beside")
    )
    compared = ["first", "second"]
    sorted_rows = blocks.repartition(*compared).sortWithinPartitions(*compared)
    n_with = share(encoded, counts)

    def compare(batches: Any) -> Any:
        return neighbors_batches(batches, shared.value, widths, n_with.value)

    near = sorted_rows.mapInArrow(
        compare, "embedder int, row bigint, other bigint, similarity float"
    )
    of_row = Window.partitionBy("embedder", "row")
    rank = F.row_number().over(of_row.orderBy(F.desc("similarity"), "other"))
    n_nearest = gallery.parts.model.describer.n_candidates + 1  # with the row itself
    nearest = near.withColumn("rank", rank).filter(F.col("rank") <= n_nearest)
    pairs = nearest.filter("row != other").select(
        F.least("row", "other").alias("left"), F.greatest("row", "other").alias("right")
    )
    part = F.expr(f"left div {gallery.rows_per_part}")
    return pairs.distinct().withColumn("part", part)


def _propagate(gallery: Gallery, edges: DataFrame, is_last: bool) -> DataFrame:
    """Return the scores around each row, propagated: row, other, score."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    highest = F.max("score").over(Window.partitionBy("row"))
    least = F.least(highest, F.lit(float(np.float32(LOWEST_KEPT))))
    kept = edges.withColumn("least", least).filter("score >= least and score != 0")
    kept = kept.drop("least")
    kept = cut(kept.union(_turn(kept)).distinct())
    strong = kept.filter(F.col("score") >= LOWEST_WEIGHED)
    shared, rows_per_part = gallery.shared, gallery.rows_per_part
    own_part = F.expr(f"row div {rows_per_part}").alias("part")
    needed = kept.select(own_part, "row").distinct()
    for graph in (strong, kept, strong) if gallery.parts.model.propagates else ():
        reached = needed.join(graph, "row").select("part", F.col("other").alias("row"))
        needed = needed.union(reached).distinct()

    def spread(rows: pa.Table) -> pa.Table:
        return spread_rows(rows, shared.value, rows_per_part, is_last)

    around = needed.join(_list_around(kept, "kept"), "row")
    propagated = around.groupBy("part").applyInArrow(
        spread, "row bigint, other bigint, score float"
    )
    # Rounding may part the two sides of a pair, or drop one of them.
    both = propagated.union(_turn(propagated)).groupBy("row", "other")
    return both.agg(F.max("score").alias("score"))


def _turn(edges: DataFrame) -> DataFrame:
    """Return edges from their other side."""
    from pyspark.sql import functions as F

    return edges.select(
        F.col("other").alias("row"), F.col("row").alias("other"), "score"
    )


def _spread_copies(matches: DataFrame, rows: DataFrame) -> DataFrame:
    """Return matches of all rows by their ids, as `Copies.spread` makes them.

    A row that is not scored is like the first one of its title, and has with this one,
    and with those that are like it, the score of the first two.
    """
    from pyspark.sql import functions as F

    like = F.when(F.col("rank") < MOST_SCORED, F.col("row")).otherwise(F.col("first"))
    members = rows.select(
        like.alias("like"), "row", "id", (F.col("rank") < MOST_STORED).alias("stored")
    )
    often = rows.filter(F.col("rank") == MOST_SCORED).select(
        F.col("first").alias("left")
    )
    seconds = rows.filter(F.col("rank") == 1).select(
        F.col("first").alias("left"), F.col("row").alias("right")
    )
    among = matches.join(seconds, ["left", "right"]).join(often, "left")
    among = among.select("left", F.col("left").alias("right"), "score")
    every = matches.union(among)
    for side in ("left", "right"):
        of_side = members.select(
            F.col("like").alias(side),
            *(F.col(name).alias(f"{side} {name}") for name in ("row", "id", "stored")),
        )
        every = every.join(of_side, side)
    is_pair = F.col("left row") != F.col("right row")
    # Of the pairs of one title, both ways are there.
    is_once = (F.col("left") != F.col("right")) | (
        F.col("left row") < F.col("right row")
    )
    is_stored = F.col("left stored") | F.col("right stored")
    ids = [F.col("left id"), F.col("right id")]
    return every.filter(is_pair & is_once & is_stored).select(
        F.least(*ids).alias("left"), F.greatest(*ids).alias("right"), "score"
    )
