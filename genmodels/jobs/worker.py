"""Trains what the queue names, one run at a time, each as a process group of its own.

A worker that was killed leaves its training alone at work; the next worker of its name waits
for that one to end before it takes another. The claim tells it: a trainer inherits the worker's,
which is held as long as one of the two lives, from before the trainer has loaded torch.
"""

import contextlib
import dataclasses
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from filelock import Timeout

from genmodels import paths, runs
from genmodels.errors import GenmodelsError, RunError
from genmodels.runs.locks import Lock

from . import check_places, logs, trainer
from .limits import JobError, Limits, permission, redis_url

EMBEDDED = "app"
"""The name of the worker that the app itself keeps."""
GRACE_SECONDS = 15
"""From the request to stop to SIGTERM, and from there to SIGKILL: torch takes seconds to load."""
POLL_SECONDS = 0.3
KEEP_SECONDS = 2
NOTED_EVERY = 10
"""Seconds between two notes of how long a run was trained."""
ENDINGS = {
    "SIGKILL": "most likely memory ran out; close other programs, or train with a smaller batch "
    "size or a smaller model",
    "SIGILL": "this processor lacks an instruction that this build of PyTorch uses; install "
    "another build of PyTorch",
    "SIGBUS": "memory or a disk could not be read any more, most likely because one is full; make "
    "room, then try again",
    "SIGSEGV": "PyTorch or a driver crashed; try again, or train with --device cpu",
    "SIGABRT": "PyTorch or a driver gave up; try again, or train with --device cpu",
}
"""What it usually means when a signal ended a trainer, and what to do."""

log = logging.getLogger("genmodels.jobs")
_supervising = threading.Lock()
_children: list[subprocess.Popen] = []
"""The app's worker, or the one that ended last: kept to be collected."""


class _Own:
    """What this process is, where it is a worker, and why it has none, where it keeps one."""

    name = EMBEDDED
    trouble = ""


_own = _Own()


def work(name: str, parent: int | None = None) -> None:
    """Is the worker of that name until it is ended; with a parent, until that one has gone and
    nothing is left to do. Raises JobError when there is one of the name already."""
    from . import queue  # Not needed by an app that only keeps a worker.

    _own.name = name
    Limits.from_environment()  # What is amiss there is said at once.
    paths.check_writable(paths.runs(), logs())
    queue.check_address()
    try:
        with _worker_lock(name).acquire(blocking=False):
            for grave in paths.runs().glob(f"{runs.GRAVE}*"):  # Of one that was killed meanwhile.
                shutil.rmtree(grave, ignore_errors=True)
            adopt(name)
            begun = False
            while True:
                try:
                    if not begun:  # The queue may have lost something.
                        queue.put_back()
                        begun = True
                    run_id = queue.take()
                    if run_id is not None:
                        # Meanwhile a Redis may have been restarted. Not after a refusal: what
                        # nobody can train would come first again and again.
                        begun = not train(run_id)
                    elif parent and os.getppid() != parent:
                        return
                    else:
                        time.sleep(POLL_SECONDS)
                except (GenmodelsError, OSError) as error:  # It may be over in a moment.
                    log.warning("%s This worker tries again.", error)
                    begun = False
                    time.sleep(KEEP_SECONDS)
    except Timeout as error:
        raise JobError(f"a worker named {name} is at work; give this one another name.") from error


def train(run_id: str) -> bool:
    """Trains a run that waits, and says so; not where it does not, or another worker has it.

    Raises JobError for limits that are none, before anything is started.
    """
    Limits.from_environment()
    try:
        run = runs.find(run_id)
    except RunError as error:
        log.info("%r is not trained here: %s", run_id, error)
        return False
    trained = False
    try:
        while run.path.exists() and run.status().state == "waiting":
            # Whoever changes it, in the app, has it for a moment only.
            with contextlib.suppress(Timeout), runs.claim(run.path).acquire(timeout=1) as claim:
                if run.path.exists() and run.status().state == "waiting":
                    trained = True
                    process = _spawn(run, claim)
                    try:
                        _attend(run.path, process)
                    except Exception:
                        # The claim ends here: another trainer would be let in beside this one.
                        _end(process)
                        raise
    except RunError as error:  # It was deleted just now, or is damaged: the others wait on.
        log.info("%s is not trained here: %s", run_id, error)
    except OSError as error:
        if run.status().state == "waiting":  # Not even that could be written.
            raise
        log.warning("%s could not be trained: %s", run_id, error)
    return trained


def adopt(name: str) -> None:
    """Waits for the training that an earlier worker of this name left behind."""
    for path in paths.runs().glob("*/trainer.json"):
        left = trainer(path.parent)
        try:
            if left and left["worker"] == name and runs.is_claimed(path.parent):
                log.info("%s goes on in process %s", path.parent.name, left["pid"])
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
                _own.trouble = ""
            except (GenmodelsError, OSError) as error:  # There may be room in a moment.
                if str(error) != _own.trouble:
                    log.error("no worker could be started: %s", error)
                _own.trouble = str(error)
            time.sleep(KEEP_SECONDS)

    threading.Thread(target=keep, daemon=True, name="genmodels worker").start()


def trouble() -> str:
    """Why the app's worker cannot be started; empty where it can."""
    return _own.trouble


def keep_worker() -> None:
    """Starts the app's worker unless there is one, of this app or of another."""
    with _supervising:
        if any(child.poll() is None for child in _children):
            return
        if _worker_lock(EMBEDDED).is_held():
            return
        check_places()
        options = [f"--name={EMBEDDED}", f"--parent={os.getpid()}"]
        with _log("worker").open("ab") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "genmodels", "worker", *options],
                cwd=paths.REPOSITORY,
                env=paths.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[:] = [child]


def _spawn(run: runs.Run, claim: Lock) -> subprocess.Popen:
    command = [sys.executable, "-m", "genmodels.jobs.trainer", str(run.path)]
    inherited = claim._context.lock_file_fd
    assert inherited is not None
    before = trainer(run.path) or {}
    process = None
    try:
        with _log(run.id).open("wb") as file:  # What was said of an earlier start is no reason now.
            process = subprocess.Popen(
                command,
                cwd=paths.REPOSITORY,
                env=paths.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[inherited],
            )
        now = {"worker": _own.name, "pid": process.pid, "host": platform.node()}
        now["seconds"] = before.get("seconds", 0.0)
        runs.write_json(run.path / "trainer.json", now)
    except BaseException as error:
        if process:  # Nobody would look after it.
            _end(process)
        if isinstance(error, OSError):  # Else it would wait for ever, and nobody knew why.
            _fail(run, f"the training could not be started ({error}); mend that, then resume it")
        raise
    return process


def _attend(folder: Path, process: subprocess.Popen | None) -> None:
    """Until the training is over; sees to it that it is, once that was asked for.

    `process` is None for one that another worker started.
    """
    minutes = Limits.from_environment().minutes
    known = trainer(folder)
    pid = process.pid if process else known["pid"] if known else None
    # The limit is that of a training, however often it was resumed.
    before = known.get("seconds", 0.0) if known else 0.0
    begun = noted = time.monotonic()
    signals = [signal.SIGTERM, signal.SIGKILL]
    asked, over = None, ""
    while process.poll() is None if process else runs.is_claimed(folder):
        now = time.monotonic()
        seconds = before + now - begun
        try:
            if asked is None and (folder / "stop").exists():
                asked = now
            if asked is None and seconds > 60 * minutes:
                asked, over = now, f"stopped at the limit of {minutes:,} minutes"
                runs.request_stop(folder, over)
            if now > noted + NOTED_EVERY:
                noted = now
                _note(folder, seconds)
        except OSError as error:  # A full disk, say; a trainer is never left alone over it.
            log.warning("%s: %s", folder.name, error)
        if asked is not None and signals and now > asked + GRACE_SECONDS:
            asked = now
            _signal(pid, signals.pop(0))
        time.sleep(POLL_SECONDS)
    if folder.exists():
        _note(folder, before + time.monotonic() - begun)
        _settle(folder, process.returncode if process else None, over)


def _note(folder: Path, seconds: float) -> None:
    """Keeps how long a run was trained, in all."""
    known = trainer(folder)
    if known and (folder / "recipe.json").exists():  # It may be being deleted.
        plain = {**known, "seconds": round(seconds, 1)}
        try:
            runs.write_json(folder / "trainer.json", plain, durable=False)
        except OSError as error:  # A full disk, say: what was noted last has to do.
            log.warning("%s: %s", folder.name, error)


def _settle(folder: Path, code: int | None = None, over: str = "") -> None:
    """Gives a run an end whose trainer ended before it could write one.

    `code` is the trainer's exit status, where that is known, and `over` why it was asked to end,
    if that could not be written into the run.
    """
    run = runs.open_run(folder)
    status = run.status()
    asked = runs.stop_request(folder) or over
    killed = _ending(code) if code is not None and code < 0 and not asked else ""
    if status.reason == runs.UNEXPECTED and (asked or killed):
        runs.write_status(folder, dataclasses.replace(status, reason=asked or killed))
    if status.state != "waiting":
        return
    if asked:
        ended = runs.Status("stopped", asked, epoch=status.epoch, epochs=status.epochs)
        runs.write_status(folder, ended)
        return
    log_file = _log(run.id)
    said = log_file.read_text("utf-8", errors="replace").split("\n") if log_file.exists() else []
    last = next((line for line in reversed(said) if line.strip()), "it said nothing")
    _fail(run, killed or f"the training ended at once: {last}")


def _ending(code: int) -> str:
    """How a signal ended a trainer, in a sentence; `code` is the signal's number below zero."""
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    meaning = ENDINGS.get(name, "something outside the app ended it")
    return f"the training was killed by {name}: {meaning}"


def _fail(run: runs.Run, reason: str) -> None:
    status = run.status()
    ended = runs.Status("failed", reason, epoch=status.epoch, epochs=status.epochs)
    runs.write_status(run.path, ended)


def _end(process: subprocess.Popen) -> None:
    """Ends a trainer that nobody would look after."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGKILL)
        process.wait()


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):  # It ended just now.
            os.killpg(pid, number)


def _worker_lock(name: str) -> Lock:
    return Lock(paths.runs() / f".worker-{name}.lock")


def _log(name: str) -> Path:
    logs().mkdir(parents=True, exist_ok=True)
    return logs() / f"{name}.log"
