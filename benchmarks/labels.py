"""Row-wise F1 of PairClassifierMatcher by the labels that it learns from.

    python benchmarks/labels.py none DATA.csv [DATA.csv ...]
    python benchmarks/labels.py pairs DATA.csv
    python benchmarks/labels.py adapt DATA.csv [--gallery OTHER.csv]

``none``: the matcher is fitted on the test gallery and reads no label. Beside it stand
TF-IDF of character n-grams at the threshold that is best for the test gallery (an
oracle), and no match at all.

``pairs``: a person judges pairs of the test gallery, here its labels do. The matcher is
fitted after each batch and suggests the next one ("suggest_pairs"); beside it the pairs
of the gallery's candidates come at random, or the most uncertain ones first. F1 is over
all rows of the gallery, those of judged pairs too, which keep their answers.

``adapt``: the matcher is fitted on the product ids of the training titles and adapted
to the gallery without its labels; with OTHER, to the test gallery of another file.
"from training" is ``best_score_``, of folds of products at random, and "from foreign
folds" ``foreign_score_``, of folds of products with similar words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Split,
    add_split_options,
    describe_split,
    make_parser,
    make_table,
    make_tfidf,
    read_split,
    save_result,
    say,
    summarise,
    timed,
    tune,
)
from numpy.typing import NDArray
from scipy.sparse import eye_array

from skmatch import FaissThresholdMatcher, PairClassifierMatcher, rowwise_f1_score
from skmatch.evaluation import best_threshold, rank_matches

MEASURES = (
    "skmatch/titles",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/search",
    "skmatch/evaluation",
    "skmatch/matchers/_pair_classifier.py",
)
COLUMNS = {
    "method": "",
    "F1": ".3f",
    "SE": ".3f",
    "gain": "",
    "from training": ".3f",
    "from foreign folds": ".3f",
    "oracle F1": ".3f",
    "gallery": ",d",
    "shift": ".2f",
    "fit s": ".0f",
    "predict s": ".0f",
}
CURVE_COLUMNS = {"judged pairs": ",d"}
N_JUDGED = (0, 50, 100, 200, 500, 1000, 5000)


def measure_oracle(split: Split) -> list[dict[str, Any]]:
    """Score no match at all, and TF-IDF at the best threshold for these rows."""
    labels = split.test_labels
    embeddings = make_tfidf().fit_transform(split.test_titles)
    threshold = tune(embeddings, labels).best_threshold_
    matches = {
        "TF-IDF char_wb(2,4), best threshold for these rows": FaissThresholdMatcher(
            threshold
        ).fit_predict(embeddings),
        "no match at all": eye_array(len(labels), dtype=bool, format="csr"),
    }
    return [
        {"method": name, "scores": score_rows(labels, found)}
        for name, found in matches.items()
    ]


def score_rows(labels: NDArray[Any], matches: Any) -> NDArray[Any]:
    """Return the F1 of each row."""
    return np.asarray(rowwise_f1_score(labels, matches, average=None))


def measure(name: str, matcher: PairClassifierMatcher, split: Split) -> dict[str, Any]:
    """Measure a fitted matcher on the test gallery."""
    seconds, matches = timed(lambda: matcher.predict(split.test_titles))
    scores = score_rows(split.test_labels, matches)
    graph = matcher.score_graph(split.test_titles)
    say(f"done: {name} {scores.mean():.4f}")
    row = {
        "method": name,
        "scores": scores,
        "predict s": seconds,
        "oracle F1": best_threshold(rank_matches(graph, split.test_labels))[1],
    }
    if not np.isnan(matcher.best_score_):
        row["from training"] = matcher.best_score_
        row["from foreign folds"] = matcher.foreign_score_
    return row


def measure_none(split: Split, n_jobs: int) -> list[dict[str, Any]]:
    """Match the test gallery without a label."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
    seconds, _ = timed(lambda: matcher.fit(split.test_titles))
    row = measure("PairClassifierMatcher without labels", matcher, split)
    row |= {"fit s": seconds, "shift": matcher.log_odds_shift_}
    return [*measure_oracle(split), row]


def suggest(matcher: Any, titles: Any, n_pairs: int) -> NDArray[np.intp]:
    """Ask the matcher."""
    return matcher.suggest_pairs(titles, n_pairs)


def draw_random(matcher: Any, titles: Any, n_pairs: int) -> NDArray[np.intp]:
    """Draw pairs of the graph at random."""
    pairs, p = list_pairs(matcher, titles)
    open_ = np.flatnonzero((p > 0) & (p < 1))
    return pairs[np.random.default_rng(n_pairs).permutation(open_)[:n_pairs]]


def take_uncertain(matcher: Any, titles: Any, n_pairs: int) -> NDArray[np.intp]:
    """Take the pairs whose probability is nearest to one half."""
    pairs, p = list_pairs(matcher, titles)
    return pairs[np.argsort(np.abs(p - 0.5), kind="stable")[:n_pairs]]


def list_pairs(matcher: Any, titles: Any) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the pairs of the score graph, and their probabilities."""
    graph = matcher.score_graph(titles).tocoo()
    is_upper = graph.row < graph.col
    pairs = np.column_stack([graph.row[is_upper], graph.col[is_upper]])
    return pairs, graph.data[is_upper]


STRATEGIES = {
    "suggest_pairs": suggest,
    "pairs at random": draw_random,
    "most uncertain pairs": take_uncertain,
}


def measure_curve(split: Split, n_jobs: int) -> Iterator[dict[str, Any]]:
    """Judge more and more pairs of the test gallery, by each way to choose them."""
    titles, labels = split.test_titles, split.test_labels
    for name, choose in STRATEGIES.items():
        pairs = np.empty((0, 2), np.intp)
        matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs).fit(titles)
        for n_judged in N_JUDGED:
            if n_judged:
                chosen = choose(matcher, titles, n_judged - len(pairs))
                pairs = np.concatenate([pairs, chosen])
                is_match = labels[pairs[:, 0]] == labels[pairs[:, 1]]
                matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
                matcher.fit(titles, pairs=pairs, is_match=is_match)
            row = measure(name, matcher, split)
            yield row | {"judged pairs": len(pairs)}


def measure_adapted(split: Split, gallery: Split, n_jobs: int) -> list[dict[str, Any]]:
    """Adapt a matcher of product ids to the test gallery."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
    seconds, _ = timed(lambda: matcher.fit(split.titles, split.labels))
    rows = measure_oracle(gallery)
    rows.append(
        measure("product ids of the training titles", matcher, gallery)
        | {"fit s": seconds}
    )
    seconds, adapted = timed(lambda: matcher.adapt(gallery.test_titles))
    rows.append(measure("the same, adapted", adapted, gallery) | {"fit s": seconds})
    return rows


def finish(rows: list[dict[str, Any]], split: Split) -> list[dict[str, Any]]:
    """Summarise the scores of rows; the first one is the baseline."""
    baseline = rows[0]["scores"]
    return [row | summarise(row["scores"], split.test_labels, baseline) for row in rows]


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("labels", choices=["none", "pairs", "adapt"])
    parser.add_argument("paths", nargs="+", metavar="DATA.csv")
    parser.add_argument("--gallery", metavar="OTHER.csv")
    parser.add_argument("--n-jobs", type=int, default=1)
    add_split_options(parser)
    args = parser.parse_args()
    for path in args.paths:
        split = read_split(path, args.ids, args.shuffle_products)
        gallery, what = split, f"{args.labels}-{Path(path).stem}"
        title = describe_split(path, split)
        columns = COLUMNS
        if args.labels == "none":
            rows = measure_none(split, args.n_jobs)
        elif args.labels == "pairs":
            rows = [*measure_oracle(split), *measure_curve(split, args.n_jobs)]
            columns = CURVE_COLUMNS | COLUMNS
        else:
            if args.gallery:
                gallery = read_split(args.gallery, args.ids, args.shuffle_products)
                what += f"-{Path(args.gallery).stem}"
                title += f"; gallery of {describe_split(args.gallery, gallery)}"
            rows = measure_adapted(split, gallery, args.n_jobs)
        table = make_table(title, finish(rows, gallery), columns)
        save_result(args, what, [table])
