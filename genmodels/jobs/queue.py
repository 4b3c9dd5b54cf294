"""The messages that say which run is trained next: huey's storage, over SQLite beside the runs, or
over Redis for the workers of several machines.

A message is a run's name, as JSON. What a crash lost is put back from the run folders, which say
what waits: when a worker starts and after each of its trainings, when the queue can be reached
again, and when its file was damaged.
"""

import json
import logging
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from huey.storage import RedisStorage, SqliteStorage

from genmodels import paths, runs
from genmodels.errors import RunError
from genmodels.runs import schemas

from .limits import JobError, redis_url
from .waiting import waiting

T = TypeVar("T")
CONNECT_SECONDS = 3
_TROUBLE = (redis.RedisError, OSError, sqlite3.Error)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""What SQLite says of a file that is damaged, none of its own, or of other tables."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""What it says while another process works on the file."""

log = logging.getLogger("genmodels.jobs")


class Storage(SqliteStorage):
    """A file that is made anew where it is damaged. It is opened for each look, so that nobody
    keeps a file that was replaced."""

    made_anew = False
    """Whether its messages are lost, and have to be put back."""

    def db(self, commit: bool = False, close: bool = False) -> Any:
        return super().db(commit, close=True)

    def _create_connection(self) -> sqlite3.Connection:
        try:
            return self._open()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # SQLite quotes the file in what it says of it, and what it quotes may be no text.
            damaged = isinstance(error, UnicodeDecodeError)
            if not damaged and _code(error) not in _BROKEN:
                raise
            log.warning("%s is damaged (%s) and made anew", self.filename, error)
            for ending in ("", "-wal", "-shm"):
                Path(f"{self.filename}{ending}").unlink(missing_ok=True)
            self.made_anew = True
            return self._open()

    def _set_journal_mode(self, conn: sqlite3.Connection) -> None:
        try:
            super()._set_journal_mode(conn)
        except BaseException:
            conn.close()  # Later it would take the new file's log away with its own.
            raise

    def _open(self) -> sqlite3.Connection:
        connection = super()._create_connection()
        try:
            for sql in self.ddl:
                connection.execute(sql)
            connection.execute("select id, queue, data, priority from task limit 1")
            [said] = connection.execute("pragma integrity_check(1)").fetchone()
            if said != "ok":
                error = sqlite3.DatabaseError(said)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
        except BaseException:
            connection.close()
            raise
        return connection


def check_address() -> None:
    """Raises JobError where GENMODELS_REDIS_URL is none, FolderError where no file can be."""
    _storage(redis_url(), paths.runs())


def send(run_id: str) -> None:
    """Puts a run at the queue's end. Raises JobError when it cannot be reached."""
    _reach(lambda storage: storage.enqueue(_message(run_id)), " Nothing was queued.")


def take() -> str | None:
    """The name of the run that is next, for this worker alone; None when there is none.

    Raises JobError when the queue cannot be reached.
    """
    data = _reach(lambda storage: storage.dequeue())
    return None if data is None else _name(data)


def pending() -> list[str]:
    """The names in the queue, the next one first. Raises JobError when it cannot be reached."""
    return [_name(data) for data in _reach(lambda storage: storage.enqueued_items())]


def put_back() -> None:
    """Writes the queue anew, from what the run folders say. Raises JobError.

    A run that is sent meanwhile may be in it twice; whoever gets it again finds that it does not
    wait any more.
    """

    def rewrite(storage: Any) -> None:
        storage.flush_queue()
        for run in waiting():
            if not _is_taken(run):
                storage.enqueue(_message(run.id))

    _reach(rewrite)


def _is_taken(run: runs.Run) -> bool:
    """Whether a worker has it, or none can take it."""
    try:
        return runs.is_claimed(run.path)
    except RunError:
        return True


def _name(data: Any) -> str:
    """The run that a message names; of no run where it names none."""
    try:
        return schemas.parse(bytes(data), str)
    except (ValueError, TypeError):
        log.warning("a message that names no run was dropped: %.80r", data)
        return ""


def _message(run_id: str) -> bytes:
    return json.dumps(run_id).encode()


def _reach(act: Callable[[Any], T], consequence: str = "") -> T:
    try:
        storage = _storage(redis_url(), paths.runs())
        found = act(storage)
    except _TROUBLE as error:
        raise _unreachable(error, consequence) from error
    if getattr(storage, "made_anew", False):
        storage.made_anew = False
        put_back()
    return found


@lru_cache(maxsize=8)
def _storage(url: str | None, folder: Path) -> Any:
    if url:
        try:
            pool = redis.ConnectionPool.from_url(url, socket_connect_timeout=CONNECT_SECONDS)
        except ValueError as error:
            raise JobError(f"GENMODELS_REDIS_URL is no address of a Redis: {error}.") from error
        return RedisStorage("genmodels", connection_pool=pool)
    paths.check_writable(folder)
    return Storage("genmodels", filename=str(folder / ".queue.db"), strict_fifo=True)


def _unreachable(error: Exception, consequence: str = "") -> JobError:
    url = redis_url()
    if url is None:
        if _code(error) in _BUSY:
            return JobError(f"the queue is busy; try again in a moment.{consequence}")
        if _code(error) == sqlite3.SQLITE_FULL:
            return JobError(f"the disk of {paths.runs()} is full; make room on it.{consequence}")
        return JobError(
            f"the queue in {paths.runs()} cannot be used ({error}); make the folder and its "
            f"files .queue.db* writable for this user.{consequence}"
        )
    # Not the whole address: it may hold a password.
    place = urlsplit(url)
    return JobError(
        f"the queue's Redis at {place.hostname}:{place.port or 6379} cannot be reached; start it, "
        f"or mend GENMODELS_REDIS_URL.{consequence}"
    )


def _code(error: Exception) -> int:
    """What SQLite calls an error, without its details."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
