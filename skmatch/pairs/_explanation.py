"""Why two titles match or do not: what each feature adds to the log-odds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.pairs._context import Catalogue, CatalogueContext, PairContext
from skmatch.pairs._features import read
from skmatch.pairs._model import PairModel, Replaced
from skmatch.pairs._probabilities import log_odds


class PairExplanation(NamedTuple):
    """Why two titles match, as of :meth:`PairClassifierMatcher.explain`.

    Attributes
    ----------
    probability : float
        Probability in ``[0, 1]`` that the titles are the same product.
    contributions : list of (str, float, float)
        Name, value and contribution to the log-odds of each feature; the largest come
        first, and positive ones speak for a match.
    """

    probability: float
    contributions: list[tuple[str, float, float]]

    def __str__(self) -> str:
        """Return a table of the ten largest contributions."""
        lines = [f"probability of a match: {self.probability:.3f}"]
        lines += [f"{'feature':32} {'value':>8} {'adds':>7}"]
        for name, value, added in self.contributions[:10]:
            lines.append(f"{name:32} {value:8.3f} {added:+7.2f}")
        return "\n".join(lines)


def explain_pair(
    model: PairModel,
    catalogue: Catalogue,
    titles: NDArray[np.object_],
    fields: NDArray[np.object_],
) -> PairExplanation:
    """Explain the probability of two titles beside a catalogue, before propagation.

    1. Match both titles with the catalogue: what is around each of them.
    2. Score the pair in this context.
    3. For each feature, score it again with the values of training pairs instead, and
       take the mean of the log-odds: what is missing without the feature's own value.
    """
    describer = model.describer
    encoded = describer.encode(titles, fields)
    against = describer.describe(CatalogueContext(encoded, catalogue), n_threads=1)
    levels = [level.of_left for level in model.score(against)[0]]
    context = PairContext(
        encoded, catalogue.encoded, catalogue.counts, against.similarities, levels
    )
    pair = describer.describe(context, n_threads=1)
    levels_of_pair, features = model.score(pair)
    probability = levels_of_pair[-1].probabilities
    many, added = pair.repeat(len(model.background)), []
    values = read(features, slice(0, 1))[0]
    for column in range(len(values)):
        changed, _ = model.score(many, Replaced(column, model.background[:, column]))
        without = log_odds(changed[-1].probabilities).mean()
        added.append(float(log_odds(probability)[0] - without))
    names = model.feature_names()
    order = np.argsort(-np.abs(added), kind="stable")
    return PairExplanation(
        float(probability[0]),
        [(names[i], float(values[i]), added[i]) for i in order],
    )
