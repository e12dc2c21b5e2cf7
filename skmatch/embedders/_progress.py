"""How a training goes: a progress bar and a TensorBoard log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any


@contextmanager
def show_progress(
    n_batches: int, verbose: bool, log_dir: str | os.PathLike[str] | None
) -> Iterator[tuple[Callable[[int], object], Callable[[dict[str, float]], object]]]:
    """Give what to call with a number of batches done, and with the row of an epoch."""
    from tqdm.auto import tqdm

    log_context: Any = nullcontext() if log_dir is None else _open_log(log_dir)
    bar_context = tqdm(total=n_batches, disable=not verbose, unit="batch")
    with log_context as log, bar_context as bar:

        def on_epoch(row: dict[str, float]) -> None:
            bar.set_postfix(loss=row["loss"], validation_f1=row["validation_score"])
            for name in row.keys() - {"epoch"} if log is not None else ():
                log.add_scalar(name, row[name], row["epoch"])

        yield bar.update, on_epoch


def _open_log(log_dir: str | os.PathLike[str]) -> Any:
    """Open a TensorBoard log."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "log_dir needs TensorBoard: pip install 'skmatch[tensorboard]'"
        ) from error
    return SummaryWriter(os.fspath(log_dir))
