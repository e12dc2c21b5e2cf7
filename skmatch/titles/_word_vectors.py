"""Word vectors by name, path or object: looked up word by word, never copied whole."""

from __future__ import annotations

import gzip
import math
import mmap
import os
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skmatch.titles._gensim_save import read_array, read_gensim_save

Vectors = dict[str, NDArray[np.float32]]
# A .gz file may unpack to so many times its size, or to so many bytes. Vectors have a
# ratio of 1 to 10; that of zeros is 1000.
_LARGEST_RATIO = 100
_SMALLEST_BOUND = 2**24
_LONGEST_LINE = 2**20  # bytes of a word and its vector as text


class WordVectors(Protocol):
    """Word vectors that can be looked up."""

    vector_size: int

    def select(self, words: Iterable[str]) -> Vectors:
        """Return the vectors of those `words` that have one."""
        ...


def open_word_vectors(source: Any, *, download: bool = True) -> WordVectors:
    """Open gensim ``KeyedVectors``, a file of vectors or a gensim-downloader name.

    Without `download`, a name that has not been downloaded raises FileNotFoundError.
    """
    if hasattr(source, "key_to_index") and hasattr(source, "vectors"):
        return _VectorTable(source.key_to_index, source.vectors)
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError(
            f"word_vectors={source!r}; expected 'corpus', a path, a gensim-downloader "
            "name or a gensim KeyedVectors."
        )
    path = Path(source)
    if not path.is_file():
        if not isinstance(source, str) or path.exists():
            raise FileNotFoundError(f"word_vectors={source!r}: there is no such file.")
        path = _fetch(source, download)
    try:
        return _open_file(path, path.stat().st_mtime_ns)
    except (EOFError, OSError, OverflowError, MemoryError, zlib.error) as error:
        raise ValueError(
            f"word_vectors={str(path)!r} cannot be read: {error or repr(error)}"
        ) from error


def train_word_vectors(sentences: list[list[str]], seed: int) -> Vectors:
    """Train skip-gram vectors on tokenised titles with gensim, on one thread."""
    from gensim.models import Word2Vec

    # The vocabulary is built apart: gensim raises if no word is frequent enough.
    model = Word2Vec(
        vector_size=100, min_count=5, sg=1, epochs=10, workers=1, seed=seed
    )
    model.build_vocab(sentences)
    if model.wv.index_to_key:
        model.train(sentences, total_examples=len(sentences), epochs=model.epochs)
    return dict(zip(model.wv.index_to_key, model.wv.vectors, strict=True))


def _fetch(name: str, download: bool) -> Path:
    """Return the file of a gensim-downloader name, after a download if need be."""
    if os.sep in name or Path(name).suffix:
        raise FileNotFoundError(f"word_vectors={name!r}: there is no such file.")
    import gensim.downloader

    if not download:
        path = Path(gensim.downloader.BASE_DIR, name, f"{name}.gz")
        if not path.is_file():
            raise FileNotFoundError(f"word_vectors={name!r} has not been downloaded.")
        return path
    try:
        return Path(gensim.downloader.load(name, return_path=True))
    except (ValueError, OSError) as error:
        raise ValueError(
            f"word_vectors={name!r} is neither a file nor a name that the gensim "
            f"downloader could fetch: {error}"
        ) from error


@lru_cache(maxsize=1)
def _open_file(path: Path, modified: int) -> WordVectors:
    """Open a file of vectors; the last one stays open until its file changes."""
    with path.open("rb") as file:
        start = file.read(2)
    if start[:1] == b"\x80":  # the first byte of every pickle since protocol 2
        return _open_gensim_save(path)
    if start == b"\x1f\x8b":
        return _VectorFile(_unpack(path), path)
    if not start:
        raise ValueError(f"word_vectors={str(path)!r} is an empty file.")
    return _VectorFile(_map(path), path)


def _unpack(path: Path) -> bytearray:
    """Unpack a .gz file into memory, unless it is far larger than vectors would be."""
    most = max(_SMALLEST_BOUND, _LARGEST_RATIO * path.stat().st_size)
    content = bytearray()
    with gzip.open(path) as file:
        while part := file.read(2**20):
            content += part
            if len(content) > most:
                raise OverflowError(
                    f"it unpacks to more than {most} bytes: {_LARGEST_RATIO} times its "
                    f"size, or {_SMALLEST_BOUND} if that is more"
                )
    return content


class _VectorTable:
    """Vectors in a matrix, as gensim's KeyedVectors holds them."""

    def __init__(self, row_of: Mapping[str, int], vectors: NDArray[Any]) -> None:
        self._row_of, self._vectors = row_of, vectors
        self.vector_size = vectors.shape[1]

    def select(self, words: Iterable[str]) -> Vectors:
        """Return the vectors of those `words` that have one."""
        found = [word for word in words if word in self._row_of]
        rows = self._vectors[[self._row_of[word] for word in found]].astype(np.float32)
        for row in np.flatnonzero(~np.isfinite(rows).all(axis=1)):
            raise ValueError(f"The vector of {found[row]!r} in word_vectors holds NaN.")
        return dict(zip(found, rows, strict=True))


class _VectorFile:
    """A word2vec file, text or binary, of which only the offsets of the words are read.

    A vector is parsed when its word is asked for; an offset takes 16 bytes a word.
    """

    def __init__(self, content: Any, path: Path) -> None:
        self._content, self._path = content, path
        body = content.find(b"\n", 0, _LONGEST_LINE) + 1
        header = bytes(content[:body]).split()
        has_header = len(header) == 2 and all(
            field.isdigit() and len(field) < 20 for field in header
        )
        n_words = int(header[0]) if has_header else 0
        if has_header:
            self.vector_size = int(header[1])
        else:  # GloVe's own files: text without a header
            self.vector_size, body = len(header) - 1, 0
        # A number takes two bytes or more, as text with a space.
        if max(n_words, 1) * 2 * self.vector_size > len(content):
            raise OverflowError(
                f"{len(content)} bytes cannot hold {max(n_words, 1)} vectors of "
                f"{self.vector_size} numbers"
            )
        self._is_text = self._parse_text(body) is not None
        is_binary = has_header and content.find(b" ", body) >= 0
        if self.vector_size < 1 or not (self._is_text or is_binary):
            raise ValueError(
                f"word_vectors={str(path)!r} is neither a word2vec file (text or "
                "binary, plain or .gz) nor a save of gensim KeyedVectors."
            )
        find_offsets = self._text_offsets if self._is_text else self._binary_offsets
        hashes, starts = find_offsets(body)
        if len(hashes) < n_words:
            raise EOFError(
                f"it is cut off: {n_words} words in its header, {len(hashes)} in the "
                "file"
            )
        # Stable: of a word that stands twice, the first one counts, as in gensim.
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._starts = hashes[order], starts[order]

    def select(self, words: Iterable[str]) -> Vectors:
        """Return the vectors of those `words` that have one."""
        keys = {word: word.encode() for word in words}
        hashes = np.array([hash(key) for key in keys.values()], dtype=np.int64)
        firsts = np.searchsorted(self._hashes, hashes)
        found = {}
        for (word, key), wanted, index in zip(
            keys.items(), hashes, firsts, strict=True
        ):
            while index < self._hashes.size and self._hashes[index] == wanted:
                start = int(self._starts[index])
                if self._content[start : start + len(key) + 1] == key + b" ":
                    found[word] = self._vector(start, len(key), word)
                    break
                index += 1
        return found

    def _vector(self, start: int, word_length: int, word: str) -> NDArray[np.float32]:
        """Read the vector of the word that starts at `start`."""
        begin = start + word_length + 1
        if self._is_text:
            vector = self._parse_text(start)
        else:
            content = self._content[begin : begin + 4 * self.vector_size]
            vector = np.frombuffer(content, "<f4")
        if vector is None or not np.isfinite(vector).all():
            raise ValueError(
                f"word_vectors={str(self._path)!r}: the vector of {word!r} is broken; "
                f"expected {self.vector_size} finite numbers."
            )
        return vector.astype(np.float32)

    def _parse_text(self, start: int) -> NDArray[np.float32] | None:
        """Read the line at `start` as a word and its vector; None if it is not one."""
        longest = start + _LONGEST_LINE
        end = self._content.find(b"\n", start, longest)
        line = bytes(self._content[start : end if end >= 0 else longest])
        try:
            vector = np.array(line.partition(b" ")[2].split(), dtype=np.float32)
        except ValueError:
            return None
        return vector if vector.size == self.vector_size else None

    def _text_offsets(self, start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the hash and the start of the word of each line."""
        hashes, starts = [], []
        find, content = self._content.find, self._content
        while (space := find(b" ", start)) >= 0:
            hashes.append(hash(bytes(content[start:space])))
            starts.append(start)
            newline = find(b"\n", space)
            if newline < 0:
                break
            start = newline + 1
        return np.array(hashes, np.int64), np.array(starts, np.int64)

    def _binary_offsets(
        self, start: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the hash and the start of the word of each record."""
        hashes, starts = [], []
        find, content, size = self._content.find, self._content, 4 * self.vector_size
        while (space := find(b" ", start)) >= 0:
            while content[start] == ord("\n"):  # some writers end a record with one
                start += 1
            if space + 1 + size > len(content):
                break
            hashes.append(hash(bytes(content[start:space])))
            starts.append(start)
            start = space + 1 + size
        return np.array(hashes, np.int64), np.array(starts, np.int64)


def _open_gensim_save(path: Path) -> WordVectors:
    """Open what ``KeyedVectors.save`` wrote; nothing in it can run."""
    try:
        saved = read_gensim_save(_map(path))
        vectors = read_array(saved.get("vectors"))
        if vectors is None and "vectors" in saved.get("__numpys", ()):
            vectors = _map_array(Path(f"{path}.vectors.npy"))  # a large array's place
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"word_vectors={str(path)!r} is not a save of gensim KeyedVectors: {error}"
        ) from error
    if "key_to_index" not in saved:
        raise ValueError(
            f"word_vectors={str(path)!r} holds no key_to_index; expected a save of "
            "KeyedVectors by gensim >= 4 (of a whole model, save its .wv)."
        )
    if vectors is None:
        raise ValueError(
            f"word_vectors={str(path)!r} holds no vectors; write those of FastText "
            "with save_word2vec_format instead."
        )
    row_of, n_rows = saved["key_to_index"], len(vectors)
    if not isinstance(row_of, dict) or not all(
        type(row) is int and 0 <= row < n_rows for row in row_of.values()
    ):
        raise ValueError(
            f"word_vectors={str(path)!r} has words without a row among its "
            f"{n_rows} vectors."
        )
    return _VectorTable(row_of, vectors)


def _map(path: Path) -> mmap.mmap:
    """Map a file that is not empty into memory, to read from it what is needed."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _map_array(path: Path) -> NDArray[Any]:
    """Map a matrix of numbers in an .npy file, if its header says what it holds."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        is_first = version == (1, 0)
        read = (
            np.lib.format.read_array_header_1_0
            if is_first
            else (np.lib.format.read_array_header_2_0)
        )
        shape, _, dtype = read(file)
        n_bytes = path.stat().st_size - file.tell()
    if len(shape) != 2 or dtype.kind not in "fiu":
        raise ValueError(f"{path} holds {dtype} of shape {shape}; expected vectors")
    if math.prod(shape) * dtype.itemsize != n_bytes:
        raise ValueError(f"{path} has {n_bytes} bytes for an array of shape {shape}")
    return np.load(path, mmap_mode="r", allow_pickle=False)
