"""Heavy work that a page starts: in a thread of its own, found again by a rerun, another page and
back, or a reload; with a place in a queue, progress to watch, and a way to stop it.

    task = work.start("pictures", "Preparing cats.zip", do)      # a button starts it
    task = work.find("pictures")                                 # at every run of the page
    if task and work.watch(task):                                # shows it until it is over
        made = task.result()

    found = work.run("tsne", fingerprint, "Computing t-SNE", do)  # the page itself starts it
    if found is not None: ...

`do(progress)` knows nothing of Streamlit: what it needs of the session is read before. Whoever
asks for its progress is stopped there.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from genmodels.errors import GenmodelsError

from . import shell, visitor
from .shell import duration, plain

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

AT_ONCE = max(2, (os.cpu_count() or 1) // 2)
"""Tasks at work at once, of the whole app; all but one of them may be long ones. The others wait,
and nobody has two at work."""
KEPT = 32
"""Results of a kind that are kept for all."""
KEPT_SECONDS = 3600
"""How long what came of a task is kept for its visitor."""
WATCH_SECONDS = 0.5


class WorkError(GenmodelsError):
    """Work that failed for another reason than a mistake of the person's."""


class Stopped(BaseException):
    """Raised in the work that is to stop; no `except Exception` on the way takes it."""


@dataclass(eq=False)
class Task:
    """One piece of work."""

    owner: str
    kind: str
    about: str
    key: Any
    long: bool
    _do: Callable[[Progress], Any] | None
    over: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more will come."""
    stopped: bool = False
    """Whether it was asked to stop; when it is over: whether it did."""
    progress: tuple[str, int, int] | None = None
    _since: float = 0.0
    _ended: float = 0.0
    _result: Any = None
    _error: GenmodelsError | None = None

    def result(self) -> Any:
        """What the work gave; None where it was stopped. Raises what it raised."""
        if self._error:
            raise self._error
        return self._result

    def stop(self) -> None:
        """Asks it to stop: at once where it waits, else when it next tells how far it is."""
        with _lock:
            if not self.over.is_set():
                self.stopped = True
            if self in _waiting:
                _waiting.remove(self)
                self._end()

    def words(self) -> str:
        """How far it is, or who is before it."""
        queue = list(_waiting)
        if self in queue:
            before = queue.index(self)
            ahead = f"{before} before it" if before else "it is next"
            return f"{self.about}: waiting for other work to finish, {ahead}"
        if self.progress is None:
            return self.about
        what, done, total = self.progress
        seconds = time.monotonic() - self._since
        left = f" · {duration(seconds / done * (total - done))} left" if done else ""
        return f"{self.about} · {what}: {done:,} of {total:,}{left}"

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.stopped:
            raise Stopped
        if self.progress is None or what != self.progress[0]:
            self._since = time.monotonic()
        self.progress = what, done, total

    def _work(self) -> None:
        assert self._do is not None
        try:
            self._result = self._do(self._tell)
            self.stopped = False
        except Stopped:
            pass
        except GenmodelsError as error:
            self._error = error
        except Exception as error:
            self._error = WorkError(shell.log_fault(error))
        with _lock:
            _working.remove(self)
            self._end()
            _begin()

    def _end(self) -> None:
        self._do = None  # With all that it held.
        self._ended = time.monotonic()
        self.over.set()


_lock = threading.Lock()
_tasks: dict[tuple[str, str], Task] = {}
"""The last one of each visitor and kind."""
_waiting: list[Task] = []
_working: list[Task] = []


def start(
    kind: str, about: str, do: Callable[[Progress], Any], *, key: Any = None, long: bool = False
) -> Task:
    """Starts work, or lets it wait; its task. `about` says what it is.

    Earlier work of that kind and visitor is stopped. `long` work takes minutes, and leaves room
    for what takes seconds.
    """
    task = Task(visitor.key(), kind, about, key, long, do)
    forget(kind)
    with _lock:
        now = time.monotonic()
        for place, old in list(_tasks.items()):
            if old.over.is_set() and now - old._ended > KEPT_SECONDS:
                del _tasks[place]
        _tasks[task.owner, kind] = task
        _waiting.append(task)
        _begin()
    return task


def find(kind: str) -> Task | None:
    """The visitor's work of that kind, over or not."""
    return _tasks.get((visitor.key(), kind))


def forget(kind: str) -> None:
    """Stops the visitor's work of that kind, and drops what came of it."""
    task = _tasks.pop((visitor.key(), kind), None)
    if task:
        task.stop()


def _stop(kind: str) -> None:
    task = find(kind)
    if task:
        task.stop()


def watch(task: Task, live: Callable[[], None] | None = None) -> bool:
    """Whether it is over. Until then it is shown, with a button that stops it, and the page runs
    again when it is. `live` draws what there is so far."""
    if task.over.is_set():
        return True
    st.fragment(_view, run_every=WATCH_SECONDS)(task, live)
    return False


def run(
    kind: str,
    key: Any,
    about: str,
    do: Callable[[Progress], Any],
    *,
    long: bool = False,
    live: Callable[[], None] | None = None,
) -> Any:
    """What work gives that a page cannot do without: started where the visitor's last one of that
    kind had another `key`. None until it is there, or when it was stopped; then a button begins
    again. Raises what the work raised."""
    task = find(kind)
    if task is None or task.key != key:
        task = start(kind, about, do, key=key, long=long)
    if not watch(task, live):
        return None
    try:
        result = task.result()
    except GenmodelsError:
        st.button("Try again", key=f"again-{kind}", on_click=forget, args=(kind,))
        raise
    if task.stopped:
        st.info(f"Stopped: {plain(task.about)}.", icon=":material/stop_circle:")
        st.button("Start again", key=f"again-{kind}", on_click=forget, args=(kind,))
    return result


def run_once(
    made: dict[Any, Any], kind: str, key: Any, about: str, do: Callable[[Progress], Any]
) -> Any:
    """As `run`, of what all sessions may use: the last results are kept in `made`, by `key`."""

    def first(progress: Progress) -> Any:
        if key not in made:  # Another visitor may have had it made meanwhile.
            made[key] = do(progress)
            for old in list(made)[:-KEPT]:
                made.pop(old, None)
        return made[key]

    return made[key] if key in made else run(kind, key, about, first)


def _view(task: Task, live: Callable[[], None] | None) -> None:
    if task.over.is_set():
        st.rerun()
    done, total = (task.progress or ("", 0, 1))[1:]
    words = "Stopping after the current step …" if task.stopped else task.words()
    st.progress(min(1.0, done / max(1, total)), plain(words))
    st.button(
        "Stop",
        key=f"stop-{task.kind}",
        icon=":material/stop:",
        disabled=task.stopped,
        # Not of the task itself: Streamlit keeps what callbacks hold as long as the session.
        on_click=_stop,
        args=(task.kind,),
    )
    if live:
        live()


def _begin() -> None:
    """Puts to work whoever may be, the first first; the lock is held."""
    for task in list(_waiting):
        if len(_working) >= AT_ONCE:
            return
        if any(other.owner == task.owner for other in _working):
            continue
        if task.long and sum(other.long for other in _working) >= AT_ONCE - 1:
            continue
        _waiting.remove(task)
        _working.append(task)
        threading.Thread(target=task._work, daemon=True).start()
