"""ExplanationDisplay: what each feature adds to the log-odds of a match."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar

from skmatch.pairs import PairExplanation
from skmatch.plotting._display import NEUTRAL, OTHER, SAME, DisplayMixin, shorten

_BAR = 0.34  # inches of height
_TITLE_LENGTH = 60


class ExplanationDisplay(DisplayMixin):
    """What speaks for a match of two titles, and what against it.

    There is a bar for each feature, the longest one on top: to the right if its value
    speaks for a match, to the left if against. All bars begin at 0, as contributions do
    not sum to the log-odds: features that say the same hide one another.

    Parameters
    ----------
    explanation : PairExplanation
        Why two titles match, as of :meth:`PairClassifierMatcher.explain`.
    n_features : int, default=10
        Number of features that are shown, those of the largest contributions.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The bars, in falling order of their length; each is a contribution to the
        log-odds.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    PairClassifierMatcher.explain : Explain a pair.
    NeighbourhoodDisplay : The titles around one of them.

    Examples
    --------
    >>> from skmatch import PairExplanation
    >>> from skmatch.plotting import ExplanationDisplay
    >>> explanation = PairExplanation(
    ...     0.75,
    ...     [("shared_words", 2.0, 1.5), ("quantities_differ", 1.0, -0.5)],
    ...     "Tea 20 g",
    ...     "tea 25 g",
    ... )
    >>> display = ExplanationDisplay.from_explanation(explanation)
    >>> display.bars_.datavalues
    array([ 1.5, -0.5])
    """

    def __init__(self, explanation: PairExplanation, *, n_features: int = 10) -> None:
        self.explanation = explanation
        self.n_features = n_features

    @classmethod
    def from_explanation(
        cls, explanation: PairExplanation, *, n_features: int = 10, ax: Any = None
    ) -> Self:
        """Draw an explanation.

        Parameters
        ----------
        explanation : PairExplanation
            Why two titles match, as of :meth:`PairClassifierMatcher.explain`.
        n_features : int, default=10
            Largest number of features that are shown, at least 1.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure, as high as the bars need.

        Returns
        -------
        display : ExplanationDisplay
            What is shown in the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `explanation` is another object or has no contribution, or `n_features`
            is below 1.
        """
        if not isinstance(explanation, PairExplanation):
            raise ValueError(
                f"explanation={explanation!r:.50}; expected a PairExplanation, as of "
                "PairClassifierMatcher.explain."
            )
        if not explanation.contributions:
            raise ValueError("explanation has no contributions; expected at least one.")
        check_scalar(n_features, "n_features", Integral, min_val=1)
        return cls(explanation, n_features=n_features).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure, as high as the bars need.

        Returns
        -------
        self : ExplanationDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        explained = self.explanation
        shown = explained.contributions[: self.n_features]
        ax = self._begin(ax, (7.4, 1.6 + _BAR * len(shown)))
        names, values, added = zip(*shown, strict=True)
        self.bars_ = ax.barh(
            range(len(shown)), added, color=[SAME if a > 0 else OTHER for a in added]
        )
        ax.bar_label(self.bars_, [f"{a:+.2f}" for a in added], padding=3)
        ax.axvline(0, color=NEUTRAL, linewidth=1)
        ax.set_yticks(
            range(len(shown)),
            [
                f"{name} = {value:.3g}"
                for name, value in zip(names, values, strict=True)
            ],
            parse_math=False,
        )
        ax.invert_yaxis()
        ax.margins(x=0.15)
        ax.set_xlabel("Change of the log-odds: below 0 against a match")
        ax.set_title(_describe(explained), fontsize="medium", parse_math=False)
        return self


def _describe(explained: PairExplanation) -> str:
    """Return the titles of a pair and its probability, a line each."""
    lines = [
        shorten(title, _TITLE_LENGTH)
        for title in (explained.title_a, explained.title_b)
    ]
    said = f"probability of a match: {explained.probability:.3f}"
    if not np.isnan(explained.before_propagation):
        said += f", {explained.before_propagation:.3f} before propagation"
    return "\n".join([*lines, said])
