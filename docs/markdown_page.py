"""The ``markdown`` directive: a file of this repository as a page.

It knows what these files have: headings, lists, fenced code, links and `code`.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

UNDERLINES = {"#": "=", "##": "-", "###": "~"}


def to_rst(text: str) -> str:
    """Return a Markdown text as reStructuredText."""
    parts = re.split(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    prose, languages, codes = parts[::3], parts[1::3], parts[2::3]
    rst = [to_prose(prose[0])]
    for language, code, after in zip(languages, codes, prose[1:], strict=True):
        rst.append(f".. code-block:: {language or 'text'}\n\n{indent(code, '    ')}")
        rst.append(to_prose(after))
    return "\n".join(rst)


def to_prose(text: str) -> str:
    """Return Markdown without code blocks as reStructuredText."""
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)
    return re.sub(
        r"^(#{1,3}) (.+)$",
        lambda found: f"{found[2]}\n{UNDERLINES[found[1]] * len(found[2])}",
        text,
        flags=re.MULTILINE,
    )


class Markdown(SphinxDirective):
    """The content of a Markdown file, whose path is from this folder."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the file, its headings among them."""
        path = Path(self.env.srcdir, self.arguments[0]).resolve()
        self.env.note_dependency(str(path))
        rst = to_rst(path.read_text("utf-8"))
        return self.parse_text_to_nodes(rst, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("markdown", Markdown)
    return {"parallel_read_safe": True}
