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
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.catalogue._answers import Answers
from skmatch.catalogue._assignment import Change, Move
from skmatch.persistence import load, read_values, save, write_values

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
            if writes:
                self._delete_leftovers()
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise

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

    def titles_of_rows(self) -> tuple[NDArray[np.int64], list[str], list[list[Any]]]:
        """Return all rows, in order, with the title and the fields of each."""
        found = self._all(
            "SELECT row, title, fields, MIN(number) FROM listings GROUP BY row "
            "ORDER BY row"
        )
        rows = np.array([row for row, *_ in found], np.int64)
        titles = [title for _, title, *_ in found]
        return rows, titles, [json.loads(fields) for _, _, fields, _ in found]

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
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def _part(self, number: int) -> Path:
        return self.folder / "parts" / f"{number:08d}"

    def _delete_leftovers(self) -> None:
        """Delete the parts that do not count."""
        named = {
            self._part(number).name
            for (number,) in self._all("SELECT number FROM parts")
        }
        for path in (self.folder / "parts").glob("[0-9]*"):
            if path.name not in named:
                shutil.rmtree(path)

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self.folder / _DATABASE} cannot be read: {error}."
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
        kinds = database.execute("SELECT DISTINCT type FROM sqlite_schema").fetchall()
        query = "SELECT value FROM counters WHERE name = 'format'"
        found = database.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        database.close()
        raise ValueError(f"{path} is no catalogue: {error}.") from error
    if found != (FORMAT,) or not {kind for (kind,) in kinds} <= {"table", "index"}:
        database.close()
        raise ValueError(
            f"{path} has the format {found} and holds {sorted(kinds)}; expected format "
            f"{FORMAT}, tables and indices."
        )
    return database


def _lock(folder: Path) -> sqlite3.Connection:
    """Be the one that writes to a folder, until the connection is closed or killed."""
    lock = sqlite3.connect(folder / "writer.sqlite", isolation_level=None, timeout=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise ValueError(
            f"Another program writes to {folder} ({error}); expected one at a time. "
            "read_only=True reads beside it."
        ) from error
    return lock
