"""An explanation as text and as HTML without scripts, and features in words."""

from __future__ import annotations

from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Annotated, get_args, get_origin, get_type_hints

from skmatch.pairs._graph_features import GraphFeatures
from skmatch.pairs._near_words import AlignmentFeatures
from skmatch.pairs._text_features import (
    CharacterFeatures,
    LengthFeatures,
    QuantityFeatures,
    WordFeatures,
)

if TYPE_CHECKING:
    from skmatch.pairs._explanation import PairExplanation

_N_SHOWN = 10  # contributions
_SIDES = {"_min": ", the smaller side", "_max": ", the larger side"}
_OTHERS = {
    "other_titles": "what the level before says of the pairs around",
    "words_learned": "log-odds by the learned weights of the words",
    "transferred": "log-odds learned from made-up titles",
    "cross_encoder": "log-odds by the cross-encoder",
    "known_min": "like titles of a known product, the smaller side",
    "known_sum": "like titles of a known product, both sides",
    "known_same": "like titles of the same known product",
}
_STYLE = """
.skmatch-explanation {font-family: system-ui, sans-serif; font-size: 14px;
 line-height: 1.4; max-width: 60em}
.skmatch-explanation table {border-collapse: collapse; margin: .5em 0; color: inherit}
.skmatch-explanation th, .skmatch-explanation td {padding: .2em .7em; color: inherit;
 text-align: start; background: none; white-space: normal; overflow-wrap: anywhere;
 border-bottom: 1px solid rgba(128, 128, 128, .4)}
.skmatch-explanation .n {text-align: end; white-space: nowrap;
 font-variant-numeric: tabular-nums}
.skmatch-explanation .alone {text-decoration: underline wavy #d95f02;
 text-underline-offset: .2em}
.skmatch-explanation .bar {display: inline-block; height: .8em; min-width: 1px}
.skmatch-explanation .for {background: #1b9e77}
.skmatch-explanation .against {background: #d95f02}
"""


def to_text(explanation: PairExplanation) -> str:
    """Return the words of both titles, and tables of the largest contributions."""
    shared, of_a, of_b = explanation.compare_words()
    lines = [f"probability of a match: {explanation.probability:.3f}"]
    lines += [f"before propagation: {explanation.before_propagation:.3f}"]
    for name, words in (("both", shared), ("a alone", of_a), ("b alone", of_b)):
        lines.append(f"words of {name}: {' '.join(words) or '-'}")
    for say in explanation.says:
        lines.append(
            f"{say.probability:.3f} says {say.title!r:.50}, like a, which counts "
            f"{say.weight:.0%}"
        )
    lines.append(f"{'adds':>6} {'value':>8}  {'feature':28}  what it is")
    for name, value, added in explanation.contributions[:_N_SHOWN]:
        line = f"{added:+6.2f} {value:8.3f}  {name:28}  {describe_feature(name)}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def to_html(explanation: PairExplanation) -> str:
    """Return the same as HTML; it is whole in itself, and all of it is escaped."""
    _, of_a, of_b = explanation.compare_words()
    parts = [
        f"<style>{_STYLE}</style><p><b>Probability of a match "
        f"{explanation.probability:.3f}</b>, before propagation "
        f"{explanation.before_propagation:.3f}</p>",
        _mark(explanation.title_a, of_a),
        _mark(explanation.title_b, of_b),
    ]
    if explanation.says:
        said = [
            f'<tr><td dir="auto">{escape(say.title)}</td>'
            f'<td class="n">{say.weight:.0%}</td>'
            f'<td class="n">{say.probability:.3f}</td></tr>'
            for say in explanation.says
        ]
        names = ("title like the first one", "its say", "that it matches the second")
        parts.append(_table(names, said))
    shown = explanation.contributions[:_N_SHOWN]
    most = max((abs(added) for _, _, added in shown), default=1) or 1
    rows = [
        f'<tr><td class="n">{added:+.2f}</td><td>{_bar(added / most)}</td>'
        f'<td>{escape(describe_feature(name) or name)}</td><td class="n">{value:.3f}'
        f"</td><td><code>{escape(name)}</code></td></tr>"
        for name, value, added in shown
    ]
    parts.append(_table(("adds", "", "what", "value", "feature"), rows))
    return f'<div class="skmatch-explanation">{"".join(parts)}</div>'


def describe_feature(name: str) -> str:
    """Say in words what a feature is; nothing of a feature of the user."""
    if name in _OTHERS:
        return _OTHERS[name]
    if (text := _find(name, _OF_TEXTS)) is not None:
        return text
    for suffix in GraphFeatures._fields[1:]:
        if name.endswith(f"_{suffix}"):
            score = name.removesuffix(f"_{suffix}")
            return f"{score}: {_find(suffix, _OF_SCORES)}"
    is_similarity = name[-1:].isdecimal() and name.isidentifier()
    return f"similarity by {name}" if is_similarity else ""


def _find(name: str, meanings: dict[str, str]) -> str | None:
    """Return what a feature means, of which side; the larger one has no text."""
    if name in meanings or name.removesuffix("_max") + "_min" in meanings:
        side = _SIDES.get(name[-4:], "")
        return meanings.get(name, meanings.get(name[:-4] + "_min", "")) + side
    return None


def _read_meanings(*families: type) -> dict[str, str]:
    """Return the texts that annotate the features of families."""
    hints = chain.from_iterable(
        get_type_hints(family, include_extras=True).items() for family in families
    )
    return {
        name: get_args(hint)[1] for name, hint in hints if get_origin(hint) is Annotated
    }


_OF_TEXTS = _read_meanings(
    WordFeatures, AlignmentFeatures, QuantityFeatures, CharacterFeatures, LengthFeatures
)
_OF_SCORES = _read_meanings(GraphFeatures)


def _mark(title: str, alone: list[str]) -> str:
    """Return a title whose words that the other one has not are underlined."""
    words = [
        f'<span class="alone">{escape(word)}</span>'
        if word.lower() in alone
        else escape(word)
        for word in title.split()
    ]
    return f'<div dir="auto">{" ".join(words)}</div>'


def _bar(share: float) -> str:
    """Return a bar: its length and, in colour, what it speaks for."""
    kind = "for" if share > 0 else "against"
    return f'<span class="bar {kind}" style="width: {abs(share) * 8:.1f}em"></span>'


def _table(names: tuple[str, ...], rows: list[str]) -> str:
    """Return an HTML table of rows that are escaped already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
