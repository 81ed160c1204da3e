"""The SQLite file that is the store's only truth: opened, locked, written in whole transactions, read beside.

WAL, synchronous=FULL: what a transaction wrote is on the disk when it returns. One connection writes, one thread at a
time; others read, each its own moment. Checkpoints are made by `checkpoint`, which the store's upkeep calls: a writer
never waits for one.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossfade.errors import StoreError
from crossfade.files import remove_tree
from crossfade.store import checksums, faults, log, read_only_disk, schema
from crossfade.store.segment import sync_directory

FILE = "crossfade.db"
LOCK_FILE = "lock"
COMPACTING = ".crossfade.db.compacting"
RESTORING = ".restoring"
PAGE_BYTES = 8192

_LEAST_SQLITE = (3, 37, 0)  # strict tables
_CACHE_KIB = 65_536  # of the writer
_READER_CACHE_KIB = 8_192
_MOST_IDLE_READERS = 8
_BACKUP_PAGES = 4096  # between two looks at signals
_BUSY_SECONDS = 5.0
_HOLD_SECONDS = 0.2
# How often the log is moved beside writers, unless so few pages come meanwhile. What was left after once took 16 to 26
# ms of a hundred writes a second, and takes 0.1 to 6 mostly.
_PASSES, _FEW_PAGES = 3, 16
# What a full disk, a read-only one, a locked or damaged file do not let happen is undone whole; say what it was.
_REMEDIES = {
    "SQLITE_FULL": "the disk is full: nothing of this call was taken; make room and send it again",
    "SQLITE_READONLY": "the database is read-only: nothing of this call was taken; check its permissions, and whether "
    "its disk is mounted read-only",
    "SQLITE_IOERR": "the disk gave an error: nothing of this call was taken; check the disk, its mount and its room",
    "SQLITE_BUSY": "another program holds the database locked: close it and try again",
    "SQLITE_LOCKED": "another program holds the database locked: close it and try again",
    # What may be written is looked at before: tables and their indexes do not say the same.
    "SQLITE_CONSTRAINT": "the database is damaged: restore the last backup (crossfade store restore)",
    "SQLITE_CORRUPT": "the database is damaged: restore the last backup (crossfade store restore)",
    "SQLITE_NOTADB": "it is not a crossfade store, or damaged: name another directory, or restore the last backup",
    "SQLITE_CANTOPEN": "the database cannot be opened: check the directory's permissions (to read a database, its "
    "directory must be writable too, unless a server has it open or the whole disk is read-only)",
}


class Database:
    """The database of one store directory, which no other process may have open."""

    def __init__(self, directory: Path) -> None:
        """Opens, makes and migrates it. Raises StoreError when that cannot be done."""
        if sqlite3.sqlite_version_info < _LEAST_SQLITE:
            least = ".".join(map(str, _LEAST_SQLITE))
            raise StoreError(f"Python's SQLite is {sqlite3.sqlite_version}, and the store needs {least} or newer")
        self._path = directory / FILE
        self._file = self._path.resolve()
        self._write_lock = threading.RLock()
        # A list, whose methods are atomic: Ctrl-C in the middle of a queue's leaves it locked.
        self._turnstile = threading.Lock()
        self._hold_readers_from = 0  # bytes of the log
        self._moved = log.NOTHING
        self._idle: list[sqlite3.Connection] = []
        self._closed = self._closing = False
        self._lock_file = _locked(directory)
        try:
            remove_compacting(directory)
            remove_tree(directory / RESTORING)
            with self.errors_told():
                self._writer = self._connect(_CACHE_KIB, check=True)
                try:
                    schema.migrate(self._writer)
                except BaseException:
                    self._writer.close()
                    raise
        except BaseException:
            os.close(self._lock_file)
            raise

    @property
    def path(self) -> Path:
        return self._path

    @property
    def file(self) -> Path:
        """Where it lies when `path` is a link: SQLite has the log beside it."""
        return self._file

    def _connect(self, cache_kib: int, *, check: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            if check:  # before anything is changed: it may be somebody else's
                self._check_kind(connection)
            self._configure(connection, cache_kib)
            checksums.tolerate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: sqlite3.Connection, cache_kib: int) -> None:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute("PRAGMA temp_store = MEMORY")

    def _check_kind(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != schema.APPLICATION_ID:
            raise StoreError(f"{self._path} is a database of another program: name another directory for the store")
        if version > len(schema.MIGRATIONS):
            raise StoreError(
                f"{self._path} has format {version}, and this crossfade knows formats up to {len(schema.MIGRATIONS)}: "
                "use the version of crossfade that wrote it, or a newer one"
            )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when the block ends, or never was. One thread at a time.

        Raises StoreError for what the disk refuses; the block's own errors undo the transaction as well.
        """
        with self._write_lock, self.errors_told():
            self.check_open()
            connection = self._writer
            if connection.in_transaction:  # Ctrl-C came before its last one was undone
                connection.execute("ROLLBACK")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors, a full disk among them.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that reads one moment throughout the block; writers do not wait for it."""
        with self.errors_told():
            self.check_open()
            with self._turnstile:
                pass
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect(_READER_CACHE_KIB)
                connection.execute("PRAGMA query_only = ON")
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if self._closed or len(self._idle) >= _MOST_IDLE_READERS:
                    connection.close()
                else:
                    self._idle.append(connection)

    def checkpoint(self, keep: int = 0) -> None:
        """Move what the log holds into the database, and begin it anew unless a reader needs it as it is.

        Most of it is moved while others write, and then what has come meanwhile; a writer waits for what is left.
        `keep`: bytes of its file that may stay, for what comes next is flushed sooner where the file need not grow: 0.1
        ms and not 4 on ext4, whose own journal takes no part then.
        """
        with self.errors_told():
            self.check_open()
            connection = self._connect(_READER_CACHE_KIB)
            try:
                before = 0
                for _ in range(_PASSES):
                    (_, _, moved) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if moved - before <= _FEW_PAGES:
                        break
                    before = moved
            finally:
                connection.close()
            with self._write_lock:
                self.check_open()
                if self._emptied(0, keep):
                    self._hold_readers_from = 0
                elif self.log_bytes() >= self._hold_readers_from:
                    # Where there always is some reader, the log would never be begun anew: others wait for them to
                    # end. One that takes long (a backup) costs the others that wait again when the log has doubled.
                    with self._turnstile:
                        emptied = self._emptied(_HOLD_SECONDS, keep)
                    self._hold_readers_from = 0 if emptied else 2 * self.log_bytes()

    def _emptied(self, patience: float, keep: int) -> bool:
        mode = "RESTART" if self._log_size() <= keep else "TRUNCATE"
        self._writer.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
        try:
            (busy, _, _) = self._writer.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        if not busy:
            self._moved = log.used(self._log_path)
        return not busy

    @property
    def _log_path(self) -> Path:
        return Path(f"{self.file}-wal")

    def _log_size(self) -> int:
        try:
            return self._log_path.stat().st_size
        except OSError:
            return 0

    def log_bytes(self) -> int:
        """What the log holds, as far as it was not moved yet or its place not used again."""
        found, moved = log.used(self._log_path), self._moved
        # Where it was moved whole, the next write begins the log anew: until then its frames stay.
        return found.size - moved.size if found.salts == moved.salts else found.size

    def backup(self, target: Path) -> None:
        """A copy of one moment, made while others write. `target` must not exist."""
        with self.errors_told(), self.reading() as source:
            # The moment is fixed by the first read; without it, every write meanwhile would begin the copy again.
            source.execute("SELECT count(*) FROM collections").fetchone()
            copy = sqlite3.connect(target, isolation_level=None)
            try:
                source.backup(copy, pages=_BACKUP_PAGES, sleep=0)
            finally:
                copy.close()

    def replace(self, copy: Path) -> None:
        """Close, and put another database in this one's place, for good when it returns. `copy`: flushed, beside it.

        Raises StoreError when another program reads this one: its log would be taken for the other's.
        """
        with self._write_lock, self.errors_told():
            self.check_open()
            while self._idle:
                self._idle.pop().close()
            (mode,) = self._writer.execute("PRAGMA journal_mode = DELETE").fetchone()
            if mode != "delete" or self._log_path.exists():
                raise StoreError(
                    f"another program reads {self._path}: try again when it has ended; nothing was changed"
                )
            self._closed = True
            self._writer.close()
            faults.passed("compact.closed")
            try:
                copy.replace(self._file)
                faults.passed("compact.renamed")
                sync_directory(self._file.parent)
            except OSError as error:
                raise StoreError(f"{self._path} cannot be replaced: {error.strerror or error}") from error
            finally:
                os.close(self._lock_file)

    def close(self) -> None:
        """Readers that are at work end first; the log is moved into the database."""
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            self._writer.close()
            os.close(self._lock_file)

    @property
    def is_closing(self) -> bool:
        """Whether nothing may begin any more."""
        return self._closing or self._closed

    def begin_close(self) -> None:
        """From now on nothing may begin; what has begun goes on."""
        self._closing = True

    def check_open(self) -> None:
        """Raises StoreError when it is closed, or about to be."""
        if self.is_closing:
            raise StoreError("the store is closed: open it again")

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        """SQLite's own errors as StoreError, with what to do."""
        with errors_told(self._path):
            yield


@contextmanager
def errors_told(path: Path) -> Iterator[None]:
    """SQLite's own errors with the database at `path` as StoreError, with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or ""
        remedy = next((said for start, said in _REMEDIES.items() if name.startswith(start)), None)
        if remedy is None and isinstance(error, sqlite3.ProgrammingError):
            raise
        raise StoreError(f"{path}: {error} ({name}); {remedy or 'check the disk'}") from error


def remove_compacting(directory: Path) -> None:
    """What a compaction that was killed has left, where the database lies."""
    folder = (directory / FILE).resolve().parent
    for path in (folder / COMPACTING, folder / f"{COMPACTING}-journal"):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _locked(directory: Path) -> int:
    """An open lock file, which the system lets go of when the process ends, however it does."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        read_only_disk.check_writable(directory / FILE)
        raise StoreError(
            f"the store {directory} cannot be opened: {error.strerror or error}; check its permissions, or name "
            "another directory"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(
            f"the store {directory} is open in another process: stop that one, or name another directory"
        ) from None
    return descriptor
