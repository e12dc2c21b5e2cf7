"""What the missing F1 is made of: one kind of wrong decision put right at a time.

    python benchmarks/errors.py DATA.csv [DATA.csv ...] [--sample FOLDER]
    python benchmarks/errors.py PAIRS.csv [--sample FOLDER]

A file of titles is matched by PairClassifierMatcher, fitted on the product ids of the
training titles, and F1 is the row-wise one of the test gallery. A file of pairs, as of
``title_pairs.py``, is decided by TitlePairClassifier from titles alone, at the
threshold that is best on the valid pairs, and F1 is that of the test pairs that match.

Each wrong pair is of one kind. "gain" is how much F1 rises if all pairs of the kind are
decided right and nothing else is. What a row lost to two kinds comes back with both, so
the gains do not sum to that of all. A word is a run of letters and digits; a match
between variants is one in which at most two words of each title are not in the other
one. A pair is not scored if it is no candidate, or has a probability below 0.01.

With ``--sample``, 100 of the wrong pairs of each file are drawn at random and written
to a folder, to be read by eye.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import (
    Split,
    Table,
    add_split_options,
    best_f1,
    describe_split,
    make_parser,
    make_table,
    read_parts,
    read_split,
    save_result,
    say,
    summarise,
)
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from sklearn.metrics import f1_score

from skmatch import PairClassifierMatcher, TitlePairClassifier, rowwise_f1_score

MEASURES = (
    "skmatch/titles",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/search",
    "skmatch/matchers/_pair_classifier.py",
)
COLUMNS = {
    "put right": "",
    "pairs": ",d",
    "rows": ",d",
    "F1": ".3f",
    "gain": "",
    "gallery": ",d",
}
VARIANTS = "false matches between variants"
OTHERS = "other false matches"
UNSCORED = "missed matches, not scored"
NO_WORD = "missed matches without a common word"
MISSED = "other missed matches"
LARGE = "missed matches of products with more than 21 titles"
N_LARGE = 21  # a title and its 20 candidates
N_SAMPLE = 100


def read_words(titles: NDArray[Any]) -> list[set[str]]:
    """Return the words of each title."""
    return [set(re.findall(r"\w+", title.casefold())) for title in titles.tolist()]


def name_kind(one: set[str], other: set[str], is_same: bool, is_scored: bool) -> str:
    """Return the kind of a wrong pair, whose titles have these words."""
    if not is_same:
        are_variants = max(len(one - other), len(other - one)) <= 2 and one & other
        return VARIANTS if are_variants else OTHERS
    if not is_scored:
        return UNSCORED
    return MISSED if one & other else NO_WORD


def list_wrong(
    labels: NDArray[Any], matches: csr_array
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of rows, the smaller one first, on which any row is wrong."""
    of_product = coo_array((np.ones(len(labels)), (np.arange(len(labels)), labels)))
    true = csr_array(of_product @ of_product.T).astype(bool)
    wrong = csr_array(true != matches)
    wrong = coo_array(wrong.maximum(wrong.T))
    is_first = wrong.row < wrong.col
    return wrong.row[is_first], wrong.col[is_first]


def put_right(
    matches: csr_array, labels: NDArray[Any], a: NDArray[Any], b: NDArray[Any]
) -> csr_array:
    """Return the matches with the right answer for some pairs."""
    left, right = np.concatenate([a, b]), np.concatenate([b, a])
    mended = matches.tolil()
    mended[left, right] = labels[left] == labels[right]
    return mended.tocsr()


def analyse_gallery(split: Split, n_jobs: int) -> tuple[list[dict[str, Any]], Any]:
    """Return the rows of the table, and the wrong pairs with their kinds."""
    matcher = PairClassifierMatcher(random_state=0, n_jobs=n_jobs)
    matcher.fit(split.titles, split.labels)
    titles, labels = split.test_titles, split.test_labels
    labels = np.unique(labels, return_inverse=True)[1]
    matches, graph = matcher.predict(titles), matcher.score_graph(titles)
    a, b = list_wrong(labels, matches)
    is_scored = graph[a, b] > 0
    words, is_same = read_words(titles), labels[a] == labels[b]
    kinds = np.array(
        [
            name_kind(words[i], words[j], same, scored)
            for i, j, same, scored in zip(a, b, is_same, is_scored, strict=True)
        ]
    )
    is_large = is_same & (np.bincount(labels)[labels[a]] > N_LARGE)
    before = np.asarray(rowwise_f1_score(labels, matches, average=None))
    rows = [{"put right": "nothing", **summarise(before, labels)}]
    chosen = {kind: kinds == kind for kind in (VARIANTS, OTHERS, UNSCORED, NO_WORD)}
    chosen |= {MISSED: kinds == MISSED, LARGE: is_large, "all": np.ones(len(a), bool)}
    for name, own in chosen.items():
        mended = put_right(matches, labels, a[own], b[own])
        scores = np.asarray(rowwise_f1_score(labels, mended, average=None))
        rows.append(
            {
                "put right": name,
                "pairs": int(own.sum()),
                "rows": len(np.union1d(a[own], b[own])),
                **summarise(scores, labels, before),
            }
        )
        say(f"done: {name} {scores.mean():.4f}")
    wrong = pd.DataFrame({"left": titles[a], "right": titles[b], "is_same": is_same})
    return rows, wrong.assign(kind=kinds)


def analyse_pairs(path: str, n_jobs: int) -> tuple[list[dict[str, Any]], Any]:
    """Return the rows of the table, and the wrong pairs with their kinds."""
    sides, answers = read_parts(path, ["title"])
    model = TitlePairClassifier(random_state=0, n_jobs=n_jobs)
    model.fit(sides[0], answers[0])
    valid, test = (model.predict_proba(sides[k])[:, 1] for k in (1, 2))
    found, is_match = test >= best_f1(answers[1], valid)[0], answers[2]
    left, right = (side["title"].to_numpy() for side in sides[2])
    wrong = np.flatnonzero(found != is_match)
    words = zip(read_words(left[wrong]), read_words(right[wrong]), strict=True)
    kinds = np.array(
        [
            name_kind(one, other, same, True)
            for (one, other), same in zip(words, is_match[wrong], strict=True)
        ]
    )
    before = f1_score(is_match, found)
    rows = [{"put right": "nothing", "F1": before}]
    chosen = {kind: kinds == kind for kind in (VARIANTS, OTHERS, NO_WORD, MISSED)}
    for name, own in (chosen | {"all": np.ones(len(wrong), bool)}).items():
        mended = found.copy()
        mended[wrong[own]] = is_match[wrong[own]]
        after = f1_score(is_match, mended)
        row = {"put right": name, "pairs": int(own.sum()), "F1": after}
        rows.append(row | {"gain": f"{after - before:+.3f}"})
    table = {"left": left[wrong], "right": right[wrong], "is_same": is_match[wrong]}
    return rows, pd.DataFrame(table).assign(kind=kinds)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("paths", nargs="+", metavar="DATA.csv")
    parser.add_argument("--sample", metavar="FOLDER", type=Path)
    parser.add_argument("--n-jobs", type=int, default=1)
    add_split_options(parser)
    args = parser.parse_args()
    for path in args.paths:
        if "label_group" in pd.read_csv(path, nrows=0):
            split = read_split(path, args.ids, args.shuffle_products)
            rows, wrong = analyse_gallery(split, args.n_jobs)
            title: str = describe_split(path, split)
        else:
            rows, wrong = analyse_pairs(path, args.n_jobs)
            title = f"{Path(path).name}, F1 of matching pairs of titles:"
        tables: list[Table] = [make_table(title, rows, COLUMNS)]
        save_result(args, Path(path).stem, tables)
        if args.sample:
            n_drawn = min(N_SAMPLE, len(wrong))
            drawn = wrong.sample(n_drawn, random_state=0)
            drawn.to_csv(args.sample / Path(path).name, index=False)
