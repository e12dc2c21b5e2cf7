"""NeighbourhoodDisplay: a title with its matches and its near misses."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_scalar

from skmatch._matrices import as_csr
from skmatch._numbers import check_number
from skmatch.evaluation import encode_labels, unordered_pairs
from skmatch.plotting._display import NEUTRAL, OTHER, SAME, THIRD, DisplayMixin, shorten

_ROW = 0.34  # inches of height
_TITLE_LENGTH = 50
_MATCH = {"color": SAME, "linestyle": "-", "label": "match"}
_NEAR_MISS = {"color": NEUTRAL, "linestyle": "--", "label": "below the threshold"}
_SAME = {"color": THIRD, "marker": "o", "label": "the same product"}
_OTHER = {"color": OTHER, "marker": "X", "label": "another product"}
_UNKNOWN = {"color": NEUTRAL, "marker": "s", "label": "_not in the legend"}


class NeighbourhoodDisplay(DisplayMixin):
    """A title, its matches and its near misses, as a small graph.

    The title is on the left, and the titles of its highest scores on the right, the
    highest on top. A solid line is a match; a dashed one is below the threshold.

    Parameters
    ----------
    title : str
        The title in question.
    neighbours : list of str of length n_neighbours
        The titles around it.
    score : ndarray of shape (n_neighbours,), dtype float64
        Their scores with it, falling.
    threshold : float
        Smallest score of a match; a score exactly at it matches.
    is_same : ndarray of shape (n_neighbours,), dtype bool, or None, default=None
        Whether each is the same product as the title; None if that is not known.
    n_hidden_matches : int, default=0
        Number of further matches, which are not among the neighbours.
    gallery_size : int or None, default=None
        Number of rows that were matched with one another.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The line to each neighbour.
    nodes_ : list of matplotlib Line2D
        The point of each neighbour: a circle if it is the same product, a cross if it
        is not, and a square if that is not known.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ExplanationDisplay : Why two of the titles match, or do not.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch.plotting import NeighbourhoodDisplay
    >>> scores = np.array([[0, 0.9, 0.3], [0.9, 0, 0.8], [0.3, 0.8, 0]])
    >>> display = NeighbourhoodDisplay.from_scores(
    ...     scores, ["Tea 20 g", "tea 20 gr", "tea mug"], 0, 0.5
    ... )
    >>> display.neighbours
    ['tea 20 gr', 'tea mug']
    >>> display.score
    array([0.9, 0.3])
    """

    def __init__(
        self,
        title: str,
        neighbours: list[str],
        score: NDArray[np.float64],
        threshold: float,
        *,
        is_same: NDArray[np.bool_] | None = None,
        n_hidden_matches: int = 0,
        gallery_size: int | None = None,
    ) -> None:
        self.title = title
        self.neighbours = neighbours
        self.score = score
        self.threshold = threshold
        self.is_same = is_same
        self.n_hidden_matches = n_hidden_matches
        self.gallery_size = gallery_size

    @classmethod
    def from_scores(
        cls,
        score_graph: Any,
        titles: ArrayLike,
        index: int,
        threshold: float,
        y: ArrayLike | None = None,
        *,
        n_neighbours: int = 10,
        ax: Any = None,
    ) -> Self:
        """Draw a title of a gallery, and those of its highest scores.

        Parameters
        ----------
        score_graph : sparse or dense matrix of shape (n_samples, n_samples)
            Scores of pairs, as of ``matcher.score_graph(X)``. Of a pair that differs
            from its mirror image, the larger score counts; the diagonal does not.
        titles : array-like of str of shape (n_samples,)
            The titles of the rows.
        index : int
            The row of the title in question, in ``[0, n_samples)``.
        threshold : float
            Smallest score of a match, rounded to float32; a score exactly at it
            matches.
        y : array-like of shape (n_samples,) or None, default=None
            Product labels, int or str, by which the points tell what is right.
        n_neighbours : int, default=10
            Largest number of titles around it, at least 1.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure, as high as the titles need.

        Returns
        -------
        display : NeighbourhoodDisplay
            What is shown in the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `score_graph` is not square or a score is not finite, `titles` or `y`
            have not a value for each row, `index` is none of the rows, or another
            parameter is out of its range.
        """
        graph = as_csr(score_graph, "score_graph")
        n_rows = graph.shape[0]
        if graph.shape[1] != n_rows:
            raise ValueError(
                f"score_graph has shape {graph.shape}; expected a square matrix."
            )
        texts = _check_texts(titles, n_rows)
        check_scalar(index, "index", Integral, min_val=0, max_val=n_rows - 1)
        check_number(threshold, "threshold")
        check_scalar(n_neighbours, "n_neighbours", Integral, min_val=1)
        pairs = unordered_pairs(graph)
        pairs = pairs.take((pairs.left == index) | (pairs.right == index))
        order = np.argsort(-pairs.score, kind="stable")
        rows = (pairs.left + pairs.right - index)[order]
        shown, score = rows[:n_neighbours], pairs.score[order]
        n_matches = int(_is_match(score, threshold).sum())
        display = cls(
            texts[index],
            [texts[row] for row in shown],
            score[:n_neighbours],
            float(threshold),
            is_same=None if y is None else _find_same(y, n_rows, index, shown),
            n_hidden_matches=max(0, n_matches - len(shown)),
            gallery_size=n_rows,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure, as high as the titles need.

        Returns
        -------
        self : NeighbourhoodDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_shown = len(self.neighbours)
        middle = (n_shown - 1) / 2
        ax = self._begin(ax, (7.4, 1.6 + _ROW * n_shown))
        is_match = _is_match(self.score, self.threshold)
        self.lines_, self.nodes_ = [], []
        for place, title in enumerate(self.neighbours):
            line = _MATCH if is_match[place] else _NEAR_MISS
            node = _UNKNOWN
            if self.is_same is not None:
                node = _SAME if self.is_same[place] else _OTHER
            self.lines_ += ax.plot([0, 1], [middle, place], **line)
            self.nodes_ += ax.plot(1, place, linestyle="", markersize=8, **node)
            text = f"{self.score[place]:.3f}  {shorten(title, _TITLE_LENGTH)}"
            ax.annotate(
                text, (1, place), (9, 0), textcoords="offset points", va="center",
                parse_math=False,
            )  # fmt: skip
        ax.plot(0, middle, "o", color=_MATCH["color"], markersize=11)
        ax.set_title(self._describe(is_match), fontsize="medium", parse_math=False)
        ax.set(xlim=(-0.1, 3.2), ylim=(n_shown - 0.3, -0.7))
        ax.set_axis_off()
        drawn = {artist.get_label(): artist for artist in self.lines_ + self.nodes_}
        drawn.pop(_UNKNOWN["label"], None)
        if drawn:
            ax.legend(
                [*drawn.values()], [*drawn], loc="upper center", ncols=4,
                bbox_to_anchor=(0.5, 0),
            )  # fmt: skip
        return self

    def _describe(self, is_match: NDArray[np.bool_]) -> str:
        """Return the title in question, and how many titles match it."""
        n_matches = int(is_match.sum())
        said = f"matches at {self.threshold:.3g}: {n_matches + self.n_hidden_matches}"
        if self.n_hidden_matches:
            said += f", the best {n_matches} shown"
        if self.gallery_size is not None:
            said += f", gallery of {self.gallery_size:,} rows"
        return f"{shorten(self.title, _TITLE_LENGTH)}\n{said}"


def _is_match(score: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Tell which scores reach a threshold, as :func:`decide_matches` does."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        return score.astype(np.float32) >= np.float32(threshold)


def _check_texts(titles: Any, n_rows: int) -> list[str]:
    """Return titles as a list; raise unless there is a str for each row."""
    is_sequence = hasattr(titles, "__len__") and not isinstance(titles, str)
    texts = list(titles) if is_sequence else []
    if (
        len(texts) != n_rows
        or not is_sequence
        or not all(isinstance(text, str) for text in texts)
    ):
        raise ValueError(
            f"titles={titles!r:.50}; expected {n_rows} titles of type str, one for "
            "each row of score_graph."
        )
    return texts


def _find_same(
    y: ArrayLike, n_rows: int, index: int, others: NDArray[Any]
) -> NDArray[np.bool_]:
    """Tell which rows have the label of a row; raise unless each row has a label."""
    labels = encode_labels(y, "y")
    if len(labels) != n_rows:
        raise ValueError(
            f"y has {len(labels)} labels; expected {n_rows}, one for each row of "
            "score_graph."
        )
    return labels[others] == labels[index]
