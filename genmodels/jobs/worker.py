"""Trains what the queue delivers, one run at a time, each as a process group of its own.

A worker that was killed leaves its training alone at work; the next worker of its name waits
for that one to end before it takes another. The claim tells it: a trainer inherits the worker's,
which is held as long as one of the two lives, from before the trainer has loaded torch.
"""

import contextlib
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from .. import folders, runs, shapes
from ..errors import GenmodelsError, RunError
from . import waiting
from .limits import JobError, Limits, permission, redis_url

EMBEDDED = "app"
"""The name of the worker that the app itself keeps."""
GRACE_SECONDS = 15
"""From the request to stop to SIGTERM, and from there to SIGKILL: torch takes seconds to load."""
POLL_SECONDS = 0.3
KEEP_SECONDS = 2

log = logging.getLogger("genmodels.jobs")
_supervising = threading.Lock()
_children: list[subprocess.Popen] = []
"""The app's worker, or the one that ended last: kept to be collected."""


class _Own:
    """What this process is, where it is a worker."""

    name = EMBEDDED
    busy = threading.Event()


_own = _Own()


def work(name: str, parent: int | None = None) -> None:
    """Is the worker of that name until it is ended; with a parent, until that one has gone and
    nothing is left to do. Raises JobError when there is one of the name already."""
    from . import delivery  # Not needed by an app that only keeps a worker.

    _own.name = name
    folders.runs().mkdir(parents=True, exist_ok=True)
    try:
        with _worker_lock(name).acquire(blocking=False):
            # What waits is delivered again: a message may have been lost, the run is not.
            delivery.pending()
            for grave in folders.runs().glob(f"{runs.GRAVE}*"):  # Of one that was killed meanwhile.
                shutil.rmtree(grave, ignore_errors=True)
            threading.Thread(target=_keep_delivering, args=(parent,), daemon=True).start()
            adopt(name)
            delivery.queue().create_consumer(
                workers=1, periodic=False, max_delay=1.0, check_worker_health=False
            ).run()
    except Timeout as error:
        raise JobError(f"a worker named {name} is at work; give this one another name.") from error


def train_next(run_id: str) -> None:
    """Trains what waits: the run with the smallest ticket that no other worker has.

    That is the named one, unless messages were lost and sent again; nothing when none waits.
    """
    for run in waiting():
        try:
            # Longer than it takes to see whether it is claimed.
            with runs.claim(run.path).acquire(timeout=0.3) as claim:
                if run.path.exists() and run.status().state == "waiting":
                    _attend(run.path, _spawn(run, claim))
                    return
        except (Timeout, RunError, OSError) as error:
            # Another worker has it, or it was deleted just now, or is damaged: the others wait on.
            log.info("%s is not trained here: %s", run.id, error)
    log.info("%s does not wait any more", run_id)


def adopt(name: str) -> None:
    """Waits for the training that an earlier worker of this name left behind."""
    for path in folders.runs().glob("*/trainer.json"):
        trainer = _read(path)
        try:
            if trainer and trainer["worker"] == name and runs.is_claimed(path.parent):
                log.info("%s goes on in process %s", path.parent.name, trainer["pid"])
                _attend(path.parent, None)
        except RunError as error:
            log.warning("%s", error)


def supervise() -> None:
    """Keeps a worker beside the app, in a thread, where training is allowed and no Redis is
    named: then the workers are elsewhere."""
    if permission() == "off" or redis_url():
        return

    def keep() -> None:
        while True:
            try:
                keep_worker()
            except OSError as error:  # A full disk, say: there may be room in a moment.
                log.error("no worker could be started: %s", error)
            time.sleep(KEEP_SECONDS)

    threading.Thread(target=keep, daemon=True, name="genmodels worker").start()


def keep_worker() -> None:
    """Starts the app's worker unless there is one, of this app or of another."""
    with _supervising:
        if any(child.poll() is None for child in _children):
            return
        folders.runs().mkdir(parents=True, exist_ok=True)
        try:
            with _worker_lock(EMBEDDED).acquire(blocking=False):
                pass
        except Timeout:
            return
        options = [f"--name={EMBEDDED}", f"--parent={os.getpid()}"]
        with _log("worker").open("ab") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "genmodels.jobs", *options],
                cwd=folders.REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[:] = [child]


def _keep_delivering(parent: int | None) -> None:
    """Puts back what waits and is in no message, and ends a worker whose app has gone."""
    from . import delivery

    while True:
        try:
            queue, sent = waiting(), delivery.pending()
            for run in queue:
                if run.id not in sent and not _is_taken(run):
                    delivery.send(run.id)
            if parent and os.getppid() != parent and not queue and not _own.busy.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
        except GenmodelsError as error:
            log.warning("%s", error)
        time.sleep(KEEP_SECONDS)


def _is_taken(run: runs.Run) -> bool:
    """Whether a worker has it, or none can take it."""
    try:
        return runs.is_claimed(run.path)
    except RunError:
        return True


def _spawn(run: runs.Run, claim: BaseFileLock) -> subprocess.Popen:
    name = run.info["recipe_name"] or ""  # Of no recipe the trainer says so.
    command = [sys.executable, str(folders.REPOSITORY / "train.py"), name]
    inherited = claim._context.lock_file_fd
    assert inherited is not None
    with _log(run.id).open("ab") as file:
        process = subprocess.Popen(
            [*command, "--resume", f"--run-dir={run.path}"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[inherited],
        )
    trainer = {"worker": _own.name, "pid": process.pid, "host": platform.node()}
    try:
        runs.write_json(run.path / "trainer.json", trainer)
    except BaseException:  # Nobody would look after it.
        process.kill()
        process.wait()
        raise
    return process


def _attend(folder: Path, process: subprocess.Popen | None) -> None:
    """Until the training is over; sees to it that it is, once that was asked for.

    `process` is None for one that another worker started.
    """
    trainer = _read(folder / "trainer.json")
    pid = process.pid if process else trainer["pid"] if trainer else None
    latest = time.monotonic() + 60 * Limits.from_environment().minutes
    signals = [signal.SIGTERM, signal.SIGKILL]
    asked = None
    _own.busy.set()
    try:
        while process.poll() is None if process else runs.is_claimed(folder):
            now = time.monotonic()
            if now > latest and asked is None:
                minutes = Limits.from_environment().minutes
                runs.request_stop(folder, f"stopped at the limit of {minutes:,} minutes")
            if asked is None and (folder / "stop").exists():
                asked = now
            if asked is not None and signals and now > asked + GRACE_SECONDS:
                asked = now
                _signal(pid, signals.pop(0))
            time.sleep(POLL_SECONDS)
        if folder.exists():
            _settle(folder)
    finally:
        _own.busy.clear()


def _settle(folder: Path) -> None:
    """Gives a run an end whose trainer ended before it could write one."""
    run = runs.open_run(folder)
    status = run.status()
    if status.state != "waiting":
        return
    ended = partial(runs.Status, epoch=status.epoch, epochs=status.epochs)
    asked = runs.stop_request(folder)
    if asked:
        runs.write_status(folder, ended("stopped", asked))
        return
    log_file = _log(run.id)
    said = log_file.read_text("utf-8", errors="replace").split("\n") if log_file.exists() else []
    last = next((line for line in reversed(said) if line.strip()), "it said nothing")
    reason = f"the training ended at once: {last.removeprefix('train.py: ')}"
    runs.write_status(folder, ended("failed", reason))


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):  # It ended just now.
            os.killpg(pid, number)


def _worker_lock(name: str) -> FileLock:
    return FileLock(folders.runs() / f".worker-{name}.lock")


def _log(name: str) -> Path:
    path = folders.cache() / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _read(path: Path) -> dict | None:
    """Who trains a run; None where that cannot be told."""
    try:
        return shapes.parse(path.read_bytes(), shapes.Trainer)
    except (OSError, ValueError):
        return None
