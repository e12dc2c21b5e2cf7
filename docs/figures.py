"""The figures of the pages, each for the light and for the dark theme.

Those in ``drawings`` are drawn by hand; the others are plotted, here from made-up
titles, in ``charts.py`` from results. ``.. themed:: name`` shows one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from charts import BLUE, GREY, ORANGE, plot_peers, plot_speed
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).parent
FOLDER = HERE / "generated" / "figures"
INK, GREEN = "#22303c", "#2b8656"
# Each colour of the light theme in the dark one.
DARK = {
    INK: "#e8edf2",
    BLUE: "#6db3ee",
    GREEN: "#6fcf9a",
    ORANGE: "#f0a05a",
    GREY: "#8f9ca8",
    "#7548b0": "#b794ea",
    "#55636f": "#b3bec8",
    "#9aa6b1": "#6c7985",
    "#f5f7f9": "#1f272e",
    "#e6f0f9": "#17293a",
    "#e4f3ea": "#16301f",
    "#fcefe0": "#3a2815",
    "#f0eafa": "#2a2040",
}


def plot_search() -> Any:
    """Plot rows in their cells, and those that probe the cell in the middle."""
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(3)
    rows = rng.uniform(-1, 1, (500, 2))
    angles = np.arange(6) * np.pi / 3 + 0.3
    centroids = np.vstack([[0, 0], 0.85 * np.c_[np.cos(angles), np.sin(angles)]])
    squares = ((rows[:, None] - centroids) ** 2).sum(axis=2)
    home, span = squares.argmin(axis=1), np.linalg.norm(centroids[1])
    # How far a row is from the hyperplane between its centroid and the middle one.
    to_border = (squares[:, 0] - squares.min(axis=1)) / (2 * span)
    probing = (home != 0) & (to_border <= 0.09)
    figure, axes = plt.subplots(figsize=(5, 5.4))
    parts = (home == 0, probing, (home != 0) & ~probing)
    names = ("rows of a cell", "rows near its border", "not compared with them")
    for part, name, colour in zip(parts, names, (BLUE, ORANGE, GREY), strict=True):
        axes.scatter(*rows[part].T, s=16, color=colour, label=name)
    axes.scatter(*centroids.T, s=90, marker="+", color=INK, label="centroids")
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)
    return figure


def plot_thresholds() -> Any:
    """Plot row-wise F1 by threshold, of a small and of a large gallery."""
    import matplotlib.pyplot as plt
    from sklearn.feature_extraction.text import TfidfVectorizer

    from skmatch import FaissThresholdMatcher, decide_matches, make_product_titles
    from skmatch import rowwise_f1_score as score

    titles, product_ids = make_product_titles(1500, random_state=0)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    embeddings = tfidf.fit_transform(titles)
    matcher = FaissThresholdMatcher(0.2).fit(embeddings)
    thresholds = np.linspace(0.2, 0.95, 31)
    figure, axes = plt.subplots(figsize=(5.4, 3.4))
    for n_products, colour in ((50, BLUE), (1500, ORANGE)):
        is_kept = product_ids < n_products
        graph, ids = matcher.score_graph(embeddings[is_kept]), product_ids[is_kept]
        scores = [score(ids, decide_matches(graph, at)) for at in thresholds]
        axes.plot(thresholds, scores, color=colour, label=f"gallery of {len(ids):,}")
        best = int(np.argmax(scores))
        axes.plot(thresholds[best], scores[best], "o", color=colour)
    axes.set(xlabel="threshold", ylabel="row-wise F1")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


PLOTS: dict[str, Callable[[], Any]] = {
    "peers": plot_peers,
    "search": plot_search,
    "speed": plot_speed,
    "thresholds": plot_thresholds,
}


def render(plot: Callable[[], Any]) -> str:
    """Return a plot as SVG, in the colours of the light theme."""
    import matplotlib as mpl

    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color")
    style: dict[str, Any] = dict.fromkeys((*names, "ytick.color"), INK)
    style |= {"font.size": 11, "svg.hashsalt": "skmatch"}
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg", **style}):
        figure, text = plot(), StringIO()
        look: dict[str, Any] = {"transparent": True, "bbox_inches": "tight"}
        figure.savefig(text, format="svg", metadata={"Date": None}, **look)
        mpl.pyplot.close(figure)
    return text.getvalue()


def write_figures(app: Sphinx) -> None:
    """Write all figures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    style = (HERE / "drawings" / "style.svg").read_text("utf-8")
    for source in sorted((HERE / "drawings").glob("*.svg")):
        if source.stem != "style":
            save(source.stem, source.read_text("utf-8").replace("<style/>", style))
    for name, plot in PLOTS.items():
        save(name, render(plot))


def save(name: str, svg: str) -> None:
    """Write a figure in the colours of both themes."""
    dark = re.sub(r"#[0-9a-f]{6}", lambda found: DARK.get(found[0], found[0]), svg)
    (FOLDER / f"{name}-light.svg").write_text(svg, "utf-8")
    (FOLDER / f"{name}-dark.svg").write_text(dark, "utf-8")


class Themed(SphinxDirective):
    """A figure of ``FOLDER``: the name is its argument, the caption its content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return both variants, of which the theme shows one, and the caption."""
        name, caption = self.arguments[0], " ".join(self.content)
        figure = nodes.container(classes=["themed"])
        for theme in ("light", "dark"):
            uri = f"/generated/figures/{name}-{theme}.svg"
            image = nodes.image(uri=uri, alt=caption, classes=[f"only-{theme}"])
            figure += image
        text, messages = self.parse_inline(caption)
        figure += nodes.paragraph("", "", *text, classes=["caption"])
        return [figure, *messages]


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the figures."""
    app.connect("builder-inited", write_figures)
    app.add_directive("themed", Themed)
    return {"parallel_read_safe": True}
