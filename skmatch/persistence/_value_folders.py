"""Named values in a folder of their own, which is whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skmatch.persistence._folder import (
    MANIFEST,
    FolderReader,
    FolderWriter,
    sync_folder,
)
from skmatch.persistence._values import Decoder, Encoder


def write_values(folder: Path, values: dict[str, Any]) -> None:
    """Write values to a folder; they take the place of those of an earlier call."""
    with FolderWriter(folder) as writer:
        writer.finish({"state": Encoder(writer).encode(values, "state")})
    sync_folder(folder.parent)


def read_values(folder: Path) -> dict[str, Any]:
    """Read the values of a folder; raise ValueError if they are not as written."""
    try:
        reader = FolderReader(folder)
        return dict(Decoder(reader, {}).decode(reader.content["state"]))
    except (ArithmeticError, AttributeError, LookupError, ValueError, TypeError) as e:
        raise ValueError(f"{folder} cannot be read ({e})") from e


def delete_values(folder: Path) -> None:
    """Delete the values of a folder, and the folder if nothing else is in it."""
    (folder / MANIFEST).unlink(missing_ok=True)
    with FolderWriter(folder):  # deletes the files, which count no more
        pass
    if not any(folder.iterdir()):
        folder.rmdir()
