"""The ``measured`` directive: a table with bars, of what the benchmarks measured.

Each line of it is ``result | start of the method | words to show``, with ``*`` before
the words where the method is one of skmatch. The results are the JSON files of
``benchmarks/results``, and those of ``published``: what others report, and what was
measured by hand. The argument is the largest value of the score, 1 or 100.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).parent
FOLDERS = (HERE.parent / "benchmarks" / "results", HERE / "published")
HEAD = "<tr><th>method</th><th>F1</th><th>rows</th></tr>"


def find_path(name: str) -> Path:
    """Return the file of a result."""
    paths = [folder / f"{name}.json" for folder in FOLDERS]
    return next((path for path in paths if path.exists()), paths[0])


def find_row(path: Path, method: str) -> tuple[str, dict[str, Any]]:
    """Return the title of a table and its row of a method and of what that reads."""
    for table in json.loads(path.read_text("utf-8"))["tables"]:
        for row in table["rows"]:
            if f"{row.get('method')}; {row.get('reads', '')}".startswith(method):
                return table["title"].rstrip(":"), row
    raise ValueError(f"{path} has no method that starts with {method!r}.")


def render_row(words: str, row: dict[str, Any], largest: float) -> str:
    """Return a row of the table as HTML."""
    digits = 3 if largest == 1 else 1
    spread = f" ± {row['SE']:.{digits}f}" if "SE" in row else ""
    kind = "own" if words.startswith("*") else "other"
    return (
        f'<tr class="{kind}"><td>{html.escape(words.lstrip("* "))}</td>'
        f"<td>{row['F1']:.{digits}f}{spread}"
        f'<div class="bar" style="--share: {row["F1"] / largest:.1%}"></div></td>'
        f"<td>{row.get('gallery', row.get('test pairs')):,}</td></tr>"
    )


class Measured(SphinxDirective):
    """A table of methods, and below it the files and splits of their galleries."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the table, made of the results of today."""
        rows, titles = [], []
        for line in filter(None, self.content):
            name, method, words = (part.strip() for part in line.split("|"))
            path = find_path(name)
            self.env.note_dependency(str(path))
            title, row = find_row(path, method)
            rows.append(render_row(words, row, float(self.arguments[0])))
            titles.append(title)
        table = f'<table class="table measured">{HEAD}{"".join(rows)}</table>'
        note = nodes.Text("; and ".join(dict.fromkeys(titles)) + ".")
        table_node = nodes.raw("", table, format="html")
        return [table_node, nodes.paragraph("", "", note, classes=["caption"])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive, and of what the page is made of."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}
