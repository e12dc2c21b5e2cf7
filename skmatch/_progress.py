"""Progress bars of long steps, shown while an estimator that asks for them works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Step = TypeVar("Step")
_is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)
_SECONDS = 0.5  # a step that takes less has no bar


@contextmanager
def showing_progress(verbose: bool) -> Iterator[None]:
    """Show the bars of :func:`track` meanwhile, in this thread, if asked to."""
    token = _is_shown.set(bool(verbose) or _is_shown.get())
    try:
        yield
    finally:
        _is_shown.reset(token)


def track(
    steps: Iterable[Step], what: str, n_steps: int | None = None
) -> Iterable[Step]:
    """Return the steps, with a bar on stderr of how many are done if it is asked for.

    `what` names the bar, and `n_steps` tells their number where `steps` has no len.
    """
    if not _is_shown.get():
        return steps
    from tqdm.auto import tqdm

    return tqdm(steps, desc=what, total=n_steps, delay=_SECONDS, leave=None)
