"""An evaluation of matches as text of 88 columns and as HTML without scripts."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skmatch.evaluation._match_evaluation import (
        MatchEvaluation,
        MixedGroup,
        WrongPair,
    )

_WIDTH = 88
_LONGEST = 300  # characters of a title in HTML
_MOST_PRODUCTS = 5  # of a group that are shown
_SCORES = ("", "precision", "recall", "F1")
_SIZES = ("size of product or group", "rows, true", "rows, predicted", "row-wise F1")
_GROUPS = "Groups of several products, those of most products first"
_JOINERS = "\u200c\u200d"  # in Persian, in emoji
_STYLE = """
.skmatch-evaluation {font-family: system-ui, sans-serif; font-size: 14px;
 line-height: 1.4; max-width: 64em}
.skmatch-evaluation table {border-collapse: collapse; margin: .5em 0; color: inherit}
.skmatch-evaluation th, .skmatch-evaluation td {padding: .2em .7em; text-align: start;
 vertical-align: top; background: none; color: inherit; white-space: normal;
 border-bottom: 1px solid rgba(128, 128, 128, .4)}
.skmatch-evaluation .pairs tbody tr:nth-child(odd) td {border-bottom: none}
.skmatch-evaluation td[dir] {overflow-wrap: anywhere}
.skmatch-evaluation .n {text-align: end; white-space: nowrap;
 font-variant-numeric: tabular-nums}
.skmatch-evaluation summary {cursor: pointer; font-weight: 600; margin-top: .6em}
"""


def to_text(evaluation: MatchEvaluation) -> str:
    """Return the report as text."""
    lines = [_headline(evaluation), ""]
    lines += _align(_SCORES, _score_rows(evaluation))
    lines += ["", *_align(_SIZES, _size_rows(evaluation))]
    for title, pairs in _pair_sections(evaluation):
        lines += ["", title]
        for pair in pairs:
            start = f"{_score_text(pair.score):>7}  "
            lines.append(start + _row_text(pair.row_a, pair.title_a, _WIDTH - 9))
            lines.append(" " * 9 + _row_text(pair.row_b, pair.title_b, _WIDTH - 9))
    if evaluation.mixed_groups:
        lines += ["", _GROUPS]
    for group in evaluation.mixed_groups:
        lines.append(f"  {_group_title(group)}")
        for count, row, first in _first_rows(group):
            start = f"{f'{count} x':>7}  "
            lines.append(start + _row_text(row, first, _WIDTH - len(start)))
    return "\n".join(lines)


def to_html(evaluation: MatchEvaluation) -> str:
    """Return the report as HTML; it is whole in itself, and all of it is escaped."""
    parts = [f"<style>{_STYLE}</style><p><b>{_headline(evaluation)}</b></p>"]
    parts.append(_table(_SCORES, _score_rows(evaluation)))
    parts.append(_table(_SIZES, _size_rows(evaluation)))
    for title, pairs in _pair_sections(evaluation):
        rows = []
        for pair in pairs:
            score = _score_text(pair.score)
            rows.append((score, pair.row_a, pair.product_a, pair.title_a))
            rows.append(("", pair.row_b, pair.product_b, pair.title_b))
        names = ("score", "row", "product", "title")
        table = _table(names, rows, "pairs") if rows else ""
        parts.append(_section(title, table))
    if evaluation.mixed_groups:
        tables = "".join(
            f"<p>{_group_title(group)}</p>"
            + _table(("rows", "first row", "title"), _first_rows(group))
            for group in evaluation.mixed_groups
        )
        parts.append(_section(_GROUPS, tables))
    return f'<div class="skmatch-evaluation">{"".join(parts)}</div>'


def _headline(evaluation: MatchEvaluation) -> str:
    return (
        f"Row-wise F1 {evaluation.rowwise_f1:.3f} ± "
        f"{evaluation.rowwise_f1_standard_error:.3f} (standard error), gallery of "
        f"{evaluation.n_rows:,} rows, {evaluation.n_products:,} products"
    )


def _score_rows(evaluation: MatchEvaluation) -> list[tuple[str, ...]]:
    """Return what the table of scores holds."""
    return [
        (name, *(f"{value:.3f}" for value in values))
        for name, values in (
            ("pairs", evaluation.pairwise_precision_recall_f1),
            ("B-cubed", evaluation.bcubed_precision_recall_f1),
        )
    ]


def _size_rows(evaluation: MatchEvaluation) -> list[tuple[str, ...]]:
    """Return what the table of sizes holds: sizes 1, 2, 3-4, 5-8 and so on."""
    true, predicted = evaluation.group_sizes_true, evaluation.group_sizes_predicted
    rows: list[tuple[str, ...]] = []
    for power in range((max(*true, *predicted) - 1).bit_length() + 1):
        low, high = 2**power // 2 + 1, 2**power
        n_true, n_predicted = (
            sum(count for size, count in sizes.items() if low <= size <= high)
            for sizes in (true, predicted)
        )
        total = sum(
            evaluation.rowwise_f1_by_size[size] * count
            for size, count in true.items()
            if low <= size <= high
        )
        f1 = f"{total / n_true:.3f}" if n_true else ""
        name = f"{high}" if low >= high else f"{low}-{high}"
        rows.append((name, f"{n_true:,}", f"{n_predicted:,}", f1))
    return rows


def _pair_sections(evaluation: MatchEvaluation) -> list[tuple[str, list[WrongPair]]]:
    """Return the titles and the pairs of both kinds of error."""
    false, missed = evaluation.false_matches, evaluation.missed_matches
    titles = (
        f"{evaluation.n_false_matches:,} false matches",
        f"{evaluation.n_missed_matches:,} missed matches",
    )
    return [
        (titles[0] + _which(len(false), "any two products"), false),
        (titles[1] + _which(len(missed), "any product"), missed),
    ]


def _which(n_shown: int, products: str) -> str:
    return f"; {n_shown} of them, at most one of {products}" if n_shown else ""


def _group_title(group: MixedGroup) -> str:
    n_products = len(set(group.products))
    more = n_products - _MOST_PRODUCTS
    rest = f", of which {more} are not shown" if more > 0 else ""
    return f"{len(group.rows):,} rows of {n_products:,} products{rest}"


def _first_rows(group: MixedGroup) -> list[tuple[int, int, str | None]]:
    """Return the number of rows of the first products, and the first row of each."""
    first: dict[Any, int] = {}
    counts: dict[Any, int] = {}
    for index, product in enumerate(group.products):
        first.setdefault(product, index)
        counts[product] = counts.get(product, 0) + 1
    return [
        (
            counts[product],
            group.rows[index],
            None if group.titles is None else group.titles[index],
        )
        for product, index in [*first.items()][:_MOST_PRODUCTS]
    ]


def _score_text(score: float) -> str:
    if math.isnan(score):
        return ""
    return f"{score:.3f}" if abs(score) < 100 else f"{score:.1g}"


def _align(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table: names to the left, numbers to the right."""
    table = [names, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _row_text(row: int, title: str | None, width: int) -> str:
    """Return a row and its title, cut to a width."""
    start = f"[{row}]"
    if title is None:
        return start
    return f"{start} {_cut(_plain(title), width - len(start) - 1)}"


def _plain(title: str) -> str:
    """Return a title on one line without characters that steer a terminal."""
    return "".join(
        c if c.isprintable() or c in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for c in " ".join(title.split())
    )


def _cut(text: str, width: int) -> str:
    """Cut a text to a number of columns, of which wide characters take two."""
    ends = [*accumulate(map(_n_columns, text))]
    if not ends or ends[-1] <= width:
        return text
    return text[: bisect_right(ends, width - 1)] + "…"


def _n_columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _table(
    names: tuple[str, ...], rows: Iterable[tuple[Any, ...]], kind: str = ""
) -> str:
    """Return an HTML table; what is no title is aligned as numbers are."""
    head = "".join(f"<th{_kind(name)}>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_kind(name)}>{_cell(value)}</td>"
            for name, value in zip(names, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    content = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<table class="{kind}">{content}</table>'


def _kind(name: str) -> str:
    """Return the attributes of the cells of a column."""
    if name in ("", "product", _SIZES[0]):
        return ""
    return ' dir="auto"' if name == "title" else ' class="n"'


def _cell(value: Any) -> str:
    text = "" if value is None else _plain(str(value))
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _section(title: str, content: str) -> str:
    return f"<details open><summary>{escape(title)}</summary>{content}</details>"
