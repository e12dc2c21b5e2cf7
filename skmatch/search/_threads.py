"""How many threads BLAS and OpenMP use meanwhile, also where several threads search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = Lock()
_inside: list[int] = []  # what the threads that are inside ask for
_limits: list[Any] = []  # of BLAS; the first one knows what there was before


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Let BLAS and OpenMP use n threads meanwhile.

    OpenMP has a limit for each thread, BLAS one for the whole process. Of several
    threads that are inside, the smallest limit holds for BLAS, and the last one to
    leave restores what the first one found.
    """
    pools = ThreadpoolController()
    # A limit restores all pools of its controller, those that it leaves alone, too.
    openmp, blas = (pools.select(user_api=api) for api in ("openmp", "blas"))
    with openmp.limit(limits=n_threads):
        with _lock:
            if n_threads < min(_inside, default=n_threads + 1):
                _take_over(blas)
                _limits.append(blas.limit(limits=n_threads))
            _inside.append(n_threads)
        try:
            yield
        finally:
            with _lock:
                _inside.remove(n_threads)
                _take_over(blas)
                while _limits and not _inside:
                    _limits.pop().restore_original_limits()
                _take_over(blas)


def _take_over(blas: Any) -> None:
    """Let any thread set the limit: threadpoolctl gives that right to one alone."""
    for library in blas.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):  # of newer threadpoolctl
            library.clear_controlling_thread(force=True)
