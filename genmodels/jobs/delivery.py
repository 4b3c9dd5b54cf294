"""Hands the names of runs to workers, by huey: over SQLite beside the runs, or over Redis.

A message says no more than a run's name, as JSON. What is to be done stands in the run.
"""

import json
import sqlite3
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from huey import Huey, RedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from .. import folders
from .limits import JobError, redis_url

CONNECT_SECONDS = 3
_TROUBLE = (redis.RedisError, OSError, sqlite3.Error)


class JSON(Serializer):
    """Messages as plain JSON: no code runs when one is read."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: Any) -> Message:
        return Message(*json.loads(bytes(data)))


def queue() -> Huey:
    """The queue of this machine, or of all."""
    return _queue(redis_url(), folders.runs())[0]


def send(run_id: str) -> None:
    """Puts a run at the queue's end. Raises JobError when it cannot be reached."""
    try:
        _queue(redis_url(), folders.runs())[1](run_id)
    except _TROUBLE as error:
        raise _unreachable(error) from error


def pending() -> set[str]:
    """The names of runs that no worker has taken. Raises JobError when it cannot be told."""
    try:
        return {task.args[0] for task in queue().pending()}
    except _TROUBLE as error:
        raise _unreachable(error) from error


@lru_cache(maxsize=8)
def _queue(url: str | None, runs: Path) -> tuple[Huey, Any]:
    options = {"results": False, "serializer": JSON()}
    if url:
        try:
            pool = redis.ConnectionPool.from_url(url, socket_connect_timeout=CONNECT_SECONDS)
        except ValueError as error:
            raise JobError(f"GENMODELS_REDIS_URL is no address of a Redis: {error}.") from error
        huey = RedisHuey("genmodels", connection_pool=pool, **options)
    else:
        runs.mkdir(parents=True, exist_ok=True)
        huey = SqliteHuey(
            "genmodels", filename=str(runs / ".queue.db"), strict_fifo=True, **options
        )
    return huey, huey.task(name="train")(_train)


def _train(run_id: str) -> None:
    from .worker import train_next

    train_next(run_id)


def _unreachable(error: Exception) -> JobError:
    url = redis_url()
    if url is None:
        return JobError(
            f"the queue in {folders.runs()} cannot be used ({error}); make it writable."
        )
    # Not the whole address: it may hold a password.
    place = urlsplit(url)
    return JobError(
        f"the queue's Redis at {place.hostname}:{place.port or 6379} cannot be reached; start it, "
        "or mend GENMODELS_REDIS_URL. Nothing was queued."
    )
