"""F1 of TitlePairClassifier on labelled pairs, in their published splits.

    python benchmarks/title_pairs.py PAIRS.csv [...] [--model MODEL [--columns]]

A file has the columns ``split`` and ``label``, then the attributes of the left side
(``title_left``, ...) and of the right one. F1 is that of the pairs that match in the
test split, at the threshold that is best on the valid split ("valid"); "oracle" is the
best one for the test split, which nobody knows in use. TF-IDF of character n-grams is
fitted on all titles; its cosine is the score. "weighed" are models that get the valid
split as ``X_val``: it is used twice, so that their "valid" is too high. Published
figures stand beside ours, with what they read; their models are pre-trained language
models, but for Magellan and WordCooc. With MODEL, the folder of a BERT-family model
such as all-MiniLM-L6-v2, that is asked as a cross-encoder, by the titles or, with
--columns, by these too; one to two hours of a core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import (
    Sides,
    best_f1,
    make_parser,
    make_table,
    make_tfidf,
    read_parts,
    save_result,
    say,
    timed,
)
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from skmatch import AdapterBertPairClassifier, TitlePairClassifier

MEASURES = (
    "skmatch/titles",
    "skmatch/embedders",
    "skmatch/pairs",
    "skmatch/graph",
    "skmatch/search",
)
COLUMNS = {
    "method": "",
    "reads": "",
    "F1": ".1f",
    "valid": ".1f",
    "oracle": ".1f",
    "at": ".3f",
    "train pairs": ",d",
    "test pairs": ",d",
    "titles": ",d",
    "fit s": ".0f",
}
KINDS = {"price": "numeric", "brand": "category", "category": "category"}
KINDS |= {"modelno": "code"}
PUBLISHED = {
    "pairs_abt_buy": (
        ("Ditto (arXiv:2004.00584)", "all attributes", 89.3),
        ("R-SupCon (arXiv:2202.02098)", "all attributes", 94.3),
        ("GPT-4o-mini, fine-tuned", "title", 94.1),
    ),
    "pairs_walmart_amazon": (
        ("Ditto (arXiv:2004.00584)", "all attributes", 86.8),
        ("Ditto, rerun of 2026", "all attributes", 85.7),
    ),
    "pairs_wdc_products": (
        ("Magellan (arXiv:2301.09521)", "all attributes", 30.6),
        ("WordCooc (arXiv:2301.09521)", "all attributes", 52.7),
        ("RoBERTa (arXiv:2301.09521)", "all attributes", 72.2),
        ("Ditto (arXiv:2301.09521)", "all attributes", 73.9),
        ("R-SupCon (arXiv:2301.09521)", "all attributes", 80.0),
    ),
}


class TfidfPairs:
    """The cosine of two titles."""

    def __init__(self, sides: list[Sides]) -> None:
        titles = [side["title"] for pair in sides for side in pair]
        self.tfidf = make_tfidf().fit(pd.concat(titles).unique())

    def fit(self, X: Sides, y: NDArray[Any]) -> None:
        """Learn nothing: all titles are known."""

    def predict_proba(self, X: Sides) -> NDArray[Any]:
        """Return the cosine of each pair, in the second column."""
        left, right = (self.tfidf.transform(side["title"]) for side in X)
        cosines = np.asarray(left.multiply(right).sum(axis=1)).ravel()
        return np.column_stack([1 - cosines, cosines])


def measure(
    name: str,
    reads: str,
    model: Any,
    sides: list[Sides],
    answers: list[NDArray[Any]],
    *,
    weighs: bool = False,
) -> dict[str, Any]:
    """Fit on the training pairs, choose a threshold on the valid pairs, and test."""
    train, valid, test = range(3)
    held_out = {"X_val": sides[valid], "y_val": answers[valid]} if weighs else {}
    seconds, _ = timed(lambda: model.fit(sides[train], answers[train], **held_out))
    scores = [model.predict_proba(sides[k])[:, 1] for k in (valid, test)]
    at, of_valid = best_f1(answers[valid], scores[0])
    f1 = f1_score(answers[test], scores[1] >= at)
    say(f"done: {name}, {reads}: {f1:.4f}")
    titles = pd.concat([side["title"] for pair in sides for side in pair])
    return {
        "method": name,
        "reads": reads,
        "F1": 100 * f1,
        "valid": 100 * of_valid,
        "oracle": 100 * best_f1(answers[test], scores[1])[1],
        "at": at,
        "train pairs": len(answers[train]),
        "test pairs": len(answers[test]),
        "titles": titles.nunique(),
        "fit s": seconds,
    }


def main(
    path: str, n_jobs: int, model: str | None, reads_columns: bool
) -> list[dict[str, Any]]:
    """Measure the classifier on a file, reading the title, all, or columns.

    With a model, which takes long, only weighed, by one of the first and the last.
    """
    name = Path(path).stem
    header = pd.read_csv(path, nrows=0).columns
    attributes = [c.removesuffix("_left") for c in header if c.endswith("_left")]
    kinds = {name: KINDS[name] for name in attributes if name in KINDS}
    titles, answers = read_parts(path, ["title"])
    whole, _ = read_parts(path, attributes)
    joined = [
        tuple(side.agg(" ".join, axis=1).to_frame("title") for side in pair)
        for pair in whole
    ]
    with_columns = read_parts(path, ["title", *kinds])[0]
    made = {"random_state": 0, "n_jobs": n_jobs}
    reads, named = f"title and columns={kinds}", "TitlePairClassifier"
    if model is not None:
        made["cross_encoder"] = AdapterBertPairClassifier(model, random_state=0)
        named += ", asking MODEL"
    tfidf = "TF-IDF char_wb(2,4), one threshold"
    rows = [measure(tfidf, "title", TfidfPairs(titles), titles, answers)]
    ways = {"title": (titles, None), "all attributes, joined": (joined, None)}
    if kinds:
        ways[reads] = (with_columns, kinds)
    if model is not None:
        chosen = reads if reads_columns and kinds else "title"
        ways = {chosen: ways[chosen]}
    for what, (sides, columns) in ways.items():
        for weighs in (False, True) if model is None else (True,):
            classifier = TitlePairClassifier(columns=columns, **made)
            name_of = named + ", weighed" * weighs
            rows.append(
                measure(name_of, what, classifier, sides, answers, weighs=weighs)
            )
    return [*rows, *published(name, len(answers[2]))]


def published(name: str, n_pairs: int) -> list[dict[str, Any]]:
    """Return what others have published on a file."""
    return [
        {"method": method, "reads": reads, "F1": f1, "test pairs": n_pairs}
        for method, reads, f1 in PUBLISHED.get(name, ())
    ]


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("paths", nargs="+", metavar="PAIRS.csv")
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--model", help="folder of a BERT-family model")
    parser.add_argument("--columns", action="store_true", help="let MODEL read them")
    args = parser.parse_args()
    for path in args.paths:
        rows = main(path, args.n_jobs, args.model, args.columns)
        what, notes = Path(path).stem, []
        if args.model is not None:
            what += "-cross-encoder" + "-columns" * args.columns
            notes = [f"MODEL is {Path(args.model).name}."]
        title = f"{Path(path).name}, F1 of matching pairs in percent:"
        save_result(args, what, [make_table(title, rows, COLUMNS)], notes)
