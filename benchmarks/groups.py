"""What grouping and the refinements of matches do.

    python benchmarks/groups.py DATA.csv [DATA.csv ...]

The similarities are those of TF-IDF. Each method's threshold is chosen on a quarter of
the training products, by the score that the table shows (B-cubed F1 of groups, row-wise
F1 of matches), and then applied to the test gallery.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    add_split_options,
    describe_split,
    hold_out,
    make_parser,
    make_table,
    make_tfidf,
    read_split,
    save_result,
    summarise,
    timed,
)

from skmatch import (
    FaissThresholdMatcher,
    bcubed_precision_recall_f1,
    group_matches,
    rowwise_f1_score,
)

MEASURES = ("skmatch/graph", "skmatch/search", "skmatch/matchers/_faiss_threshold.py")
GROUP_GRID = np.arange(0.22, 0.92, 0.04).round(2)
MATCH_GRID = GROUP_GRID[GROUP_GRID >= 0.3][::2]
GROUPINGS = ("components", "average", "complete", "louvain")
REFINEMENTS: dict[str, dict[str, Any]] = {
    "none": {},
    "query expansion": {"query_expansion": True},
    "at most 10, mutual": {"max_matches": 10, "mutual": True},
    "singletons": {"match_singletons": True},
    "query expansion, singletons": {"query_expansion": True, "match_singletons": True},
}
GROUP_COLUMNS = {
    "groups by": "",
    "at": ".2f",
    "B-cubed F1": ".3f",
    "precision": ".3f",
    "recall": ".3f",
    "largest group": ",d",
    "seconds": ".2f",
}
MATCH_COLUMNS = {
    "matches refined by": "",
    "at": ".2f",
    "F1": ".3f",
    "SE": ".3f",
    "seconds": ".2f",
}

Gallery = tuple[Any, Any]  # embeddings, labels


def group(method: str, embeddings: Any, threshold: float) -> Any:
    """Group rows at a threshold."""
    graph = FaissThresholdMatcher(threshold).fit(embeddings).score_graph(embeddings)
    return group_matches(graph, method=method, threshold=threshold)


def match(refinements: dict[str, Any], embeddings: Any, threshold: float) -> Any:
    """Match rows at a threshold."""
    return FaissThresholdMatcher(threshold, **refinements).fit_predict(embeddings)


def bcubed_f1(labels: Any, groups: Any) -> float:
    """Return the F1 of B-cubed."""
    return bcubed_precision_recall_f1(labels, groups)[2]


def apply(
    make: Callable[[Any, float], Any],
    score: Callable[[Any, Any], float],
    grid: Any,
    tuning: Gallery,
    embeddings: Any,
) -> tuple[dict[str, Any], Any]:
    """Choose the threshold on one gallery; return it, the time, the result on other."""
    best = float(max(grid, key=lambda t: score(tuning[1], make(tuning[0], float(t)))))
    seconds, found = timed(lambda: make(embeddings, best))
    return {"at": best, "seconds": seconds}, found


def measure_groups(tuning: Gallery, test: Gallery) -> list[dict[str, Any]]:
    """Measure each method of grouping."""
    rows = []
    for method in GROUPINGS:
        row, found = apply(
            partial(group, method), bcubed_f1, GROUP_GRID, tuning, test[0]
        )
        scores = bcubed_precision_recall_f1(test[1], found)
        row |= zip(("precision", "recall", "B-cubed F1"), scores, strict=True)
        row |= {"groups by": method, "largest group": int(np.bincount(found).max())}
        rows.append(row)
    return rows


def measure_refinements(tuning: Gallery, test: Gallery) -> list[dict[str, Any]]:
    """Measure each refinement of matches."""
    rows = []
    for name, refinements in REFINEMENTS.items():
        row, found = apply(
            partial(match, refinements), rowwise_f1_score, MATCH_GRID, tuning, test[0]
        )
        scores = rowwise_f1_score(test[1], found, average=None)
        rows.append(row | summarise(scores, test[1]) | {"matches refined by": name})
    return rows


def main(args: Namespace) -> None:
    """Measure groups and refinements on each file."""
    for path in args.data:
        split = read_split(path, args.ids, args.shuffle_products)
        fit, hold = hold_out(split)
        part, whole = make_tfidf().fit(split.titles[fit]), make_tfidf()
        tuning = part.transform(split.titles[hold]), split.labels[hold]
        test = whole.fit(split.titles).transform(split.test_titles), split.test_labels
        tables = [
            make_table(
                describe_split(path, split), measure_groups(tuning, test), GROUP_COLUMNS
            ),
            make_table("", measure_refinements(tuning, test), MATCH_COLUMNS),
        ]
        save_result(args, Path(path).stem, tables)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "data", metavar="DATA.csv", nargs="+", help="columns title, label_group"
    )
    add_split_options(parser)
    main(parser.parse_args())
