"""One folder that is whole at every moment: a database, and arrays beside it.

- ``matcher/``: the fitted matcher, as `skmatch.save` wrote it
- ``catalogue.sqlite``: listings, answers, changes, and which parts count
- ``parts/<number>/``: what the titles of one call brought along: pairs and embeddings
- ``writer.sqlite``: locked by the one program that may write

A call first writes its part, then everything else in one transaction of SQLite: from
its end on, the part counts. A part that the database does not name is deleted by the
next program that writes.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.catalogue._answers import Answers
from skmatch.catalogue._assignment import Change, Move
from skmatch.persistence import (
    delete_values,
    load,
    read_values,
    save,
    sync_folder,
    write_values,
)

FORMAT = 1
_DATABASE = "catalogue.sqlite"
_SCHEMA = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value);
CREATE TABLE listings (
    number INTEGER PRIMARY KEY, id UNIQUE NOT NULL, title TEXT NOT NULL,
    fields TEXT NOT NULL, name BLOB NOT NULL, row INTEGER NOT NULL,
    product INTEGER NOT NULL
);
CREATE INDEX listings_by_name ON listings (name);
CREATE INDEX listings_by_product ON listings (product);
CREATE TABLE parts (number INTEGER PRIMARY KEY);
CREATE TABLE answers (one INTEGER, other INTEGER, is_same INTEGER NOT NULL,
    PRIMARY KEY (one, other));
CREATE TABLE changes (
    number INTEGER PRIMARY KEY, revision INTEGER NOT NULL, kind TEXT NOT NULL,
    product INTEGER NOT NULL, other INTEGER, listings TEXT NOT NULL
);
CREATE INDEX changes_by_revision ON changes (revision);
"""
_DEFINED = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"


class Counters(NamedTuple):
    """The last revision, and the next number of each kind; none is used twice."""

    revision: int = 0
    listing: int = 0
    row: int = 0
    product: int = 0
    part: int = 0


class Listing(NamedTuple):
    """A listing as it is kept."""

    number: int
    id: Any
    title: str
    fields: list[Any]
    name: bytes  # equal for equal titles and fields
    row: int
    product: int


class Update(NamedTuple):
    """What one call changes."""

    counters: Counters
    added: Sequence[Listing] = ()
    removed: Sequence[int] = ()  # numbers of listings
    products: Iterable[tuple[int, int]] = ()  # product and number of listings
    changes: Sequence[Change] = ()
    answers: Answers | None = None
    part: dict[str, Any] | None = None
    replaces_parts: bool = False


class Store:
    """The folder of a ProductCatalogue."""

    def __init__(self, folder: Path, *, writes: bool) -> None:
        self.folder = folder
        self._lock = _lock(folder) if writes else None
        try:
            self._database = _connect(folder / _DATABASE, writes=writes)
            self._check_settings()
            if writes:
                self._delete_leftovers()
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise

    def _check_settings(self) -> None:
        """Raise if the counters or the threshold are none."""
        counters, threshold = self.counters(), self.setting("threshold")
        is_count = all(isinstance(n, int) and 0 <= n < 2**62 for n in counters)
        if not is_count or not isinstance(threshold, float) or not 0 < threshold <= 1:
            raise ValueError(
                f"{self.folder / _DATABASE} was altered: it has {counters} and the "
                f"threshold {threshold!r:.50}."
            )

    @staticmethod
    def exists(folder: Path) -> bool:
        """Tell whether there is a catalogue in a folder."""
        return (folder / _DATABASE).exists()

    @staticmethod
    def create(folder: Path, matcher: Any, settings: dict[str, Any]) -> None:
        """Make a catalogue without a listing; it is there when the database is."""
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
        try:
            if Store.exists(folder):
                raise ValueError(f"{folder} has a catalogue; expected none.")
            (folder / "parts").mkdir(exist_ok=True)
            if any((folder / "parts").iterdir()):
                raise ValueError(
                    f"{folder / 'parts'} has files of others; expected an empty folder."
                )
            save(matcher, folder / "matcher")
            unfinished = folder / f"{_DATABASE}.new"
            unfinished.unlink(missing_ok=True)
            with closing(sqlite3.connect(unfinished)) as database:
                database.executescript(_SCHEMA)
                named = {"format": FORMAT} | settings | Counters()._asdict()
                database.executemany(
                    "INSERT INTO counters VALUES (?, ?)", named.items()
                )
                database.commit()
            unfinished.replace(folder / _DATABASE)
            sync_folder(folder)
        finally:
            lock.close()

    def close(self) -> None:
        """Let another program write."""
        self._database.close()
        if self._lock is not None:
            self._lock.close()

    def load_matcher(self) -> Any:
        """Return the fitted matcher."""
        return load(self.folder / "matcher")

    def setting(self, name: str) -> Any:
        """Return a number that was set when the catalogue was made."""
        return self._one("SELECT value FROM counters WHERE name = ?", name)

    def counters(self) -> Counters:
        """Return the counters."""
        return Counters(*(self.setting(name) for name in Counters._fields))

    def arrays(self) -> NDArray[np.int64]:
        """Return the number, row and product of each listing: (3, n_listings)."""
        found = self._all("SELECT number, row, product FROM listings ORDER BY number")
        return np.array(found, np.int64).reshape(-1, 3).T

    def titles_of_rows(self) -> tuple[list[str], list[list[Any]]]:
        """Return the title and the fields of all rows, in order."""
        found = self._all(
            "SELECT row, title, fields, MIN(number) FROM listings GROUP BY row "
            "ORDER BY row"
        )
        titles = [title for _, title, *_ in found]
        try:
            fields = [json.loads(text) for _, _, text, _ in found]
            n_fields = {len(row) if isinstance(row, list) else None for row in fields}
        except (ValueError, RecursionError, TypeError) as error:
            raise ValueError(
                f"{self.folder / _DATABASE} was altered: fields are no JSON: {error}."
            ) from error
        if not all(isinstance(t, str) for t in titles) or not (
            n_fields == set() or (len(n_fields) == 1 and n_fields.isdisjoint({None, 0}))
        ):
            raise ValueError(
                f"{self.folder / _DATABASE} was altered: listings have {n_fields} "
                "fields; expected the same number, and a title of type str."
            )
        return titles, fields

    def parts(self) -> Iterator[dict[str, Any]]:
        """Yield what the titles brought along, in the order in which they came."""
        for (number,) in self._all("SELECT number FROM parts ORDER BY number"):
            yield read_values(self._part(number))

    def answers(self) -> Answers:
        """Return what people said."""
        found = self._all("SELECT one, other, is_same FROM answers")
        return Answers({(one, other): bool(same) for one, other, same in found})

    def rows_named(self, name: bytes) -> list[int]:
        """Return the rows whose title and fields have a name."""
        query = "SELECT DISTINCT row FROM listings WHERE name = ? ORDER BY row"
        return [row for (row,) in self._all(query, name)]

    def numbers_of(self, ids: list[Any]) -> list[int | None]:
        """Return the number of each listing id; None if there is no such listing."""
        query = "SELECT number FROM listings WHERE id = ?"
        return [self._one(query, listing_id) for listing_id in ids]

    def products_of(self, ids: list[Any]) -> list[int | None]:
        """Return the product of each listing id; None if there is no such listing."""
        query = "SELECT product FROM listings WHERE id = ?"
        self._database.execute("BEGIN")  # of one moment, whatever another one writes
        try:
            return [self._one(query, listing_id) for listing_id in ids]
        finally:
            self._database.execute("ROLLBACK")

    def ids_of(self, numbers: Iterable[int]) -> list[Any]:
        """Return the ids of listings."""
        query = "SELECT id FROM listings WHERE number = ?"
        return [self._one(query, number) for number in numbers]

    def products(self) -> dict[int, list[Any]]:
        """Return the listing ids of each product."""
        products: dict[int, list[Any]] = {}
        query = "SELECT product, id FROM listings ORDER BY product, number"
        for product, listing_id in self._all(query):
            products.setdefault(product, []).append(listing_id)
        return products

    def changes(self, since: int) -> list[Change]:
        """Return what happened after a revision."""
        query = (
            "SELECT revision, kind, product, other, listings FROM changes "
            "WHERE revision > ? ORDER BY number"
        )
        return [
            Change._make([*row[:4], json.loads(row[4])])
            for row in self._all(query, since)
        ]

    def write(self, update: Update) -> None:
        """Change everything, or nothing."""
        part = update.counters.part - 1
        if update.part is not None:
            write_values(self._part(part), update.part)
        with self._transaction() as database:
            database.executemany(
                "INSERT INTO listings VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((*row[:3], json.dumps(row.fields), *row[4:]) for row in update.added),
            )
            database.executemany(
                "UPDATE listings SET product = ? WHERE number = ?", update.products
            )
            database.executemany(
                "DELETE FROM listings WHERE number = ?",
                ((number,) for number in update.removed),
            )
            database.executemany(
                "INSERT INTO changes (revision, kind, product, other, listings) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    (*change[:4], json.dumps(change.listings))
                    for change in update.changes
                ),
            )
            if update.answers is not None:
                database.execute("DELETE FROM answers")
                database.executemany(
                    "INSERT INTO answers VALUES (?, ?, ?)",
                    ((*pair, same) for pair, same in update.answers.pairs.items()),
                )
            if update.replaces_parts:
                database.execute("DELETE FROM parts")
            if update.part is not None:
                database.execute("INSERT INTO parts VALUES (?)", (part,))
            database.executemany(
                "UPDATE counters SET value = ? WHERE name = ?",
                ((n, name) for name, n in update.counters._asdict().items()),
            )
        if update.replaces_parts:
            self._delete_leftovers()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
            self._database.execute("COMMIT")
        except BaseException as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise OSError(
                    f"{self.folder} cannot be written to: {error}."
                ) from error
            raise

    def _part(self, number: int) -> Path:
        return self.folder / "parts" / f"{number:08d}"

    def _delete_leftovers(self) -> None:
        """Delete the parts that do not count; nothing else in the folder is ours."""
        named = {
            self._part(number).name
            for (number,) in self._all("SELECT number FROM parts")
        }
        for path in _list_parts(self.folder):
            if path.name not in named:
                delete_values(path)

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ValueError(
                f"{self.folder / _DATABASE} cannot be read: {error}"
            ) from error

    def _one(self, query: str, *values: Any) -> Any:
        found = self._all(query, *values)
        return found[0][0] if found else None


def list_changes(
    moves: list[Move], numbers: NDArray[np.int64], revision: int, ids: dict[int, Any]
) -> list[Change]:
    """Return moves as changes, with the ids of their listings."""
    return [
        Change(
            revision,
            move.kind,
            move.product,
            move.other,
            [ids[number] for number in numbers[move.places].tolist()],
        )
        for move in moves
    ]


def _connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """Open a database that is not trusted: what it defines is not run."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a catalogue.")
    database = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        if writes:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
        else:
            database.execute("PRAGMA query_only = ON")
        with closing(sqlite3.connect(":memory:")) as ours:
            ours.executescript(_SCHEMA)
            expected = ours.execute(_DEFINED).fetchall()
        found = database.execute(_DEFINED).fetchall()
        if found != expected:
            raise ValueError(
                f"{path} is no catalogue of format {FORMAT}, or was altered: it "
                f"defines {sorted(set(found) ^ set(expected), key=repr)!r:.300}."
            )
        query = "SELECT value FROM counters WHERE name = 'format'"
        version = database.execute(query).fetchone()
        if version != (FORMAT,):
            raise ValueError(f"{path} has the format {version}; expected {FORMAT}.")
    except sqlite3.Error as error:
        database.close()
        raise ValueError(
            f"{path} cannot be read: {error}. A reader needs permission to write to "
            "the folder, too."
        ) from error
    except BaseException:
        database.close()
        raise
    return database


def _lock(folder: Path) -> sqlite3.Connection:
    """Be the one that writes to a folder, until the connection is closed or killed."""
    path = folder / "writer.sqlite"
    lock = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if error.sqlite_errorname == "SQLITE_BUSY":
            raise ValueError(
                f"{folder} is open to be written to, by this or another program; "
                "expected one at a time. read_only=True reads beside it."
            ) from error
        raise OSError(f"{path} cannot be locked: {error}.") from error
    return lock


def _list_parts(folder: Path) -> list[Path]:
    """Return the folders of parts, which are named by a number of eight digits."""
    parts = folder / "parts"
    if parts.is_symlink() or not parts.is_dir():
        raise ValueError(f"{parts} is no folder; expected one.")
    return [
        path
        for path in parts.iterdir()
        if re.fullmatch(r"\d{8,}", path.name)
        and path.is_dir()
        and not path.is_symlink()
    ]
