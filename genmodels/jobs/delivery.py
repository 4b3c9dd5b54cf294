"""Hands the names of runs to workers, by huey: over SQLite beside the runs, or over Redis.

A message is no more than a run's name, as JSON. What is to be done stands in the run, so a message
that is lost is sent again, and one that is none of ours does no harm.
"""

import json
import logging
import sqlite3
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from huey import Huey, RedisHuey
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

from genmodels import paths
from genmodels.runs import schemas

from .limits import JobError, redis_url

CONNECT_SECONDS = 3
_TROUBLE = (redis.RedisError, OSError, sqlite3.Error)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""What SQLite says of a file that is damaged, none of its own, or of other tables."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""What it says while another process works on the file."""

log = logging.getLogger("genmodels.jobs")


class Names(Serializer):
    """Messages as plain JSON: no code runs when one is read."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps(data.args[0]).encode()

    def _deserialize(self, data: Any) -> Message:
        try:
            run_id = schemas.parse(bytes(data), str)
        except (ValueError, TypeError):
            log.warning("a message that names no run was dropped: %.80r", data)
            run_id = ""  # Whoever gets it looks for what waits, as for any other.
        return Message(None, f"{__name__}.{_train.__name__}", args=(run_id,))


class Storage(SqliteStorage):
    """A file of which nothing is missed: one that is damaged is made anew, and what waits is put
    back from the run folders. It is opened for each look, so that nobody keeps a file that was
    replaced."""

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


def queue() -> Huey:
    """The queue of this machine, or of all."""
    return _queue(redis_url(), paths.runs())[0]


def send(run_id: str) -> None:
    """Puts a run at the queue's end. Raises JobError when it cannot be reached."""
    try:
        _queue(redis_url(), paths.runs())[1](run_id)
    except _TROUBLE as error:
        raise _unreachable(error, " Nothing was queued.") from error


def pending() -> set[str]:
    """The names of runs that no worker has taken. Raises JobError when it cannot be told."""
    try:
        return {task.args[0] for task in queue().pending()}
    except _TROUBLE as error:
        raise _unreachable(error) from error


@lru_cache(maxsize=8)
def _queue(url: str | None, runs: Path) -> tuple[Huey, Any]:
    options = {"results": False, "serializer": Names()}
    if url:
        try:
            pool = redis.ConnectionPool.from_url(url, socket_connect_timeout=CONNECT_SECONDS)
        except ValueError as error:
            raise JobError(f"GENMODELS_REDIS_URL is no address of a Redis: {error}.") from error
        huey = RedisHuey("genmodels", connection_pool=pool, **options)
    else:
        paths.check_writable(runs)
        file = str(runs / ".queue.db")
        options |= {"storage_class": Storage, "filename": file, "strict_fifo": True}
        huey = Huey("genmodels", **options)
    return huey, huey.task()(_train)


def _train(run_id: str) -> None:
    from .worker import train_next

    train_next(run_id)


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
