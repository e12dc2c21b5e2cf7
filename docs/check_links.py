"""Check the links between built pages: ``python docs/check_links.py docs/_build``.

Every link that leads to no other site has to name a file that is there, and an element
of it where it has a fragment.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the ids of its elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is called, and where it leads."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name == "id" and value:
                self.ids.add(value)


def find_broken(folder: Path) -> list[str]:
    """Return "page: link" of each link that leads nowhere."""
    folder = folder.resolve()
    paths = [path for path in folder.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Page(path) for path in sorted(paths)}
    broken = []
    for path, page in pages.items():
        for link in sorted(page.links):
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = path.parent / unquote(url.path) if url.path else path
            found = pages.get(target.resolve())
            lost = found and url.fragment and unquote(url.fragment) not in found.ids
            if not target.exists() or lost:
                broken.append(f"{path.relative_to(folder)}: {link}")
    return broken


if __name__ == "__main__":
    lines = find_broken(Path(sys.argv[1]))
    if lines:
        sys.exit("\n".join(["Links that lead nowhere:", *lines]))
