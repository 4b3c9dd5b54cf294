"""The queue of trainings, each a process of its own that outlives page, browser and app.

The truth is in the run folders: a run that waits says so in its status.json, with its ticket.
`delivery` hands the names of runs to workers, `worker` is one, `limits` says how much is allowed.
Whoever starts a training has a key; the run keeps its hash, in the file `owner`.
"""

import contextlib
import platform
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from .. import folders, own_pictures, recipes, runs, shapes
from ..errors import RunError
from ..locks import Lock
from ..recipes import Recipe
from ..runs import Damaged, Run, Status
from . import limits, memory
from .limits import JobError, Limits, passcode_matches, permission, redis_url, teacher_matches

__all__ = [
    "JobError",
    "Limits",
    "Place",
    "check_machine",
    "check_room",
    "control",
    "delete",
    "give_to",
    "is_own",
    "may_change",
    "passcode_matches",
    "permission",
    "places",
    "resume",
    "retitle",
    "stop",
    "submit",
    "teacher_matches",
    "training",
    "waiting",
]

LONGEST_TITLE = 80
END_SECONDS = 10
"""How long a trainer may take to end once its run says that it was stopped."""
TRAIN_IMAGES = {"mnist": 60_000, "imagenette": 9469}
"""Known before a data set is opened, to tell how long a training may take."""
START_SECONDS = 5.0
"""From a worker's taking a run to its first step, where no run was trained here to the end."""


def submit(
    recipe_name: str,
    recipe: Recipe,
    *,
    title: str = "",
    parent: str | None = None,
    key: str = "",
    teacher: bool = False,
) -> Run:
    """Puts a training into the queue; its run, which waits. `parent` is the run it varies.

    A teacher's has no limits but those of the machine. Raises RecipeError, JobError.
    """
    recipe.check()
    allowed = Limits.from_environment()
    allowed.check_recipe(recipe)
    check_machine(recipe)
    with _changing_queue():
        _check_queue(allowed, key, teacher)
        kept = [run.path for run in _own_runs()]
        allowed.check_runs(len(kept), 0 if teacher else len(_of(key, kept)))
        check_room(key=key, teacher=teacher)
        folder = runs.new_folder(recipe_name)
        try:
            if key:
                give_to(folder, key)
            info = {
                "format": runs.FORMAT,
                "title": checked_title(title) or recipe.title,
                "parent": parent,
                "created": runs.now(),
                "recipe_name": recipe_name,
                "recipe": recipes.to_json(recipe),
                "parameters": {},  # Counted when the networks are built.
                "resolved": None,
                "versions": {"python": platform.python_version()},
                "data": None,
            }
            _draw_ticket(folder, 0, recipe.epochs)  # First: a run without a status counts as done.
            runs.write_json(folder / "recipe.json", info)
            run = runs.open_run(folder)
            _send(run)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return run


def check_machine(recipe: Recipe) -> None:
    """Raises GenmodelsError for what can be told of a training before it waits in the queue: it
    needs more memory than there is, or its last batch is too small."""
    images = TRAIN_IMAGES[recipe.dataset]
    if recipe.pictures is not None:
        images = own_pictures.train_count(recipe.pictures, recipe.dataset)
    recipe.check_images(images)
    memory.check(recipe)


def check_room(*, key: str = "", teacher: bool = False) -> None:
    """Raises JobError when the runs and picture sets kept here, or a person's, fill their room,
    and FolderError where nothing can be written."""
    check_places()
    kept = [run.path for run in _own_runs()] + own_pictures.list_folders()
    Limits.from_environment().check_disk(kept, [] if teacher else _of(key, kept))


def check_places() -> None:
    """Raises FolderError where a training could not write: it would wait for ever."""
    folders.check_writable(folders.runs())
    if not redis_url():  # Else its worker is elsewhere, and has a cache of its own.
        folders.check_writable(logs())


def logs() -> Path:
    """The folder of what trainings and workers said."""
    return folders.cache() / "logs"


def resume(run: Run, *, key: str = "", teacher: bool = False) -> None:
    """Puts a run that was stopped, or failed, into the queue again. Raises JobError."""
    allowed = Limits.from_environment()
    allowed.check_recipe(run.recipe)
    check_places()
    folders.check_writable(run.path)
    trained = trainer(run.path)
    if trained and trained.get("seconds", 0) >= 60 * allowed.minutes:
        raise JobError(
            f"{run.title} has been trained for {allowed.minutes:,} minutes, and that is the limit "
            "for one training here."
        )
    check_machine(run.recipe)
    with _changing_queue():
        before = run.status()  # Not inside: there the run is locked, which means in training.
        if before.state not in ("stopped", "failed"):
            raise JobError(f"{run.title} has nothing to go on with; train it anew.")
        _check_queue(allowed, key, teacher)
        with _alone(run.path, run.title):
            (run.path / "stop").unlink(missing_ok=True)
            try:
                _draw_ticket(run.path, before.epoch, run.recipe.epochs)
                _send(run)
            except BaseException:
                runs.write_status(run.path, before)
                raise


def stop(run: Run) -> None:
    """Ends a training after its running step, or takes it out of the queue. Raises JobError."""
    if run.shipped:
        raise JobError(f"{run.title} ships with genmodels and is not in training.")
    try:
        with _alone(run.path, run.title, patience=1):
            status = run.status()
            if status.state == "waiting":
                reason = "taken out of the queue"
                ended = Status("stopped", reason, epoch=status.epoch, epochs=status.epochs)
                runs.write_status(run.path, ended)
    except JobError:
        if not run.path.is_dir():
            raise
        runs.request_stop(run.path)  # A worker has it.


def delete(run: Run | Damaged) -> None:
    """Removes a run and all its files. Raises JobError while it trains, or when it ships."""
    path, title = _own_folder(run), run.title if isinstance(run, Run) else run.id
    if path is None:
        raise JobError(f"{title} ships with genmodels; only your own runs can be deleted.")
    try:
        active = isinstance(run, Run) and run.status().state in ("waiting", "training")
    except RunError:  # Damaged since it was opened.
        active = False
    try:
        with _alone(path, title, 1 if active else END_SECONDS):
            # Renamed first: a half-deleted run would be shown as a damaged one.
            grave = path.with_name(runs.GRAVE + run.id)
            shutil.rmtree(grave, ignore_errors=True)  # Of an earlier one of its id, killed over it.
            path.rename(grave)
        shutil.rmtree(grave)
        runs.retire(run.id)  # Last: on a full disk there is room for it now.
    except OSError as error:
        raise JobError(
            f"{title} cannot be deleted ({error}); make its files writable for this user."
        ) from error


def retitle(run: Run, title: str) -> None:
    """Gives a run another name for people; its id stays. Raises JobError."""
    if run.shipped:
        raise JobError(f"{run.title} ships with genmodels and keeps its name.")
    title = checked_title(title)
    if not title:
        raise JobError("a title needs at least one letter.")
    if not run.path.is_dir():
        raise JobError(f"{run.title} was deleted meanwhile.")
    runs.change_info(run.path, title=title)


def checked_title(title: str) -> str:
    """Without what cannot be seen. Raises JobError when it is too long."""
    title = " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())
    if len(title) > LONGEST_TITLE:
        raise JobError(f"a title has at most {LONGEST_TITLE} letters, not {len(title)}.")
    return title


def control(run: Run | Damaged, *, key: str, teacher: bool) -> bool:
    """Whether a person may stop, resume, delete or rename a run; never one that ships."""
    folder = _own_folder(run)
    return folder is not None and may_change(folder, key=key, teacher=teacher)


def is_own(run: Run | Damaged) -> bool:
    """Whether a run is a user's own, and does not ship."""
    return _own_folder(run) is not None


def _own_folder(run: Run | Damaged) -> Path | None:
    """The folder of a user's own run; None for one that ships."""
    if isinstance(run, Run):
        return None if run.shipped else run.path
    folder = folders.runs() / run.id
    return folder if folder.is_dir() else None


def may_change(folder: Path, *, key: str, teacher: bool) -> bool:
    """Whether what is in a folder belongs to the person of that key.

    A teacher may change everything; what belongs to nobody, anybody may where no teacher's
    passcode is set.
    """
    owner = _owner(folder)
    if teacher or (owner is None and not limits.has_teacher()):
        return True
    return bool(key) and owner == limits.hashed(key)


def give_to(folder: Path, key: str) -> None:
    """Makes what is in a folder the property of the person of that key."""
    runs.write_atomic(folder / "owner", limits.hashed(key).encode())


def trainer(folder: Path) -> shapes.Trainer | None:
    """Who trains a run, or did last; None where that cannot be told."""
    try:
        return shapes.parse((folder / "trainer.json").read_bytes(), shapes.Trainer)
    except (OSError, ValueError):
        return None


def waiting() -> list[Run]:
    """The runs that wait, the next one first."""
    tickets = [
        (status.ticket or 0, run.id, run)
        for run in _own_runs()
        if (status := run.status()).state == "waiting"
    ]
    return [run for *_, run in sorted(tickets)]


def training() -> list[Run]:
    """The runs in training, on whichever machine."""
    return [run for run in _own_runs() if run.status().state == "training"]


@dataclass(frozen=True)
class Place:
    """A run in the queue."""

    run: Run
    number: int
    """1 is the next one."""
    seconds_until_start: float | None
    """About, by what other trainings took; None where one before it cannot be compared."""


@dataclass(frozen=True)
class Pace:
    """How fast a run was trained, on average of its epochs."""

    run: Run
    seconds_per_image: float
    seconds_per_epoch: float
    """Of what comes between the steps of two epochs: validating, saving and the like."""


def places() -> list[Place]:
    """The queue, the next one first, from one look at all runs."""
    found = [run for run in runs.list_runs() if isinstance(run, Run)]
    paces = [measured for run in found if (measured := pace(run))]
    own = [(run, run.status()) for run in found if not run.shipped]
    starts = [seconds for run, status in own if (seconds := start_seconds(run, status))]
    start = statistics.median(starts) if starts else START_SECONDS

    def left(run: Run, status: Status) -> float | None:
        if status.seconds_left is not None:
            return status.seconds_left
        alike = [each for each in paces if each.run.info["recipe_name"] == run.info["recipe_name"]]
        if run.recipe.pictures or not alike:
            return None
        like = min(alike, key=lambda each: _unlikeness(each.run, run))
        images = run.recipe.train_limit or TRAIN_IMAGES[run.recipe.dataset]
        epoch = images * like.seconds_per_image + like.seconds_per_epoch
        return start + epoch * (run.recipe.epochs - status.epoch)

    queue, busy = [], []
    for run, status in own:
        if status.state == "waiting" and not _is_starting(run):
            queue.append((run, status))
        elif status.state in ("waiting", "training"):
            busy.append(left(run, status))
    before = sum(seconds or 0 for seconds in busy)
    known = None not in busy
    queue.sort(key=lambda pair: (pair[1].ticket or 0, pair[0].id))
    line = []
    for number, (run, status) in enumerate(queue, 1):
        line.append(Place(run, number, before / max(1, len(busy)) if known else None))
        seconds = left(run, status)
        known = known and seconds is not None
        before += seconds or 0
    return line


def pace(run: Run) -> Pace | None:
    """By what its metrics say; None before the end of the first epoch."""
    lines = run.metrics()
    epochs = [line for line in lines if line["split"] == "train"]
    images = max((line["images_seen"] for line in epochs), default=0)
    if not images:
        return None
    steps = sum(line.get("seconds", 0.0) for line in epochs)
    return Pace(run, steps / images, (runs.seconds(lines) - steps) / len(epochs))


def start_seconds(run: Run, status: Status) -> float | None:
    """How long a finished run took beside its epochs: torch was loaded, the data were read. None
    where that was not recorded."""
    recorded = (trainer(run.path) or {}).get("seconds")
    if status.state != "done" or not recorded:
        return None
    return max(0.0, recorded - runs.seconds(run.metrics()))


def _unlikeness(measured: Run, run: Run) -> tuple[bool, bool, int]:
    """What tells best how fast a run will be is the least: one of its batch size, then one of this
    machine, then one that differs in few settings."""
    changes = recipes.differences(measured.recipe, run.recipe)
    return "batch_size" in changes, measured.shipped, len(changes)


def _is_starting(run: Run) -> bool:
    """Whether a worker has taken a run that still says that it waits."""
    try:
        return runs.is_claimed(run.path)
    except RunError:  # None can take it.
        return False


def _draw_ticket(folder: Path, epoch: int, epochs: int) -> None:
    """Has a run wait that was trained for so many epochs."""
    last = max((other.status().ticket or 0 for other in waiting()), default=0)
    ticket = min(last + 1, shapes.MOST)
    runs.write_status(folder, Status("waiting", epoch=epoch, epochs=epochs, ticket=ticket))


def _send(run: Run) -> None:
    """Sends the name of a run that waits."""
    from . import delivery  # Redis takes long to import, and pages come before trainings.

    delivery.send(run.id)


def _check_queue(allowed: Limits, key: str, teacher: bool) -> None:
    queue = waiting()
    mine = [] if teacher else _of(key, [run.path for run in queue])
    allowed.check_queue(len(queue), len(mine))


def _of(key: str, paths: list[Path]) -> list[Path]:
    """Those that belong to the person of that key."""
    return [path for path in paths if _owner(path) == limits.hashed(key)]


def _own_runs() -> list[Run]:
    return [run for run in runs.list_runs() if isinstance(run, Run) and not run.shipped]


def _owner(folder: Path) -> str | None:
    try:
        return (folder / "owner").read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError:  # It is somebody's, and nobody can show a key to it.
        return ""


@contextlib.contextmanager
def _changing_queue() -> Iterator[None]:
    """Held while tickets are drawn, so that no two runs get the same place."""
    folders.check_writable(folders.runs())
    try:
        with Lock(folders.runs() / ".queue.lock").acquire(timeout=30):
            yield
    except Timeout as error:
        raise JobError("the queue is busy; try again in a moment.") from error


@contextlib.contextmanager
def _alone(folder: Path, title: str, patience: float = END_SECONDS) -> Iterator[None]:
    """Held while a run is changed that no worker may take. Raises JobError when one has it."""
    if not folder.is_dir():
        raise JobError(f"{title} was deleted meanwhile.")
    try:
        with (
            runs.claim(folder).acquire(timeout=patience),
            runs.lock(folder).acquire(timeout=1),
        ):
            yield
    except Timeout as error:
        raise JobError(f"{title} is in training; stop it first.") from error
