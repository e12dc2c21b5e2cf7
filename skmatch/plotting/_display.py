"""What all Displays have: their axes, and colours that everyone can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# After Okabe and Ito: told apart by the colour-blind; the contrast is 3.4 or more on
# white and on black.
SAME, OTHER, THIRD = "#1F83CC", "#D55E00", "#009E73"
CURVES = (SAME, OTHER, THIRD, "#B8609A")
NEUTRAL = "0.5"  # a grey between both


class DisplayMixin:
    """Hold the axes and the figure of a Display."""

    ax_: Any
    figure_: Any

    def _begin(self, ax: Any, size: tuple[float, float] = (6.4, 4.8)) -> Any:
        """Set and return the axes: those given, or of a new figure (size in inches)."""
        pyplot = import_pyplot(type(self).__name__)
        if ax is None:
            _, ax = pyplot.subplots(figsize=size, layout="constrained")
        elif not isinstance(ax, pyplot.Axes):
            raise ValueError(f"ax={ax!r:.50}; expected Axes of matplotlib, or None.")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


def import_pyplot(needed_by: str) -> Any:
    """Return matplotlib.pyplot; raise with the command that installs it."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs matplotlib: pip install 'skmatch[plot]'."
        ) from error
    return matplotlib.pyplot


def next_colour(ax: Any, gid: str) -> str:
    """Return the colour of a further curve; those there are known by their gid."""
    n_curves = sum(line.get_gid() == gid for line in ax.lines)
    return CURVES[n_curves % len(CURVES)]


def thin_out(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.intp]:
    """Return which points of a curve to draw: those that the eye can tell apart.

    Of neighbours that are less than a thousandth of both axes apart, the last is kept:
    a curve of all scores of a gallery would have as many points as pairs.
    """
    cells = [np.round(1000 * (v - v.min()) / (np.ptp(v) or 1)) for v in (x, y)]
    return np.flatnonzero(np.append(np.diff(cells).any(axis=0), True))


def shorten(title: str, length: int) -> str:
    """Return a title on one line, cut after so many characters."""
    line = " ".join(title.split()).encode(errors="replace").decode()  # half a pair: ?
    return line if len(line) <= length else f"{line[: length - 1]}…"
