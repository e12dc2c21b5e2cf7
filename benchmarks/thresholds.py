"""What it costs to tune the threshold, and what a threshold for the gallery wins.

    python benchmarks/thresholds.py DATA.csv

DATA.csv has the columns ``title`` and ``label_group``; the embedder is TF-IDF.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from accuracy import print_table, read_split
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    TunedThresholdMatcherCV,
    rowwise_f1_score,
    rowwise_f1_scorer,
)

N_GRID = 20


def make_pipe(memory: str | None = None) -> Pipeline:
    """Make the pipeline whose threshold is tuned."""
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    steps = [("embed", tfidf), ("match", FaissThresholdMatcher())]
    return Pipeline(steps, memory=memory)


def seconds(call: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare_cost(titles: Any, labels: Any) -> list[dict[str, Any]]:
    """Compare the cost of one threshold, of 500, of all, and of grid searches."""
    cv = ClassDisjointKFold(5)

    def tune(thresholds: Any) -> float:
        tuned = TunedThresholdMatcherCV(
            make_pipe(), cv=cv, thresholds=thresholds, refit=False
        )
        return seconds(lambda: tuned.fit(titles, labels))

    def grid(memory: str | None) -> float:
        search = GridSearchCV(
            make_pipe(memory),
            {"match__threshold": np.linspace(0.2, 0.9, N_GRID)},
            scoring=rowwise_f1_scorer,
            cv=cv,
            refit=False,
        )
        return seconds(lambda: search.fit(titles, labels))

    tune([0.45])
    one, many = tune([0.2]), tune(np.linspace(0.2, 0.9, 500))
    rows = [
        ("TunedThresholdMatcherCV, one threshold of 0.2", 1, one),
        ("TunedThresholdMatcherCV, from 0.2 to 0.9", 500, many),
        ("TunedThresholdMatcherCV, all", "all", tune("all")),
        ("GridSearchCV", N_GRID, grid(None)),
    ]
    with TemporaryDirectory() as folder:
        rows.append(("GridSearchCV with memory", N_GRID, grid(folder)))
    return [
        {"search": name, "thresholds": number, "seconds": cost, "times": cost / one}
        for name, number, cost in rows
    ]


def draw(labels: Any, n_rows: int, rng: np.random.Generator) -> Any:
    """Draw products until there are about so many rows."""
    products = rng.permutation(np.unique(labels))
    n_of = np.bincount(labels)[products].cumsum()
    return np.isin(labels, products[: np.searchsorted(n_of, n_rows) + 1])


def compare_galleries(
    tuned: dict[str, TunedThresholdMatcherCV],
    titles: Any,
    labels: Any,
    sizes: list[int],
    learned_from: int,
) -> list[dict[str, Any]]:
    """Score the fixed, the adapted and the best threshold on galleries."""
    rng = np.random.default_rng(0)
    fixed, adapted = tuned["fixed"], tuned["adapted"]
    embedder, matcher = fixed.estimator_[0], FaissThresholdMatcher()
    rows = []
    for size in sizes:
        scores = []
        for _ in range(1 if size >= len(titles) else 10):
            part = draw(labels, size, rng) if size < len(titles) else slice(None)
            vectors, own = embedder.transform(titles[part]), labels[part]
            thresholds = [fixed.best_threshold_, adapted.threshold_for(len(own))]
            best = TunedThresholdMatcherCV(matcher.fit(vectors), cv="prefit")
            oracle = best.fit(vectors, own)
            scores.append(
                [
                    rowwise_f1_score(
                        own, matcher.set_params(threshold=t).fit_predict(vectors)
                    )
                    for t in thresholds
                ]
                + [oracle.best_score_, *thresholds, oracle.best_threshold_, len(own)]
            )
        mean, spread = np.mean(scores, axis=0), np.diff(np.array(scores)[:, :2])
        row = dict(zip(COLUMNS, mean.tolist(), strict=True))
        row |= {"tuned on galleries of": round(fixed.gallery_size_)}
        row |= {"learned from": learned_from, "draws": len(scores)}
        row["gain"] = f"{spread.mean():+.4f}"
        if len(scores) > 1:
            row["gain"] += f" ± {spread.std(ddof=1) / np.sqrt(len(scores)):.4f}"
        rows.append(row)
    return rows


COLUMNS = ["F1 fixed", "F1 adapted", "F1 oracle", "at fixed", "at adapted"]
COLUMNS += ["at oracle", "gallery"]


def main(path: str) -> None:
    """Print the tables."""
    titles, labels, other_titles, other_labels = read_split(path)
    print(f"{path.split('/')[-1]}, {len(titles)} titles, TF-IDF, 5 folds\n")
    cost = compare_cost(titles, labels)
    print_table(cost, [*cost[0]], {"seconds": ".1f", "times": ".2f"})
    rows = []
    for learn, apply, sizes in [
        ((titles, labels), (other_titles, other_labels), [146, 500, 2000, 4113]),
        ((other_titles, other_labels), (titles, labels), [500, 4113, 16447]),
    ]:
        tuned = {
            name: TunedThresholdMatcherCV(
                make_pipe(), adapt_to_gallery=name == "adapted"
            ).fit(*learn)
            for name in ("fixed", "adapted")
        }
        rows += compare_galleries(tuned, *apply, sizes, len(learn[0]))
    print("\nRow-wise F1 by the size of the gallery\n")
    formats = dict.fromkeys(COLUMNS, ".3f") | {"gallery": ".0f"}
    columns = ["learned from", "tuned on galleries of", "gallery", *COLUMNS[:3], "gain"]
    print_table(rows, [*columns, *COLUMNS[3:6], "draws"], formats)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
