"""The code blocks of the README and of the pages run, each page from top to bottom."""

from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.feature_extraction.text
import sklearn.pipeline
import sklearn.preprocessing
from gensim.models import KeyedVectors
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser as InMarkdown
from sybil.parsers.rest import PythonCodeBlockParser as InRest

import skmatch
from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    make_product_titles,
    save,
)

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.rst")]
    if not {"_build", "generated", "auto_examples", "examples"} & {*path.parts}
    and path.name != "cluster.rst"  # tests/distributed runs its example
    and (".. code-block:: python" in (text := path.read_text("utf-8")) or
         "```python" in text)
)  # fmt: skip


@pytest.fixture(scope="module")
def known():
    """What the pages speak of: a few listings, and what was fitted on them."""
    titles, product_ids = make_product_titles(60, random_state=0)
    others, other_ids = make_product_titles(40, random_state=1)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    pipe = make_pipeline(tfidf, FaissThresholdMatcher(0.5)).fit(titles)
    matcher = PairClassifierMatcher(cv=2, random_state=0).fit(titles, product_ids)
    half = len(others) // 2
    scores = matcher.score_graph(others)
    names = {name: getattr(skmatch, name) for name in skmatch.__all__}
    for module in (sklearn.pipeline, sklearn.preprocessing):
        names |= {name: getattr(module, name) for name in module.__all__}
    table = pd.DataFrame({"title": titles, "price": 1.5, "brand": "a", "modelno": "b"})
    return names | {
        "np": np,
        "TfidfVectorizer": TfidfVectorizer,
        "titles": titles,
        "product_ids": product_ids,
        "listing_ids": [f"a-{row}" for row in range(len(titles))],
        "catalogue_titles": titles,
        "other_titles": others,
        "new_titles": others,
        "new_listing_ids": [f"b-{row}" for row in range(len(others))],
        "sold_listing_ids": ["b-7"],
        "X": others,
        "y": other_ids,
        "table": table,
        "pipe": pipe,
        "matcher": matcher,
        "scores": scores,
        "matches": matcher.decide(scores),
        "seller": ["a", "b", "c"] * (len(others) // 3) + ["d"] * (len(others) % 3),
        "shop": others[:half],
        "feed": others[half:],
        "skus": pd.Series([f"s{row}" for row in range(len(others))]),
        "shop_skus": pd.Series([f"s{row}" for row in range(half)]),
        "feed_skus": pd.Series([f"s{row}" for row in range(half, len(others))]),
        "keyed_vectors": KeyedVectors(4),
        "ask": lambda a, b: a.split()[0] == b.split()[0],
    }


@pytest.fixture
def folder(known, tmp_path, monkeypatch):
    """The working directory of a reader, with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    titles = pd.Series(known["titles"], name="title")
    titles.to_frame().assign(label_group=known["product_ids"]).to_csv("train.csv")
    listings = pd.DataFrame({"title": known["other_titles"], "sku": known["skus"]})
    for name in ("listings", "feed"):
        listings.to_parquet(f"{name}.parquet")
    save(known["matcher"], "model")
    return tmp_path


def test_picture_of_the_readme_is_that_of_the_site(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    figures = pytest.importorskip("figures", reason="sphinx is not there")
    drawings = ROOT / "docs" / "drawings"
    style = (drawings / "style.svg").read_text("utf-8")
    drawn = (drawings / "flow.svg").read_text("utf-8").replace("<style/>", style)
    readme = (ROOT / "README.md").read_text("utf-8")
    for theme, colours in (("light", {}), ("dark", figures.DARK)):
        name = f"docs/_static/flow-{theme}.svg"
        assert name in readme
        shown = (ROOT / name).read_text("utf-8")
        for one, other in colours.items():
            drawn = drawn.replace(one, other)
        assert shown == drawn


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The threshold was chosen on galleries:UserWarning")
@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_run(known, folder, page):
    document = Sybil([InMarkdown(), InRest()]).parse(ROOT / page)
    own = {name: copy(known[name]) for name in ("matcher", "pipe")}
    document.namespace.update(known | own)
    examples = [*document.examples()]
    assert examples
    for example in examples:
        if "skmatch.distributed" not in example.parsed:
            example.evaluate()
