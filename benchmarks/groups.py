"""What grouping and post-processing do to the matches of real titles.

    python benchmarks/groups.py DATA.csv [DATA.csv ...]

Each file has the columns ``title`` and ``label_group``. The similarities are those of
TF-IDF. Each method's threshold is chosen on a quarter of the training products, by the
score that is printed, and then applied to the products of the test gallery.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from accuracy import make_tfidf, print_table, read_split

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    bcubed_precision_recall_f1,
    clustered_standard_error,
    group_matches,
    rowwise_f1_score,
)

GRID = np.arange(0.22, 0.92, 0.04).round(2)
GROUPINGS = ("components", "average", "complete", "louvain")
REFINEMENTS: dict[str, dict[str, Any]] = {
    "none": {},
    "blend": {"blend": True},
    "at most 10, reciprocal": {"max_matches": 10, "reciprocal": True},
    "nearest for lonely rows": {"nearest_for_lonely": True},
    "blend, nearest for lonely rows": {"blend": True, "nearest_for_lonely": True},
}

Make = Callable[[Any, float], Any]


def group(method: str) -> Make:
    """Return a function that groups rows at a threshold."""

    def make(vectors: Any, threshold: float) -> Any:
        matcher = FaissThresholdMatcher(threshold).fit(vectors)
        similarities = matcher.transform(vectors)
        return group_matches(similarities, method=method, threshold=threshold)

    return make


def refine(params: dict[str, Any]) -> Make:
    """Return a function that matches rows at a threshold."""

    def make(vectors: Any, threshold: float) -> Any:
        return FaissThresholdMatcher(threshold, **params).fit_predict(vectors)

    return make


def bcubed_f1(labels: Any, groups: Any) -> float:
    """Return the F1 of B-cubed."""
    return bcubed_precision_recall_f1(labels, groups)[2]


def apply(
    make: Make,
    score: Callable[[Any, Any], float],
    tuning: Any,
    test: Any,
    grid: Any = GRID,
) -> tuple[float, Any, float]:
    """Choose the threshold on one gallery; return it, the result on another, time."""
    vectors, labels = tuning
    best = max(grid, key=lambda t: score(labels, make(vectors, float(t))))
    began = time.perf_counter()
    found = make(test[0], float(best))
    return float(best), found, time.perf_counter() - began


def main(path: str) -> None:
    """Print the tables of one file."""
    train_titles, train_labels, test_titles, labels = read_split(path)
    folds = ClassDisjointKFold(4, shuffle=True, random_state=0)
    fit, hold = next(folds.split(train_titles, train_labels))
    tfidf = make_tfidf(train_titles[fit], train_labels[fit])
    tuning = tfidf.transform(train_titles[hold]), train_labels[hold]
    test = make_tfidf(train_titles, train_labels).transform(test_titles), labels
    name = path.split("/")[-1]
    print(f"{name}: gallery {len(labels)}, thresholds from {len(hold)} other rows\n")
    rows = []
    for method in GROUPINGS:
        at, found, seconds = apply(group(method), bcubed_f1, tuning, test)
        precision, recall, f1 = bcubed_precision_recall_f1(labels, found)
        row = {"groups by": method, "at": at, "B-cubed F1": f1, "precision": precision}
        row |= {"recall": recall, "largest group": int(np.bincount(found).max())}
        rows.append(row | {"seconds": seconds})
    formats = dict.fromkeys(["B-cubed F1", "precision", "recall", "F1", "SE"], ".3f")
    formats |= {"at": ".2f", "seconds": ".2f"}
    print_table(rows, [*rows[0]], formats)
    print()
    refined = []
    for method, params in REFINEMENTS.items():
        make, grid = refine(params), GRID[GRID >= 0.3][::2]
        at, found, seconds = apply(make, rowwise_f1_score, tuning, test, grid)
        scores = rowwise_f1_score(labels, found, average=None)
        row = {"matches refined by": method, "at": at, "F1": scores.mean()}
        row["SE"] = clustered_standard_error(scores, labels)
        refined.append(row | {"seconds": seconds})
    print_table(refined, [*refined[0]], formats)
    print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for data_file in sys.argv[1:]:
        main(data_file)
