"""A folder of files that is whole at every moment, with a hash of each file.

The manifest ``skmatch.json`` names every file. A file is named by the hash of what it
holds, so that new files never overwrite old ones:

1. Delete what an interrupted save left: our files that the manifest does not name.
2. Write the new files, each beside its place, and move it there.
3. Replace the manifest: from here on the new files count.
4. Delete the old files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Self

MANIFEST = "skmatch.json"
LARGEST_MANIFEST = 2**26  # bytes; arrays and long texts are in files of their own
_FILE_NAME = re.compile(r"[0-9a-f]{32}\.(npy|safetensors|skops)")
_UNFINISHED = ".skmatch-"


class FolderWriter:
    """Write files into a folder, and at last the manifest that names them.

    It is a context: leaving it by an exception deletes what was written.
    """

    def __init__(self, folder: Path) -> None:
        self._is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.files: dict[str, dict[str, Any]] = {}
        _delete_leftovers(folder, _named_by_manifest(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            return
        _delete_leftovers(self._folder, _named_by_manifest(self._folder))
        if self._is_new and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def add(self, suffix: str, write: Callable[[IO[bytes]], object]) -> str:
        """Write a file by a function; return its name."""
        path = write_beside(self._folder, write)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            name = f"{digest[:32]}.{suffix}"
            self.files[name] = {"bytes": path.stat().st_size, "sha256": digest}
            os.replace(path, self._folder / name)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return name

    def finish(self, content: dict[str, Any]) -> None:
        """Let the files that were added count, and delete all others of ours."""
        content = content | {"files": self.files}
        text = to_json(content | {"sha256": _digest(content)})
        if len(text) > LARGEST_MANIFEST:
            raise ValueError(
                f"The settings take {len(text)} bytes; expected at most "
                f"{LARGEST_MANIFEST}."
            )
        path = write_beside(self._folder, lambda file: file.write(text))
        sync_folder(self._folder)
        os.replace(path, self._folder / MANIFEST)
        sync_folder(self._folder)
        _delete_leftovers(self._folder, set(self.files))


class FolderReader:
    """Read files of a folder after checking that they are what was written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / MANIFEST
        self.content = _read_manifest(self.path)
        files = self.content.get("files")
        if not isinstance(files, dict) or not all(
            isinstance(entry, dict) for entry in files.values()
        ):
            raise ValueError(f"{self.path} has no list of files; expected one.")
        self._files: dict[str, dict[str, Any]] = files

    def read(self, name: Any, suffix: str) -> bytes:
        """Return what a file holds; raise if it is not as it was written."""
        path = self._folder / str(name)
        is_ours = isinstance(name, str) and _FILE_NAME.fullmatch(name)
        if not is_ours or not name.endswith(suffix) or name not in self._files:
            raise ValueError(
                f"{self.path} names the file {name!r}; expected the name of a "
                f"{suffix} file in its list."
            )
        try:
            size, expected = path.stat().st_size, self._files[name].get("bytes")
            if size != expected:
                raise ValueError(
                    f"{path} has {size} bytes; expected {expected}, as when it was "
                    "saved."
                )
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != self._files[name].get("sha256"):
            raise ValueError(
                f"{path} was altered: its SHA-256 is not the one in {MANIFEST}."
            )
        return content


def to_json(content: Any) -> bytes:
    """Return the one way in which we write settings as JSON."""
    return json.dumps(content, indent=1, allow_nan=False).encode()


def from_json(text: bytes, path: Path) -> Any:
    """Read settings; raise a ValueError whatever is wrong with them."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error


def _read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest that is, byte for byte, as it was written."""
    try:
        size = path.stat().st_size
        if size > LARGEST_MANIFEST:
            raise ValueError(
                f"{path} has {size} bytes; expected at most {LARGEST_MANIFEST}."
            )
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path.parent} is not a folder that skmatch.save wrote: {error}"
        ) from error
    content = from_json(text, path)
    if not isinstance(content, dict) or "sha256" not in content:
        raise ValueError(f"{path} is not one that skmatch.save wrote: it has no hash.")
    digest = content.pop("sha256")
    try:
        is_whole = to_json(content | {"sha256": digest}) == text
        is_whole = is_whole and digest == _digest(content)
    except (ValueError, RecursionError):  # such as NaN, or lists in lists without end
        is_whole = False
    if not is_whole:
        raise ValueError(f"{path} was altered: its SHA-256 is not the one in it.")
    return content


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(to_json(content)).hexdigest()


def _named_by_manifest(folder: Path) -> set[str]:
    """Return the files of an earlier save, if there is a whole one."""
    try:
        files = _read_manifest(folder / MANIFEST).get("files")
    except ValueError:
        return set()
    return set(files) if isinstance(files, dict) else set()


def _delete_leftovers(folder: Path, kept: set[str]) -> None:
    """Delete our files but those to keep. A file with another name is not ours."""
    for path in folder.iterdir():
        is_ours = _FILE_NAME.fullmatch(path.name) or path.name.startswith(_UNFINISHED)
        if is_ours and path.name not in kept:
            path.unlink(missing_ok=True)


def write_beside(folder: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Write a file that does not count yet; return where it is."""
    with NamedTemporaryFile(dir=folder, prefix=_UNFINISHED, delete=False) as file:
        try:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return Path(file.name)


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file that is whole, or as it was before, for those who may read others.

    A temporary file is for its owner alone; this one has the rights of what was there,
    or those that any new file has.
    """
    finished = write_beside(path.parent, write)
    if path.exists():
        rights = path.stat().st_mode & 0o777
    else:
        os.umask(mask := os.umask(0))
        rights = 0o666 & ~mask
    finished.chmod(rights)
    os.replace(finished, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlive a loss of power, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
