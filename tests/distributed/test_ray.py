"""The recipe for Ray finds the pairs of one machine: docs/examples/on_ray.py."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import FaissThresholdMatcher, make_product_titles

pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of Ray
]
RECIPE = Path(__file__).parents[2] / "docs/examples/on_ray.py"


def test_ray_finds_the_pairs_of_one_machine():
    spec = spec_from_file_location("on_ray", RECIPE)
    recipe = module_from_spec(spec)
    spec.loader.exec_module(recipe)
    titles, _ = make_product_titles(200, random_state=0)
    embedder = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
        TruncatedSVD(32, random_state=0),
    )
    vectors = embedder.fit_transform(titles)
    graph = FaissThresholdMatcher(0.8, index="exact").fit(vectors).score_graph(vectors)
    expected = {
        tuple(sorted(pair)) for pair in np.argwhere(graph.toarray() > 0).tolist()
    }
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        found = recipe.match_on_ray(embedder, titles, 0.8).to_pydict()
    finally:
        ray.shutdown()
    pairs = [tuple(sorted(p)) for p in zip(found["left"], found["right"], strict=True)]
    assert len(pairs) == len(set(pairs)) > 300
    assert set(pairs) == expected
