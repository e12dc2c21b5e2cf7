"""Why two titles match or do not: what each feature adds to the log-odds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.pairs._context import (
    Catalogue,
    CatalogueContext,
    PairContext,
    PairIndices,
)
from skmatch.pairs._explanation_display import describe_feature, to_html, to_text
from skmatch.pairs._features import read
from skmatch.pairs._model import DescribedPairs, PairModel, Replaced
from skmatch.pairs._pair_of_gallery import PairOfGallery, list_says
from skmatch.pairs._probabilities import log_odds

_N_SAYS = 4  # titles in the table
_OTHER_TITLES = "other_titles"  # what a level says of the pairs around


class TitleSay(NamedTuple):
    """What a title that is like the first one says of the second one.

    Attributes
    ----------
    title : str
        A match of the first title, or itself.
    weight : float
        Its weight in the average that propagation takes, in ``[0, 1]``.
    probability : float
        That it is the same product as the second title, in ``[0, 1]``: the mean over
        the matches of that one.
    """

    title: str
    weight: float
    probability: float


class PairExplanation(NamedTuple):
    """Why two titles match, as of :meth:`PairClassifierMatcher.explain`.

    Attributes
    ----------
    probability : float
        Probability in ``[0, 1]`` that the titles are the same product.
    contributions : list of (str, float, float)
        Name, value and contribution to the log-odds of each feature; the largest come
        first, and positive ones speak for a match.
    title_a, title_b : str
        The two titles.
    before_propagation : float
        The probability before it is averaged over the matches of both titles.
    says : tuple of TitleSay
        Of a pair of a gallery, whose say in the propagation was the largest.
    """

    probability: float
    contributions: list[tuple[str, float, float]]
    title_a: str = ""
    title_b: str = ""
    before_propagation: float = np.nan
    says: tuple[TitleSay, ...] = ()

    def __str__(self) -> str:
        """Return the words of both titles, and tables of the largest contributions."""
        return to_text(self)

    def _repr_html_(self) -> str:
        """Return the same as HTML, which a notebook shows."""
        return to_html(self)

    def compare_words(self) -> tuple[list[str], list[str], list[str]]:
        """Return the words of both titles and of either alone, as they are read.

        Returns
        -------
        shared, of_a, of_b : list of str
            Words in lower case, in the order of the title.
        """
        a, b = (title.lower().split() for title in (self.title_a, self.title_b))
        shared = [word for word in a if word in b]
        return shared, [w for w in a if w not in b], [w for w in b if w not in a]

    def to_frame(self) -> Any:
        """Return the contributions as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each feature, with the columns "feature", "value", "adds" and
            "meaning", which says what a feature of skmatch is.
        """
        import pandas as pd

        names = ["feature", "value", "adds"]
        frame = pd.DataFrame(self.contributions, columns=names)
        return frame.assign(meaning=[*map(describe_feature, frame["feature"])])


def explain_pair(
    model: PairModel,
    catalogue: Catalogue,
    titles: NDArray[np.object_],
    fields: NDArray[np.object_],
) -> PairExplanation:
    """Explain the probability of two titles beside a catalogue.

    Both are matched with the catalogue: what is around each of them.
    """
    describer = model.describer
    encoded = describer.encode(titles, fields)
    against = describer.describe(CatalogueContext(encoded, catalogue), n_threads=1)
    levels = [level.of_left for level in model.score(against)[0]]
    context = PairContext(
        encoded, catalogue.encoded, catalogue.counts, against.similarities, levels
    )
    return _explain(model, describer.describe(context, n_threads=1))


def explain_in_gallery(
    model: PairModel, gallery: Catalogue, row_a: int, row_b: int
) -> PairExplanation:
    """Explain the probability that two titles have in a gallery that was matched."""
    pair = PairIndices(np.array([row_a]), np.array([row_b]))
    context = PairOfGallery(gallery.encoded, gallery=gallery, pair=pair)
    explained = _explain(model, model.describer.describe(context, n_threads=1))
    among = gallery.levels[-1]
    titles = gallery.encoded.titles
    says = tuple(
        TitleSay(str(titles[say.row]), say.weight, say.probability)
        for say in list_says(among, pair, _N_SAYS)
    )
    if not context.is_candidate:  # it was never scored; others speak for it
        explained = explained._replace(before_propagation=0.0)
    return explained._replace(probability=float(among.at(*pair)[0]), says=says)


def _explain(model: PairModel, pair: DescribedPairs) -> PairExplanation:
    """Explain the probability of a pair in its context, before propagation.

    1. Score the pair as often as there are features and background pairs, each time
       with the value of another pair for one feature. What the levels say of the pair
       follows from it; so does what they add, through all of them.
    2. What a level says of other titles is replaced all at once.
    3. The mean of the log-odds is what is missing without the feature's own value.
    """
    levels, features = model.score(pair)
    values = read(features, slice(0, 1))[0]
    names = model.feature_names()
    groups = _group_features(model, names)
    background = model.background
    which = np.zeros((len(groups), len(names)), bool)
    for number, (_, columns) in enumerate(groups):
        which[number, columns] = True
    replaced = Replaced(
        np.repeat(which, len(background), axis=0), np.tile(background, (len(groups), 1))
    )
    many = pair.repeat(len(replaced.values))
    changed = log_odds(model.score(many, replaced)[0][-1].probabilities)
    probability = levels[-1].probabilities
    without = changed.reshape(len(groups), -1).mean(axis=1)
    added = log_odds(probability)[0] - without
    order = np.argsort(-np.abs(added), kind="stable")
    titles_a, titles_b = pair.context.left.titles, pair.context.right.titles
    a, b = (int(side[0]) for side in pair.indices)
    return PairExplanation(
        float(levels[-1].propagated[0]),
        [
            (groups[i][0], float(values[groups[i][1][0]]), float(added[i]))
            for i in order
        ],
        str(titles_a[a]),
        str(titles_b[b]),
        float(probability[0]),
    )


def _group_features(
    model: PairModel, names: list[str]
) -> list[tuple[str, NDArray[np.intp]]]:
    """Return the features that are replaced together, with a name.

    What the levels before said of the pair itself follows from its other features.
    """
    levels = [i for i, name in enumerate(names) if name.startswith("level")]
    own = [i for i in levels if names[i].removeprefix("level").isdecimal()]
    groups = [
        (name, np.array([i]))
        for i, name in enumerate(names)
        if i not in levels and name != "transferred"
    ]
    if levels:
        others = [i for i in reversed(levels) if i not in own]
        groups.append((_OTHER_TITLES, np.array(others)))
    return groups
