"""How far a training came, so that one that was killed goes on there."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from skmatch.persistence._folder import MANIFEST
from skmatch.persistence._value_folders import (
    delete_values,
    read_values,
    write_values,
)


class Checkpoint:
    """The state of one training, in a folder of its own that is named by a hash.

    Parameters
    ----------
    folder : str or path-like
        Holds the folders of all trainings.
    of : iterable
        What makes it this training and no other: parameters, titles, labels. A training
        of other titles, or by another version of skmatch or torch, has another folder.
    """

    def __init__(self, folder: str | os.PathLike[str], of: Iterable[Any]) -> None:
        digest = hashlib.sha256()
        for part in [version("skmatch"), version("torch"), *of]:
            digest.update(_as_bytes(part))
        self._path = Path(folder) / f"training-{digest.hexdigest()[:32]}"

    def load(self) -> dict[str, Any] | None:
        """Return the last state that was saved whole; None if there is none."""
        if not (self._path / MANIFEST).exists():
            return None
        try:
            return read_values(self._path)
        except ValueError as error:
            raise ValueError(f"{error}; delete it to train anew.") from error

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; one that is not whole never takes the place of another."""
        write_values(self._path, state)

    def delete(self) -> None:
        """Delete the state of a training that has ended."""
        if self._path.exists():
            delete_values(self._path)


def _as_bytes(value: Any) -> bytes:
    """Return bytes that are the same for equal values, in every process."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    if isinstance(value, (str, int, float, list, tuple, dict, os.PathLike, type(None))):
        return repr(value).encode("utf-8", "surrogatepass")
    return pickle.dumps(value, protocol=5)  # a loss, say; it is never read
