"""The pages say what is so: links lead somewhere, code prints what is shown."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def find_broken(folder, pages):
    for name, text in pages.items():
        (folder / name).write_text(text, "utf-8")
    return runpy.run_path(str(DOCS / "check_links.py"))["find_broken"](folder)


@pytest.mark.parametrize("link", ["b.html", "b.html#there", "#here", "https://a.org/x"])
def test_links_that_lead_somewhere_pass(tmp_path, link):
    pages = {"a.html": f'<p id="here"><a href="{link}">', "b.html": '<p id="there">'}
    assert find_broken(tmp_path, pages) == []


@pytest.mark.parametrize("link", ["c.html", "b.html#here", "#there", "c.png"])
def test_links_that_lead_nowhere_are_named(tmp_path, link):
    pages = {"a.html": f'<p id="here"><a href="{link}">', "b.html": '<p id="there">'}
    assert find_broken(tmp_path, pages) == [f"a.html: {link}"]


@pytest.mark.parametrize(("link", "code"), [("a.html", 0), ("b.html", 1)])
def test_the_command_fails_where_a_link_leads_nowhere(tmp_path, link, code):
    (tmp_path / "a.html").write_text(f'<a href="{link}">', "utf-8")
    command = [sys.executable, str(DOCS / "check_links.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, link in done.stderr) == (code, bool(code))


@pytest.mark.slow
def test_the_start_page_shows_what_its_code_prints():
    """In another process: in this one a fixture lets the matcher learn less."""
    command = [sys.executable, str(DOCS / "examples" / "start.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (DOCS / "examples" / "start.txt").read_text("utf-8")


def test_markdown_becomes_restructured_text():
    pytest.importorskip("sphinx")
    to_rst = runpy.run_path(str(DOCS / "markdown_page.py"))["to_rst"]
    text = "## A `b`\n\nSee [c](d.md).\n\n```bash\nmake x  # `y`\n```\n\nEnd.\n"
    assert to_rst(text).split("\n") == [
        *("A ``b``", "-------", "", "See `c <d.md>`__.", "", ""),
        *(".. code-block:: bash", "", "    make x  # `y`", ""),
        *("", "", "End.", ""),
    ]


def test_a_measured_row_names_its_method_and_what_it_reads(tmp_path):
    pytest.importorskip("sphinx")
    find_row = runpy.run_path(str(DOCS / "measured.py"))["find_row"]
    rows = '{"method": "a", "reads": "b"}, {"method": "a", "reads": "c"}'
    path = tmp_path / "made.json"
    path.write_text(f'{{"tables": [{{"title": "t:", "rows": [{rows}]}}]}}', "utf-8")
    assert find_row(path, "a; c") == ("t", {"method": "a", "reads": "c"})
    with pytest.raises(ValueError, match="no method that starts with 'd'"):
        find_row(path, "d")
