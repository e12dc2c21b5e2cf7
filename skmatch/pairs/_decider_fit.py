"""How a decider is fitted: out of fold, on uncertain pairs, as few as will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from skmatch.evaluation import best_pair_f1
from skmatch.pairs._context import Level
from skmatch.pairs._cross_fit import LabelledPairs, cross_fit
from skmatch.pairs._decider import Decider, ask, is_uncertain, read_pairs
from skmatch.pairs._known_products import KnownProducts, compare_with_known
from skmatch.pairs._probabilities import log_odds

if TYPE_CHECKING:
    from skmatch.pairs._stacking import PairSettings, TrainingTitles

_LARGEST_SHARE = 0.1  # of the candidate pairs, that a cross-encoder may be asked about
_LOSS = 0.001  # of the F1 of labelled pairs, for which it is asked about fewer
_SHARES = (0.2, 0.4, 0.6, 0.8)  # of the uncertain pairs, that may be enough
_MOST_TAUGHT = 10_000  # pairs that it learns from

Odds = list[NDArray[np.float32]]  # of all pairs of each gallery


def fit_decider(
    training: TrainingTitles,
    galleries: list[LabelledPairs],
    said: list[Level],
    settings: PairSettings,
    n_before: int,
    cross_encoder: Any = None,
) -> tuple[Decider | None, list[NDArray[np.float32]], list[Level]]:
    """Fit a decider on what `n_before` levels say, the last of them `said`.

    1. Uncertain are, of all candidates of the first partition, those whose log-odds are
       nearest to 0; if it decides given pairs alone, all of these.
    2. A cross-encoder tells every second fold by a copy that was fitted on the labelled
       uncertain pairs of the others. Candidates of which the levels are surer are not
       asked about if that costs next to nothing. The copy in use is fitted on all. If
       it is given, fitted on none of the galleries, that one is asked.
    3. Given pairs are compared with known products. Each trains twice, once as if those
       of its own titles were not known.
    4. A classifier of this evidence is cross-fitted.

    Returns it, the evidence of all pairs of each gallery, and what is said in the end
    out of fold (of one fold alone, nothing that is of use). It is None if there is
    nothing to decide by: no known products, and uncertain pairs of a half that have all
    the same answer.
    """
    odds = [log_odds(level.propagated) for level in said]
    width = _find_width(galleries, odds, settings)
    decided = _narrow_all(galleries, odds, width)
    copies = [cross_encoder] * 2
    if cross_encoder is None and settings.cross_encoder is not None:
        *copies, cross_encoder = _fit_copies(decided, settings)
    columns = [np.empty((len(x), 0), np.float32) for x in odds]
    if cross_encoder is not None:
        answers = _ask_copies(copies, decided, odds)
        columns = [x[:, None] for x in answers]
        if not settings.asks_given:
            width = _narrow(decided, odds, answers, width)
            decided = _narrow_all(decided, odds, width)
    known = None
    if settings.asks_given:
        known = KnownProducts.of(training.fields, training.labels)
        known = known if len(known.names) else None
    if known is None and cross_encoder is None:
        return None, [], said
    told = [x[own.rows] for own, x in zip(decided, columns, strict=True)]
    times = [told]  # how often each pair trains, and with what
    if known is not None:
        times = [
            _compare_with(known, decided, said, told, hides_own=hides)
            for hides in (False, True)
        ]
    evidence = times[0]
    of_levels = [x[own.rows, None] for own, x in zip(decided, odds, strict=True)]
    seen = [
        np.column_stack(parts)
        for each in times
        for parts in zip(of_levels, each, strict=True)
    ]
    alone = [own._replace(rows=slice(None)) for own in decided] * len(times)
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    probabilities, fitted = cross_fit(classifier, seen, alone, np.concatenate)
    last = [
        _decide(own, level, p, settings, n_before)
        for own, level, p in zip(decided, said, probabilities, strict=False)
    ]
    made = Decider(fitted, cross_encoder, width, known, settings.asks_given)
    return made, _spread(decided, evidence, odds), last


def _compare_with(
    known: KnownProducts,
    decided: list[LabelledPairs],
    said: list[Level],
    told: list[NDArray[np.float32]],
    *,
    hides_own: bool,
) -> list[NDArray[np.float32]]:
    """Append what known products say of pairs to what is told of them already."""
    evidence = []
    for own, level, column in zip(decided, said, told, strict=True):
        products = known.find(own.pairs.context.beside.fields)
        graph, indices = level.of_left.graph, own.pairs.indices.at(own.rows)
        compared = compare_with_known(graph, indices, products, hides_own=hides_own)
        evidence.append(np.column_stack([column, compared]))
    return evidence


def _decide(
    own: LabelledPairs,
    level: Level,
    p: NDArray[np.float32],
    settings: PairSettings,
    n_before: int,
) -> Level:
    """Return what is said of a gallery once some pairs are decided."""
    probabilities = level.probabilities.copy()
    probabilities[own.rows] = p
    return own.pairs.context.propagate(
        n_before, probabilities, own.pairs.indices, settings.propagates
    )


def _spread(
    decided: list[LabelledPairs], evidence: list[NDArray[np.float32]], odds: Odds
) -> list[NDArray[np.float32]]:
    """Return the evidence of all pairs, 0 of those that are not decided."""
    spread = []
    for own, found, x in zip(decided, evidence, odds, strict=True):
        of_all = np.zeros((len(x), found.shape[1]), np.float32)
        of_all[own.rows] = found
        spread.append(of_all)
    return spread


def _find_width(
    galleries: list[LabelledPairs], odds: Odds, settings: PairSettings
) -> float:
    """Return the largest distance of log-odds from 0 of an uncertain pair."""
    if settings.asks_given:
        return float("inf")
    of_first = [
        np.abs(x) for own, x in zip(galleries, odds, strict=True) if own.partition == 0
    ]
    return float(np.quantile(np.concatenate(of_first), _LARGEST_SHARE))


def _narrow_all(
    galleries: list[LabelledPairs], odds: Odds, width: float
) -> list[LabelledPairs]:
    """Keep the labelled pairs of the first partition that are uncertain."""
    kept = []
    for own, x in zip(galleries, odds, strict=True):
        rows = np.arange(len(x))[own.rows]
        is_kept = is_uncertain(x[rows], width) & (own.partition == 0)
        other = None if own.other_fold is None else own.other_fold[is_kept]
        kept.append(
            own._replace(
                rows=rows[is_kept], is_match=own.is_match[is_kept], other_fold=other
            )
        )
    return kept


def _fit_copies(uncertain: list[LabelledPairs], settings: PairSettings) -> list[Any]:
    """Fit a cross-encoder without each half of the folds, and on all; else none."""
    copies = [fit_cross_encoder(uncertain, settings, half) for half in (0, 1, None)]
    return [None] * 3 if any(copy is None for copy in copies) else copies


def _ask_copies(
    copies: Sequence[Any], uncertain: list[LabelledPairs], odds: Odds
) -> Odds:
    """Return the log-odds that the copy without its half gives each labelled pair.

    What a copy knows of one partition it knows of all: only the first is told.
    """
    told = [x.copy() for x in odds]
    for own, answers in zip(uncertain, told, strict=True):
        answers[own.rows] = ask(copies[own.fold % 2], own.pairs, own.rows)
    return told


def fit_cross_encoder(
    uncertain: list[LabelledPairs],
    settings: PairSettings,
    half: int | None = None,
    held_out: LabelledPairs | None = None,
) -> Any:
    """Fit a copy on the uncertain pairs of all folds but a half; None if it cannot.

    One that takes pairs to validate with gets those that are held out.
    """
    texts, answers = [], []
    for own in uncertain:
        is_taught = np.full(len(own.rows), own.fold % 2 != half)
        if own.other_fold is not None:
            is_taught &= own.other_fold % 2 != half
        rows = own.rows[is_taught]
        texts.append(read_pairs(own.pairs.context, own.pairs.indices, rows))
        answers.append(own.is_match[is_taught])
    is_match = np.concatenate(answers)
    rng = np.random.default_rng(settings.seed)
    n_taught = _MOST_TAUGHT if half is None else _MOST_TAUGHT // 2
    drawn = np.sort(rng.permutation(len(is_match))[:n_taught])
    if is_match[drawn].all() or not is_match[drawn].any():
        return None
    apart: dict[str, Any] = {}
    if held_out is not None and has_fit_parameter(settings.cross_encoder, "X_val"):
        context, indices = held_out.pairs.context, held_out.pairs.indices
        apart["X_val"] = read_pairs(context, indices, held_out.rows)
        apart["y_val"] = held_out.is_match
    return clone(settings.cross_encoder).fit(
        np.concatenate(texts)[drawn], is_match[drawn], **apart
    )


def _narrow(
    uncertain: list[LabelledPairs], odds: Odds, told: Odds, width: float
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
        return best_pair_f1(mixed, is_match)

    least = score(width) - _LOSS
    for narrower in np.quantile(distance, _SHARES):
        if score(narrower) >= least:
            return float(narrower)
    return width
