"""The charts of "How good is it?", from the same results as its tables."""

from __future__ import annotations

import json
from typing import Any

from measured import find_path, find_row

BLUE, ORANGE, GREY = "#1f6fb2", "#b85c14", "#7a8794"
TFIDF, MATCHER = "TF-IDF", "PairClassifierMatcher()"
SHOPEE, WDC = "pair_classifier-shopee", "pair_classifier-wdc_lspc_computers_4shops"
# Name of the panel, and of each row: words to show, result, start of the method.
PEERS = {
    "Shopee": [
        ("skmatch", SHOPEE, MATCHER),
        ("EMM 2.1, supervised", "peers-shopee", "EMM"),
        ("TF-IDF, one threshold", SHOPEE, TFIDF),
        ("dedupe 3.0", "peers-shopee", "dedupe"),
        ("goldenmatch", "peers-shopee", "goldenmatch"),
        ("string_grouper", "peers-shopee", "string_grouper"),
        ("Splink 5", "peers-shopee", "Splink"),
        ("MiniLM, one threshold", "peers-shopee", "MiniLM"),
        ("semhash", "peers-shopee", "semhash"),
    ],
    "WDC computers": [
        ("skmatch", WDC, MATCHER),
        ("EMM 2.1, supervised", "peers-wdc", "EMM"),
        ("Splink 5", "peers-wdc", "Splink"),
        ("dedupe 3.0", "peers-wdc", "dedupe"),
        ("string_grouper", "peers-wdc", "string_grouper"),
        ("TF-IDF, one threshold", WDC, TFIDF),
    ],
}
SIZES = (20_000, 100_000, 1_000_000, 2_000_000)
# Start of the method, words to show and how far above its last point, colour, line.
SEARCHES = (
    ("skmatch exact", "skmatch, all pairs", 6, BLUE, "-"),
    ("skmatch cells, recall .999", "skmatch, recall 0.999", -6, BLUE, "--"),
    ("faiss IVF", "faiss IVF, recall 0.99", 0, ORANGE, "--"),
    ("faiss IndexFlatIP", "faiss, all pairs", 0, ORANGE, "-"),
    ("sklearn radius_neighbors", "scikit-learn, all pairs", 0, GREY, "-"),
)


def plot_peers() -> Any:
    """Plot row-wise F1 of skmatch and of other programs, with two standard errors."""
    import matplotlib.pyplot as plt

    heights = [len(rows) for rows in PEERS.values()]
    figure, panels = plt.subplots(
        2, sharex=True, figsize=(6.4, 5.6), height_ratios=heights, layout="constrained"
    )
    for axes, (name, rows) in zip(panels, PEERS.items(), strict=True):
        for height, (words, result, method) in enumerate(reversed(rows)):
            row = find_row(find_path(result), method)[1]
            colour = BLUE if words == "skmatch" else GREY
            error = 2 * row.get("SE", 0.0)
            axes.errorbar(row["F1"], height, xerr=error, fmt="o", color=colour)
            axes.annotate(
                f"{row['F1']:.3f}",
                (row["F1"] + error, height),
                (7, 0),
                textcoords="offset points",
                va="center",
                color=colour,
            )
        axes.set_yticks(range(len(rows)), [words for words, *_ in reversed(rows)])
        axes.set_title(
            f"{name}, gallery of {row['gallery']:,}", loc="left", fontsize=11
        )
        axes.set(xlim=(0.7, 1), ylim=(-0.6, len(rows) - 0.4))
        axes.grid(axis="y", color=GREY, alpha=0.3)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
    panels[-1].set_xlabel("row-wise F1")
    return figure


def plot_speed() -> Any:
    """Plot how long it takes to find the similar pairs of more and more embeddings."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    results = {
        n_rows: json.loads(find_path(f"matching-{n_rows}-rows").read_text("utf-8"))
        for n_rows in SIZES
    }
    for start, words, above, colour, line in SEARCHES:
        seconds = {
            n_rows: row["seconds"]
            for n_rows, result in results.items()
            for row in result["tables"][0]["rows"]
            if row["method"].startswith(start) and row["data"] == "struct"
        }
        axes.loglog(*zip(*seconds.items(), strict=True), line, color=colour, marker="o")
        axes.annotate(
            words,
            (max(seconds), seconds[max(seconds)]),
            (8, above),
            textcoords="offset points",
            va="center",
            color=colour,
        )
    axes.set(xlabel="embeddings of 100 dimensions", ylabel="seconds, one core")
    axes.set_xlim(right=3e7)
    axes.set_xticks(SIZES[:3], [f"{n_rows:,}" for n_rows in SIZES[:3]])
    axes.spines[["top", "right"]].set_visible(False)
    axes.minorticks_off()
    return figure
