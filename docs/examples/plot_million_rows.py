"""
What to do with a million rows
==============================

To compare a million rows with one another takes half a million million similarities.
This example shows what skmatch does instead, measures it at sizes that run in seconds,
and estimates what a million would take. The estimate takes one size squared, no more:
measure your own titles before you rely on it.
"""

# %%
# Dense vectors
# -------------
#
# Sparse rows, as of TF-IDF, are all compared, which takes too long for a million.
# Dense ones can be searched. A random projection keeps the similarities of TF-IDF
# nearly, in as many columns as one can afford; ``LSTMTitleEmbedder`` and
# ``AdapterBertEmbedder`` learn dense vectors.

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import SparseRandomProjection

from skmatch import FaissThresholdMatcher, make_product_titles

titles, product_ids = make_product_titles(3500, random_state=0)
tfidf = TfidfVectorizer(
    analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32
)
project = SparseRandomProjection(256, dense_output=True, random_state=0)
embedder = make_pipeline(tfidf, project)
vectors = embedder.fit_transform(titles)
print(f"{len(vectors)} titles, {vectors.shape[1]} columns, {vectors.dtype}")
print(f"a million of them: {4 * vectors.shape[1] * 1e6 / 2**30:.2f} GiB")

# %%
# How a search would go
# ---------------------
#
# ``report_search`` tells which way the pairs are found, and what share of them, before
# anything is searched. "exact" loses no pair: it compares all, in full or by a bound on
# their similarity, whichever is quicker. "cells" puts similar rows in cells, and
# compares those of one cell and of near ones; it reaches ``target_recall`` with 95 %
# confidence. "auto", the default, is exact up to about a minute of one core, and takes
# cells beyond.

matcher = FaissThresholdMatcher(0.75).fit(vectors)
for index in ("auto", "cells"):
    report = matcher.set_params(index=index).report_search(vectors)
    print(
        f"{index}: {report.method}, {report.n_cells} cells, recall between "
        f"{report.recall_low:.4f} and {report.recall_high:.4f}"
    )

# %%
# Measure
# -------
#
# The seconds that it takes to score galleries of several sizes on one thread. Twice the
# rows are four times the pairs.

from time import perf_counter

sizes = np.array([1000, 2000, 4000, 8000, len(vectors)])
seconds = {}
for index in ("exact", "cells"):
    matcher = FaissThresholdMatcher(0.75, index=index, n_jobs=1).fit(vectors)
    taken = []
    for size in sizes:
        start = perf_counter()
        matcher.score_graph(vectors[:size])
        taken.append(perf_counter() - start)
    seconds[index] = np.array(taken)
    n_pairs = matcher.score_graph(vectors).nnz // 2
    print(f"{index}: {seconds[index].round(2)} seconds, {n_pairs} pairs above 0.75")

# %%
# Estimate
# --------
#
# For "exact", the work grows with the square of the rows at most; so does the estimate.
# For "cells" most of the time at these sizes goes into the choice of the cells, which
# pays where a search takes minutes; a few thousand rows say nothing of a million.

import matplotlib.pyplot as plt

n = 1_000_000
exact = seconds["exact"][-1] * (n / sizes[-1]) ** 2
print(f"a million rows, exact, on one thread: about {exact / 60:.0f} minutes")

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for colour, (index, taken) in zip(("#1F83CC", "#D55E00"), seconds.items(), strict=True):
    ax.loglog(sizes, taken, "o-", color=colour, label=index)
ax.loglog(
    [sizes[-1], n],
    [seconds["exact"][-1], exact],
    ":",
    color="#1F83CC",
    label="estimate",
)
ax.set(xlabel="Rows", ylabel="Seconds on one thread")
ax.legend()
plt.show()

# %%
# From file to file
# -----------------
#
# Titles of a Parquet file need not fit into memory: ``match_parquet`` reads and embeds
# them by batches, the embeddings wait in a temporary file, and the pairs are written by
# your ids. The search is that of above, and reads the embeddings from there.

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from skmatch import match_parquet

whole = Pipeline([("embed", embedder), ("match", FaissThresholdMatcher(0.75))])
whole.fit(titles[:2000])
with TemporaryDirectory() as folder:
    source, target = Path(folder) / "listings.parquet", Path(folder) / "pairs.parquet"
    skus = [f"sku-{row}" for row in range(len(titles))]
    pq.write_table(pa.table({"sku": skus, "title": titles}), source)
    n_pairs = match_parquet(whole, source, target, columns="title", ids="sku")
    print(f"{n_pairs} pairs")
    print(pq.read_table(target).slice(0, 3).to_pandas().to_string(index=False))

# %%
# What else helps
# ---------------
#
# - A higher threshold: fewer pairs reach it, and the bounds rule out more of the
#   others. A threshold that would give more than ``max_pairs`` raises an error before
#   the search, and names one that fits.
# - Fewer columns, or, for "cells", a lower ``target_recall``.
# - ``n_jobs``: the search uses threads.
# - Beyond ten million titles, more than one machine: ``skmatch.distributed``.
