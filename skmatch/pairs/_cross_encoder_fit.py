"""How a cross-encoder is fitted: out of fold, on uncertain pairs, as few as will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import precision_recall_curve

from skmatch.pairs._context import Level
from skmatch.pairs._cross_encoder import CrossEncoder, ask, read_pairs, see_answers
from skmatch.pairs._cross_fit import LabelledPairs, cross_fit
from skmatch.pairs._probabilities import log_odds

if TYPE_CHECKING:
    from skmatch.pairs._stacking import PairSettings

_LARGEST_SHARE = 0.1  # of the candidate pairs, that it may be asked about
_LOSS = 0.001  # of the F1 of labelled pairs, for which it is asked about fewer
_SHARES = (0.2, 0.4, 0.6, 0.8)  # of the uncertain pairs, that may be enough
_MOST_TAUGHT = 10_000  # pairs that it learns from


def fit_cross_encoder(
    galleries: list[LabelledPairs],
    said: list[Level],
    settings: PairSettings,
    n_before: int,
) -> tuple[CrossEncoder | None, NDArray[np.float32], list[Level]]:
    """Fit a cross-encoder on what `n_before` levels say, the last of them `said`.

    1. Uncertain are, of all candidates, those whose log-odds are nearest to 0.
    2. Every second fold is told by a copy that was fitted on the labelled uncertain
       pairs of the others; of a second partition, none: what the copies know of one
       they know of all.
    3. Pairs of which the levels are surer are not asked about if that costs next to
       nothing.
    4. A classifier that decides what was asked is cross-fitted.
    5. The copy in use is fitted on the uncertain pairs of all.

    Returns it, what is told of each labelled pair, and what is said in the end out of
    fold. It is None if the uncertain pairs of a half have all the same answer.
    """
    odds = [log_odds(level.propagated) for level in said]
    width = _find_width(galleries, odds, settings)
    uncertain = [
        _narrow_to(own, x, width) for own, x in zip(galleries, odds, strict=True)
    ]
    fitted = [_fit(uncertain, settings, half) for half in (0, 1, None)]
    if any(classifier is None for classifier in fitted):
        return None, np.empty(0, np.float32), said
    told = [x.copy() for x in odds]
    for own, answers in zip(uncertain, told, strict=True):
        classifier, rows = fitted[own.fold % 2], own.rows
        context, indices = own.pairs.context, own.pairs.indices
        answers[rows] = ask(classifier, context, indices, rows)
    width = _narrow(uncertain, odds, told, width)
    asked = [_narrow_to(own, x, width) for own, x in zip(uncertain, odds, strict=True)]
    seen = [
        see_answers(own.pairs, level, own.rows, answers[own.rows])
        for own, level, answers in zip(asked, said, told, strict=True)
    ]
    alone = [own._replace(rows=slice(None)) for own in asked]
    decided, decider = cross_fit(settings.classifier, seen, alone, np.concatenate)
    last = []
    for own, level, p in zip(asked, said, decided, strict=True):
        probabilities = level.probabilities.copy()
        probabilities[own.rows] = p
        last.append(
            own.pairs.context.propagate(
                n_before, probabilities, own.pairs.indices, settings.propagates
            )
        )
    labelled = []
    for own, of_asked, before, after in zip(galleries, asked, odds, told, strict=True):
        mixed = before.copy()
        mixed[of_asked.rows] = after[of_asked.rows]
        labelled.append(mixed[own.rows])
    made = CrossEncoder(fitted[2], decider, width, settings.asks_given)
    return made, np.concatenate(labelled), last


def _find_width(
    galleries: list[LabelledPairs],
    odds: list[NDArray[np.float32]],
    settings: PairSettings,
) -> float:
    """Return the largest distance of log-odds from 0 of an uncertain pair."""
    share = 1.0 if settings.asks_given else _LARGEST_SHARE
    of_first = [
        np.abs(x) for own, x in zip(galleries, odds, strict=True) if own.partition == 0
    ]
    return float(np.quantile(np.concatenate(of_first), share))


def _narrow_to(
    own: LabelledPairs, odds: NDArray[np.float32], width: float
) -> LabelledPairs:
    """Return the labelled pairs of the first partition that are uncertain."""
    rows = np.arange(len(odds))[own.rows]
    is_kept = (np.abs(odds[rows]) <= width) & (own.partition == 0)
    other = None if own.other_fold is None else own.other_fold[is_kept]
    return own._replace(
        rows=rows[is_kept], is_match=own.is_match[is_kept], other_fold=other
    )


def _fit(
    uncertain: list[LabelledPairs], settings: PairSettings, half: int | None
) -> Any:
    """Fit a copy on the uncertain pairs of all folds but a half; None if it cannot."""
    texts, answers = [], []
    for own in uncertain:
        is_taught = np.full(len(own.rows), own.fold % 2 != half)
        if own.other_fold is not None:
            is_taught &= own.other_fold % 2 != half
        rows = own.rows[is_taught]
        texts.append(read_pairs(own.pairs.context, own.pairs.indices, rows))
        answers.append(own.is_match[is_taught])
    is_match = np.concatenate(answers)
    if is_match.all() or not is_match.any():
        return None
    rng = np.random.default_rng(settings.seed)
    n_taught = _MOST_TAUGHT if half is None else _MOST_TAUGHT // 2
    drawn = np.sort(rng.permutation(len(is_match))[:n_taught])
    return clone(settings.cross_encoder).fit(
        np.concatenate(texts)[drawn], is_match[drawn]
    )


def _narrow(
    uncertain: list[LabelledPairs],
    odds: list[NDArray[np.float32]],
    told: list[NDArray[np.float32]],
    width: float,
) -> float:
    """Return the smallest width at which the mean of both log-odds is about as good."""
    parts = list(zip(uncertain, odds, told, strict=True))
    is_match = np.concatenate([own.is_match for own in uncertain])
    before, after = (
        np.concatenate([part[k][part[0].rows] for part in parts]) for k in (1, 2)
    )
    distance = np.abs(before)

    def score(largest: float) -> float:
        mixed = np.where(distance <= largest, (before + after) / 2, before)
        precision, recall, _ = precision_recall_curve(is_match, mixed)
        return float((2 * precision * recall / (precision + recall).clip(1e-12)).max())

    least = score(width) - _LOSS
    for narrower in np.quantile(distance, _SHARES):
        if score(narrower) >= least:
            return float(narrower)
    return width
