"""The pairs of skmatch.distributed.match, by Ray Data: pip install 'ray[data]'."""

import pyarrow as pa
import ray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import make_product_titles
from skmatch.distributed import (
    assign_batch,
    embed_batch,
    join_batches,
    plan_partitions,
    unpack,
)


def read(batch):
    """Return the titles of a batch."""
    return batch.column("title").to_numpy(zero_copy_only=False)


def match_on_ray(embedder, titles, threshold):
    """Return the pairs of titles above a threshold: left, right, score."""
    numbers = pa.array(range(len(titles)))
    rows = pa.table({"id": numbers, "order": numbers, "title": pa.array(list(titles))})

    def embed(table):
        batches = [embed_batch(batch, embedder, read) for batch in table.to_batches()]
        return pa.Table.from_batches(batches)

    embedded = ray.data.from_arrow(rows).map_batches(embed, batch_format="pyarrow")
    embedded = embedded.materialize()
    sample = unpack(embedded.take_batch(20_000, batch_format="pyarrow")["vector"])
    partitions = plan_partitions(sample, len(titles), threshold)

    def assign(table):
        batches = [assign_batch(batch, partitions) for batch in table.to_batches()]
        return pa.Table.from_batches(batches)

    def join(part):
        batches = [*join_batches(part.combine_chunks().to_batches(), partitions)]
        return pa.Table.from_batches(batches, schema=PAIRS)

    assigned = embedded.map_batches(assign, batch_format="pyarrow")
    parts = assigned.groupby("part")
    pairs = parts.map_groups(join, batch_format="pyarrow")
    return pa.concat_tables(ray.get(pairs.to_arrow_refs()))


PAIRS = pa.schema({"left": pa.int64(), "right": pa.int64(), "score": pa.float32()})

if __name__ == "__main__":
    titles, _ = make_product_titles(1000, random_state=0)
    embedder = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), TruncatedSVD(32)
    )
    print(match_on_ray(embedder.fit(titles), titles, 0.9))
