"""The queue, its workers and its trainings, as processes on a small data set in its true format."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from genmodels import folders, jobs, recipes, runs
from genmodels.errors import GenmodelsError, RecipeError
from genmodels.jobs import delivery, limits, memory, worker
from genmodels.jobs.__main__ import main
from genmodels.runs import Run
from genmodels.ui import guard

LONG = dataclasses.replace(recipes.named("vae-mnist"), epochs=900)
SHORT = dataclasses.replace(LONG, epochs=1)


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))
    monkeypatch.delenv("GENMODELS_REDIS_URL", raising=False)
    limits._wrong.clear()
    limits._signed_in.clear()


def wait(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def state(run: Run) -> str:
    return run.status().state


@contextmanager
def at_work(name: str = "test") -> Iterator[subprocess.Popen]:
    """A worker as a person starts it."""
    command = [sys.executable, "-m", "genmodels.jobs", "--name", name]
    log = folders.cache() / f"{name}.log"
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=folders.REPOSITORY, stdout=file, stderr=file)
    try:
        yield process
    finally:
        kill(process)
        for path in folders.runs().glob("*/trainer.json"):
            if runs.is_locked(path.parent):
                os.killpg(json.loads(path.read_text())["pid"], signal.SIGKILL)


def kill(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def trainer_of(run: Run) -> int:
    return json.loads((run.path / "trainer.json").read_text())["pid"]


def test_trainings_wait_in_order_and_one_at_a_time_is_trained():
    first = jobs.submit("vae-mnist", LONG, title="--a title=with 'quotes' <b>")
    second, third = (jobs.submit("vae-mnist", SHORT) for _ in range(2))
    assert [run.id for run in jobs.waiting()] == [first.id, second.id, third.id]
    assert delivery.pending() == {first.id, second.id, third.id}
    assert [place.number for place in jobs.places()] == [1, 2, 3]
    assert first.title == "--a title=with 'quotes' <b>"
    with at_work():
        wait(lambda: first.status().epoch >= 2)
        assert [run.id for run in jobs.training()] == [first.id]
        assert [run.id for run in jobs.waiting()] == [second.id, third.id]
        times = [place.seconds_until_start for place in jobs.places()]
        assert times[0] and times[1] and times[1] > times[0]
        with pytest.raises(jobs.JobError, match="in training; stop it first"):
            jobs.delete(first)
        jobs.stop(first)
        wait(lambda: state(third) == "done")
    assert state(first) == "stopped"
    assert first.status().reason == "stopped on request"
    ended = [(run.path / "status.json").stat().st_mtime_ns for run in (first, second, third)]
    assert ended == sorted(ended)
    reopened = runs.find(second.id)
    assert reopened.recipe == SHORT
    assert reopened.parameters == {"encoder": 541_472, "decoder": 538_128}


def test_a_run_waits_from_the_moment_it_can_be_seen(monkeypatch):
    """One without a status counts as done, so that comes first."""
    seen, write = set(), runs.write_json

    def write_and_look(path, plain, durable=True):
        write(path, plain, durable)
        seen.update(state(run) for run in jobs._own_runs() if run.path == path.parent)

    monkeypatch.setattr(runs, "write_json", write_and_look)
    jobs.submit("vae-mnist", SHORT)
    assert seen == {"waiting"}


def test_a_run_that_a_worker_has_taken_is_in_the_queue_no_more():
    first, second = (jobs.submit("vae-mnist", LONG) for _ in range(2))
    with runs.claim(first.path).acquire(blocking=False):
        (place,) = jobs.places()
        assert (place.run.id, place.number) == (second.id, 1)
        assert place.seconds_until_start
    # Where that cannot be told it waits: one lock spoils no queue.
    (first.path / "claim").unlink()
    (first.path / "claim").mkdir()
    assert [place.run.id for place in jobs.places()] == [first.id, second.id]


def test_the_waiting_time_comes_of_what_trainings_took_here(make_run):
    def trained(run_id: str, seconds: float, **changes) -> None:
        """Two epochs of 100 images: 0.01 s each, and 5 s from epoch to epoch; a start of 7 s."""
        run = make_run(run_id, epochs=2, **changes)
        lines = []
        for epoch in (1, 2):
            step = {"epoch": epoch, "images_seen": 100 * epoch}
            lines.append(step | {"split": "train", "seconds": 100 * seconds})
            lines.append(step | {"split": "val", "seconds": 3.0, "other_seconds": 2.0})
        runs.append_metrics(run.path, lines)
        whole = {"worker": "test", "pid": 2, "seconds": 2 * (100 * seconds + 5) + 7}
        runs.write_json(run.path / "trainer.json", whole)

    def expected() -> float:
        """Seconds until the second run of the queue starts."""
        return jobs.places()[1].seconds_until_start or 0

    few = dataclasses.replace(SHORT, epochs=10, train_limit=500)
    jobs.submit("vae-mnist", few)
    jobs.submit("vae-mnist", SHORT)
    # Nothing was trained here: as what ships was trained, each epoch's end and the start included.
    ships = jobs.pace(runs.find("vae-mnist"))
    assert ships and ships.seconds_per_epoch > 0.1
    shipped = 10 * (500 * ships.seconds_per_image + ships.seconds_per_epoch)
    assert expected() == pytest.approx(jobs.START_SECONDS + shipped)
    trained("other-batches", 1.0, batch_size=2)
    assert expected() == pytest.approx(7 + shipped)
    trained("mine", 0.01)
    assert expected() == pytest.approx(7 + 10 * (500 * 0.01 + 5))


def test_a_stopped_training_goes_on_where_it_was():
    run = jobs.submit("vae-mnist", LONG)
    with at_work():
        wait(lambda: run.status().epoch >= 2)
        jobs.stop(run)
        wait(lambda: state(run) == "stopped")
        jobs.resume(run)
        before = run.status().epoch
        wait(lambda: run.status().epoch > before + 1)
        epochs = [line["epoch"] for line in run.metrics() if line["split"] == "val"]
        assert epochs == list(range(len(epochs)))


def test_out_of_the_queue_and_back_to_its_end():
    first, second = jobs.submit("vae-mnist", SHORT), jobs.submit("vae-mnist", SHORT)
    jobs.stop(first)
    assert (state(first), first.status().reason) == ("stopped", "taken out of the queue")
    jobs.resume(first)
    assert [run.id for run in jobs.waiting()] == [second.id, first.id]
    jobs.delete(second)
    assert not second.path.exists()
    with pytest.raises(jobs.JobError, match="deleted meanwhile"):
        jobs.stop(second)
    with pytest.raises(jobs.JobError, match="deleted meanwhile"):
        jobs.retitle(second, "mine")
    with at_work():
        wait(lambda: state(first) == "done")
    with pytest.raises(jobs.JobError, match="nothing to go on with"):
        jobs.resume(first)


def test_a_killed_worker_leaves_its_training_and_the_next_one_goes_on():
    first, second = jobs.submit("vae-mnist", LONG), jobs.submit("vae-mnist", SHORT)
    with at_work() as process:
        wait(lambda: first.status().epoch >= 1)
        kill(process)
        before = first.status().epoch
        wait(lambda: first.status().epoch > before)
        with at_work():
            time.sleep(3)
            assert state(second) == "waiting"  # The one left behind comes first.
            jobs.stop(first)
            wait(lambda: state(second) == "done")
    assert state(first) == "stopped"


def test_a_worker_killed_while_its_trainer_still_loads_starts_no_second_one():
    first, second = jobs.submit("vae-mnist", SHORT), jobs.submit("vae-mnist", SHORT)
    with at_work() as process:
        wait((first.path / "trainer.json").exists)
        kill(process)
        pid = trainer_of(first)
        with at_work():
            wait(lambda: state(second) == "done", 600)
    assert state(first) == "done"
    assert trainer_of(first) == pid


def test_a_run_is_deleted_over_the_remains_of_another():
    run = jobs.submit("vae-mnist", SHORT)
    remains = run.path.with_name(runs.GRAVE + run.id)
    remains.mkdir()
    (remains / "recipe.json").touch()
    jobs.delete(run)
    assert not run.path.exists() and not remains.exists()


def test_a_killed_trainer_is_stopped_with_a_reason_and_the_next_one_begins():
    first, second = jobs.submit("vae-mnist", LONG), jobs.submit("vae-mnist", SHORT)
    with at_work():
        wait(lambda: first.status().epoch >= 1)
        os.killpg(trainer_of(first), signal.SIGKILL)
        wait(lambda: state(second) == "done")
    assert state(first) == "stopped"
    assert "killed by SIGKILL: most likely memory ran out" in first.status().reason
    assert first.resumable()
    assert not runs.is_claimed(first.path)


def test_a_run_keeps_its_whole_epochs_in_the_queue_and_out_of_it():
    run = jobs.submit("vae-mnist", LONG)
    # Killed in its third epoch.
    runs.write_status(run.path, runs.Status("training", epoch=3, epochs=900))
    (run.path / "metrics.jsonl").write_text('{"epoch": 2, "split": "val", "images_seen": 9}\n')
    for leave, left in (
        (lambda: jobs.stop(run), "stopped"),
        (lambda: worker._settle(run.path), "failed"),  # The trainer did not come to a word.
        (lambda: (runs.request_stop(run.path), worker._settle(run.path)), "stopped"),
    ):
        jobs.resume(run)
        assert (state(run), run.status().epoch) == ("waiting", 2)
        leave()
        assert (state(run), run.status().epoch, run.status().epochs) == (left, 2, 900)


def test_all_killed_at_once_what_waited_waits_and_what_was_lost_is_delivered_again():
    first, second = jobs.submit("vae-mnist", LONG), jobs.submit("vae-mnist", SHORT)
    with at_work() as process:
        wait(lambda: first.status().epoch >= 1)
        kill(process)
        os.killpg(trainer_of(first), signal.SIGKILL)
    wait(lambda: not runs.is_locked(first.path))
    assert (state(first), state(second)) == ("stopped", "waiting")
    delivery.queue().flush()
    with at_work():
        jobs.resume(first)
        wait(lambda: state(second) == "done")
        wait(lambda: first.status().state == "training")
        jobs.stop(first)


def test_a_full_disk_is_said_and_the_training_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=26M", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be made by root")
    try:
        monkeypatch.setenv("GENMODELS_RUNS", str(small))
        run = jobs.submit("vae-mnist", dataclasses.replace(SHORT, epochs=3))
        with at_work():
            wait(lambda: state(run) == "failed")
            assert "the disk is full" in run.status().reason
            committed = run.status().epoch
            subprocess.run(["mount", "-o", "remount,size=90M", str(small)], check=True)
            jobs.resume(run)
            wait(lambda: state(run) == "done")
        epochs = [line["epoch"] for line in run.metrics() if line["split"] == "val"]
        assert epochs == [0, 1, 2, 3] and committed < 3
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_places_do_not_depend_on_the_clock():
    first, second = jobs.submit("vae-mnist", SHORT), jobs.submit("vae-mnist", SHORT)
    os.utime(second.path / "recipe.json", (0, 0))
    os.utime(second.path / "status.json", (0, 0))
    third = jobs.submit("vae-mnist", SHORT)
    assert [place.run.id for place in jobs.places()] == [first.id, second.id, third.id]


def test_the_app_keeps_one_worker_and_starts_another_when_it_is_killed():
    def held() -> bool:
        return worker._worker_lock(worker.EMBEDDED).is_held()

    try:
        worker.keep_worker()
        wait(held)
        [first] = worker._children
        worker.keep_worker()
        assert worker._children == [first]
        kill(first)
        worker.keep_worker()
        wait(held)
        [second] = worker._children
        assert second.pid != first.pid
        run = jobs.submit("vae-mnist", SHORT)
        wait(lambda: state(run) == "done")
    finally:
        for child in worker._children:
            kill(child)


def test_who_does_not_stop_is_ended(monkeypatch):
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.05)
    run = jobs.submit("vae-mnist", LONG)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(99)"
    process = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
    time.sleep(0.5)
    runs.request_stop(run.path)
    worker._attend(run.path, process)
    assert process.returncode == -signal.SIGKILL
    assert (state(run), run.status().reason) == ("stopped", "stopped on request")


def test_a_training_ends_at_the_limit_of_its_minutes(monkeypatch):
    monkeypatch.setenv("GENMODELS_MAX_MINUTES", "0")
    run = jobs.submit("vae-mnist", LONG)
    with at_work():
        wait(lambda: state(run) == "stopped")
    assert run.status().reason == "stopped at the limit of 0 minutes"


def test_what_the_trainer_refuses_is_said_in_the_run(monkeypatch, tmp_path):
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    run, next_one = jobs.submit("vae-mnist", LONG), jobs.submit("vae-mnist", SHORT)
    with at_work():
        wait(lambda: state(next_one) == "failed")
    assert state(run) == "failed"
    assert "is a file" in run.status().reason


@pytest.mark.parametrize("part", ["", "recipe.json"])
def test_a_run_deleted_by_hand_while_it_trains_harms_no_other(part):
    """Where a file is written meanwhile, `rm -r` leaves some of them behind."""
    first, second = jobs.submit("vae-mnist", LONG), jobs.submit("vae-mnist", SHORT)
    with at_work():
        wait(lambda: first.status().epoch >= 1)
        if part:
            (first.path / part).unlink()
        else:
            shutil.rmtree(first.path, ignore_errors=True)
        wait(lambda: state(second) == "done")


def test_two_workers_of_one_name_are_refused(capsys):
    with worker._worker_lock("twin"):
        assert main(["--name", "twin"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["--name", "../x"]) == 2


def test_a_worker_whose_app_has_gone_ends_when_nothing_is_left():
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    command = [sys.executable, "-m", "genmodels.jobs", "--name=orphan", "--parent", "1"]
    process = subprocess.Popen(command, cwd=folders.REPOSITORY)
    process.wait(60)
    kill(parent)


def test_an_impossible_recipe_queues_nothing(runs_folder):
    with pytest.raises(RecipeError, match="batch size"):
        jobs.submit("vae-mnist", dataclasses.replace(LONG, batch_size=0))
    assert not any(path.is_dir() for path in runs_folder.iterdir())


def test_a_shipped_run_is_not_stopped_deleted_or_renamed():
    shipped = runs.find("vae-mnist")
    for change in (jobs.stop, jobs.delete, lambda run: jobs.retitle(run, "mine")):
        with pytest.raises(jobs.JobError, match="ships"):
            change(shipped)
    assert not jobs.control(shipped, key="k", teacher=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def redis_at(port: int, folder: Path) -> subprocess.Popen:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("there is no redis-server here")
    command = [server, "--port", str(port), "--save", "", "--dir", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


class TestTrainers:
    """A worker and what it starts, which here is a shell script."""

    @pytest.fixture
    def trainer(self, tmp_path: Path, monkeypatch) -> Callable[[str], None]:
        """Has workers start a script instead of Python."""

        def make(script: str) -> None:
            path = tmp_path / "trainer"
            path.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/started\n{script}\n")
            path.chmod(0o755)
            monkeypatch.setattr(sys, "executable", str(path))

        monkeypatch.setattr(worker, "GRACE_SECONDS", 0.2)
        monkeypatch.setattr(worker, "POLL_SECONDS", 0.02)
        return make

    def started(self, tmp_path: Path) -> list[int]:
        path = tmp_path / "started"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def test_limits_that_are_none_start_nothing(self, trainer, tmp_path, monkeypatch, capsys):
        run = jobs.submit("vae-mnist", LONG)
        trainer("exec sleep 600")
        monkeypatch.setenv("GENMODELS_MAX_MINUTES", "12h")
        with pytest.raises(jobs.JobError, match="GENMODELS_MAX_MINUTES is '12h'"):
            worker.train_next(run.id)
        assert not self.started(tmp_path) and not runs.is_claimed(run.path)
        assert main(["--name", "one"]) == 2
        assert "GENMODELS_MAX_MINUTES is '12h'" in capsys.readouterr().err

    def test_a_worker_that_stumbles_leaves_no_trainer_behind(self, trainer, tmp_path, monkeypatch):
        """Its claim ends: whoever comes next would train beside it."""
        run = jobs.submit("vae-mnist", LONG)
        trainer("exec sleep 600")

        def stumble(*_):
            raise RuntimeError("a fault")

        monkeypatch.setattr(worker, "NOTED_EVERY", 0)
        monkeypatch.setattr(worker, "_note", stumble)
        with pytest.raises(RuntimeError, match="a fault"):
            worker.train_next(run.id)
        pid = trainer_of(run)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not runs.is_claimed(run.path)

    def test_a_full_disk_makes_no_worker_leave_its_trainer(self, trainer, tmp_path, monkeypatch):
        """It could neither note the time nor ask for the end."""
        monkeypatch.setenv("GENMODELS_MAX_MINUTES", "0")
        first, second = (jobs.submit("vae-mnist", LONG) for _ in range(2))
        trainer("trap '' TERM; while true; do sleep 0.1; done")
        seen = []

        write = runs.write_json

        def full(*given, **options):
            if process.poll() is not None:  # There is room again.
                return write(*given, **options)
            seen.append(len(self.started(tmp_path)))
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(worker, "NOTED_EVERY", 0)
        process = self.spawned(first)
        monkeypatch.setattr(runs, "request_stop", full)
        monkeypatch.setattr(runs, "write_json", full)
        worker._attend(first.path, process)
        assert len(seen) > 2 and process.returncode == -signal.SIGKILL
        assert (state(first), first.status().reason) == (
            "stopped",
            "stopped at the limit of 0 minutes",
        )
        assert set(seen) <= {0, 1}
        with pytest.raises(ProcessLookupError):
            os.kill(trainer_of(first), 0)
        assert state(second) == "waiting"

    def spawned(self, run: Run) -> subprocess.Popen:
        with runs.claim(run.path).acquire(timeout=5) as claim:
            return worker._spawn(run, claim)

    @pytest.mark.parametrize(
        ("name", "meaning"),
        [
            ("ILL", "lacks an instruction that this build of PyTorch uses"),
            ("KILL", "most likely memory ran out"),
            ("SEGV", "crashed"),
            ("BUS", "most likely because one is full"),
            ("USR1", "something outside the app ended it"),
        ],
    )
    @pytest.mark.parametrize("begun", [False, True])
    def test_a_signal_that_ended_a_trainer_is_told(self, trainer, name, meaning, begun):
        run = jobs.submit("vae-mnist", LONG)
        status = '{"state": "training", "epoch": 3, "epochs": 900}'
        trainer(f"echo '{status}' > {run.path}/status.json\n" * begun + f"kill -{name} $$")
        worker.train_next(run.id)
        assert state(run) == ("stopped" if begun else "failed")
        assert f"killed by SIG{name}: " in run.status().reason
        assert meaning in run.status().reason

    def test_who_was_asked_to_stop_and_had_to_be_killed_was_stopped(self, trainer):
        run = jobs.submit("vae-mnist", LONG)
        trainer("trap '' TERM; while true; do sleep 0.1; done")
        runs.request_stop(run.path)
        worker.train_next(run.id)
        assert (state(run), run.status().reason) == ("stopped", "stopped on request")

    def test_the_words_of_an_earlier_training_are_no_reason(self, trainer):
        run = jobs.submit("vae-mnist", LONG)
        worker._log(run.id).write_text("done: runs/vae-mnist-1\n")
        trainer("exit 1")
        worker.train_next(run.id)
        assert run.status().reason == "the training ended at once: it said nothing"
        jobs.resume(run)
        trainer("echo train.py: this is amiss; exit 2")
        worker.train_next(run.id)
        assert run.status().reason == "the training ended at once: this is amiss"
        jobs.delete(run)
        again = jobs.submit("vae-mnist", LONG)
        assert again.id != run.id
        worker._settle(again.path)
        assert "it said nothing" in again.status().reason

    def test_a_trainer_that_cannot_be_started_fails_with_the_reason(self, cache_folder):
        first, second = (jobs.submit("vae-mnist", LONG) for _ in range(2))
        shutil.rmtree(cache_folder)
        cache_folder.touch()
        worker.train_next(first.id)
        for run in (first, second):
            assert state(run) == "failed"
            assert "could not be started" in run.status().reason
            assert str(cache_folder) in run.status().reason
            assert not runs.is_claimed(run.path)

    def test_the_limit_of_minutes_is_that_of_one_training_resumed_or_not(
        self, trainer, monkeypatch
    ):
        monkeypatch.setenv("GENMODELS_MAX_MINUTES", "1")
        monkeypatch.setattr(worker, "NOTED_EVERY", 0)
        run = jobs.submit("vae-mnist", LONG)
        trainer("sleep 1")
        worker.train_next(run.id)
        known = jobs.trainer(run.path)
        assert known and 1 <= known.get("seconds", 0) < 50
        runs.write_json(run.path / "trainer.json", {**known, "seconds": 59.5})
        jobs.resume(run)
        trainer("exec sleep 600")
        worker.train_next(run.id)
        assert run.status().reason == "stopped at the limit of 1 minutes"
        with pytest.raises(jobs.JobError, match="trained for 1 minutes, and that is the limit"):
            jobs.resume(run)
        monkeypatch.setenv("GENMODELS_MAX_MINUTES", "2")
        jobs.resume(run)


def test_delivering_goes_on_after_an_oserror(monkeypatch):
    looks = []

    def waiting():
        looks.append(1)
        if len(looks) == 1:
            raise PermissionError(13, "Permission denied")
        if len(looks) > 3:
            raise SystemExit  # The thread ends: it would look into other tests' folders.
        return []

    monkeypatch.setattr(worker, "waiting", waiting)
    monkeypatch.setattr(worker, "KEEP_SECONDS", 0.05)
    thread = threading.Thread(target=worker._keep_delivering, args=(None,))
    thread.start()
    thread.join(60)
    assert len(looks) == 4


def test_a_queue_that_is_at_work_is_called_busy(runs_folder):
    jobs.submit("vae-mnist", SHORT)
    other = sqlite3.connect(runs_folder / ".queue.db", isolation_level=None)
    other.execute("begin exclusive")
    try:
        with pytest.raises(
            jobs.JobError, match=r"busy; try again in a moment\. Nothing was"
        ) as told:
            jobs.submit("vae-mnist", SHORT)
        assert "writable" not in str(told.value)
        assert len(jobs.waiting()) == 1
    finally:
        other.close()


def test_the_app_and_its_worker_look_in_the_same_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RUNS", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", f"my-{name.lower()}")
    try:
        worker.keep_worker()
        run = jobs.submit("vae-mnist", SHORT)
        assert run.path == tmp_path / "my-runs" / run.id
        wait(lambda: state(run) == "done")
        assert (tmp_path / "my-cache" / "logs" / f"{run.id}.log").exists()
    finally:
        for child in worker._children:
            kill(child)


def test_why_no_worker_can_be_started_is_known(cache_folder, monkeypatch):
    shutil.rmtree(cache_folder)
    cache_folder.touch()
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    monkeypatch.setattr(worker, "KEEP_SECONDS", 0.05)
    monkeypatch.setattr(worker, "_children", [])
    worker.supervise()
    wait(lambda: "cannot be written" in worker.trouble())
    cache_folder.unlink()
    try:
        wait(lambda: not worker.trouble())
    finally:
        monkeypatch.setattr(worker, "KEEP_SECONDS", 3600)
        with worker._supervising:
            for child in worker._children:
                kill(child)


@pytest.mark.parametrize("name", ["EPOCHS", "MINUTES", "RUNS", "SESSIONS"])
def test_an_empty_variable_is_one_that_is_not_set(monkeypatch, name):
    monkeypatch.setenv(f"GENMODELS_MAX_{name}", "")
    assert limits.Limits.from_environment() == limits.Limits()


@pytest.mark.parametrize("between", [" ", ",", ", ", ",\n"])
def test_sites_that_may_embed_the_app_are_apart_by_blanks_or_commas(monkeypatch, between):
    monkeypatch.setenv("GENMODELS_EMBED", between.join(["https://a.example", "https://b.example"]))
    assert guard.policy().endswith("frame-ancestors 'self' https://a.example https://b.example")
    monkeypatch.setenv("GENMODELS_EMBED", "")
    assert guard.policy().endswith("frame-ancestors 'self'")


class TestRedis:
    @pytest.fixture
    def url(self, tmp_path: Path, monkeypatch) -> Iterator[str]:
        """A real Redis of the test's own."""
        port = free_port()
        process = redis_at(port, tmp_path)
        monkeypatch.setenv("GENMODELS_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        wait(lambda: not refused(delivery.pending), 20)
        yield f"redis://127.0.0.1:{port}/0"
        kill(process)

    def test_two_workers_train_two_runs_at_once(self, url: str):
        first, second, third = (jobs.submit("vae-mnist", LONG) for _ in range(3))
        with at_work("one"), at_work("two"):
            wait(lambda: first.status().epoch >= 1 and second.status().epoch >= 1)
            assert {run.id for run in jobs.training()} == {first.id, second.id}
            assert state(third) == "waiting"
            for run in (third, second, first):
                jobs.stop(run)
            wait(lambda: not jobs.training())

    def test_a_worker_waits_for_a_redis_that_is_started_later(self, tmp_path: Path, monkeypatch):
        port = free_port()
        monkeypatch.setenv("GENMODELS_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        log = folders.cache() / "test.log"
        with at_work() as process:
            wait(lambda: "cannot be reached" in log.read_text())
            wait(lambda: log.read_text().count("tries again") > 1)
            assert process.poll() is None
            server = redis_at(port, tmp_path)
            try:
                wait(lambda: not refused(delivery.pending))
                run = jobs.submit("vae-mnist", SHORT)
                wait(lambda: state(run) == "done")
            finally:
                kill(server)
        assert "Traceback" not in log.read_text().split("consumer started")[0]

    def test_a_worker_does_not_wait_for_what_is_no_redis(self, monkeypatch, capsys):
        monkeypatch.setenv("GENMODELS_REDIS_URL", "http://nonsense")
        assert main(["--name", "one"]) == 2
        assert "no address of a Redis" in capsys.readouterr().err

    def test_messages_are_json(self, url: str):
        run = jobs.submit("vae-mnist", LONG)
        [message] = delivery.queue().storage.enqueued_items()
        assert json.loads(message) == run.id
        jobs.stop(run)

    def test_a_redis_that_is_not_there_is_said_and_nothing_is_queued(
        self, monkeypatch, runs_folder: Path
    ):
        monkeypatch.setenv("GENMODELS_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
        with pytest.raises(jobs.JobError, match=r"127\.0\.0\.1:1 cannot be reached") as told:
            jobs.submit("vae-mnist", LONG)
        assert "secret" not in str(told.value)
        assert not list(runs_folder.glob("*/recipe.json"))
        monkeypatch.setenv("GENMODELS_REDIS_URL", "http://nonsense")
        with pytest.raises(jobs.JobError, match="no address of a Redis"):
            jobs.submit("vae-mnist", LONG)


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except GenmodelsError:
        return True
    return False


class TestControl:
    def test_everybody_controls_their_own_and_a_teacher_all(self):
        run = jobs.submit("vae-mnist", LONG, key="mine")
        assert jobs.control(run, key="mine", teacher=False)
        assert not jobs.control(run, key="yours", teacher=False)
        assert not jobs.control(run, key="", teacher=False)
        assert jobs.control(run, key="yours", teacher=True)
        assert "mine" not in (run.path / "owner").read_text()

    def test_a_run_without_owner_is_everybodys_unless_there_is_a_teacher(self, monkeypatch):
        run = jobs.submit("vae-mnist", LONG)
        assert jobs.control(run, key="anybody", teacher=False)
        monkeypatch.setenv("GENMODELS_TEACHER_PASSCODE", "chalk")
        assert not jobs.control(run, key="anybody", teacher=False)

    def test_a_folder_that_was_given_to_somebody(self, tmp_path: Path):
        assert jobs.may_change(tmp_path, key="anybody", teacher=False)
        jobs.give_to(tmp_path, "mine")
        assert jobs.may_change(tmp_path, key="mine", teacher=False)
        assert not jobs.may_change(tmp_path, key="yours", teacher=False)

    def test_titles(self):
        run = jobs.submit("vae-mnist", LONG)
        jobs.retitle(run, "  <b>my\nrun</b> ")
        assert runs.find(run.id).title == "<b>my run</b>"
        with pytest.raises(jobs.JobError, match="at most 80 letters, not 81"):
            jobs.retitle(run, "x" * 81)
        with pytest.raises(jobs.JobError, match="at least one letter"):
            jobs.retitle(run, " \n")


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("EPOCHS", "10", "900 epochs are too many: the limit here is 10"),
            ("WAITING", "2", "the queue is full: 2 trainings wait"),
            ("WAITING_EACH", "2", "2 of your trainings wait already"),
            ("RUNS", "2", "2 runs are kept here"),
            ("RUNS_EACH", "2", "you keep 2 runs"),
            ("MEGABYTES", "0", "all runs and pictures take 0 MB, and the limit is 0 MB"),
            ("MEGABYTES_EACH", "0", "your runs and pictures take 0 MB, and the limit is 0 MB"),
            ("RUNS", "many", "GENMODELS_MAX_RUNS is 'many'; set it to a whole number"),
        ],
    )
    def test_a_limit_is_said_with_its_number(self, monkeypatch, name, value, sentence):
        for _ in range(2):
            jobs.submit("vae-mnist", LONG, key="me")
        monkeypatch.setenv(f"GENMODELS_MAX_{name}", value)
        before = sorted(folders.runs().iterdir())
        with pytest.raises(jobs.JobError, match=sentence):
            jobs.submit("vae-mnist", LONG, key="me")
        assert sorted(folders.runs().iterdir()) == before

    def test_own_pictures_take_room_too(self, monkeypatch):
        pictures = folders.runs() / ".pictures" / "cats"
        pictures.mkdir(parents=True)
        (pictures / "mnist-train.safetensors").write_bytes(bytes(3_000_000))
        jobs.give_to(pictures, "me")
        monkeypatch.setenv("GENMODELS_MAX_MEGABYTES_EACH", "2")
        jobs.check_room(key="you")
        jobs.check_room(key="me", teacher=True)
        for attempt in (jobs.check_room, partial(jobs.submit, "vae-mnist", LONG)):
            with pytest.raises(jobs.JobError, match="your runs and pictures take 3 MB"):
                attempt(key="me")

    def test_anothers_and_a_teachers_do_not_count(self, monkeypatch):
        monkeypatch.setenv("GENMODELS_MAX_WAITING_EACH", "1")
        jobs.submit("vae-mnist", LONG, key="me")
        jobs.submit("vae-mnist", LONG, key="you")
        jobs.submit("vae-mnist", LONG, key="me", teacher=True)
        with pytest.raises(jobs.JobError, match="1 of your trainings"):
            jobs.submit("vae-mnist", LONG, key="me")


@pytest.mark.parametrize(
    ("training", "passcode", "permission"),
    [(None, None, "off"), ("", None, "off"), ("open", None, "open"), ("passcode", "x", "passcode")],
)
def test_training_is_off_unless_the_environment_says_otherwise(
    monkeypatch, training, passcode, permission
):
    for name, value in (("TRAINING", training), ("PASSCODE", passcode)):
        monkeypatch.delenv(f"GENMODELS_{name}", raising=False)
        if value is not None:
            monkeypatch.setenv(f"GENMODELS_{name}", value)
    assert jobs.permission() == permission


class TestMemory:
    HUGE = dataclasses.replace(
        recipes.named("vae-mnist-plus"), feature_maps=512, batch_size=4096, latent_dim=4096
    )

    def test_a_training_that_no_machine_holds_is_refused_before_it_waits(self, runs_folder):
        with pytest.raises(
            jobs.JobError, match=r"needs about [\d,]+ GB of memory, .* has [\d.]+ GB"
        ):
            jobs.submit("vae-mnist-plus", self.HUGE)
        assert list(runs_folder.glob("vae*")) == []

    @pytest.mark.parametrize("name", [n for n, r in recipes.RECIPES.items() if not r.hidden])
    def test_it_is_told_of_every_recipe_and_grows_with_it(self, name):
        recipe = recipes.named(name)
        larger = dataclasses.replace(recipe, batch_size=4 * recipe.batch_size)
        longer = dataclasses.replace(recipe, epochs=900, seed=7)
        assert memory.PROCESS < memory.needed(recipe) < memory.needed(larger)
        assert memory.needed(longer) == memory.needed(recipe) < 2e9

    def test_it_is_about_what_a_training_takes(self, runs_folder):
        """The peak memory of a real one, whose step takes more than the process."""
        pytest.importorskip("resource")
        changes = {"batch_size": 160, "feature_maps": 64, "train_limit": 160}
        told = memory.needed(dataclasses.replace(recipes.named("vae-mnist-plus"), **changes))
        taken = peak("vae-mnist-plus", changes)
        assert taken > 2 * memory.PROCESS
        assert 0.7 < told / taken < 1.5, (told, taken)

    def test_a_container_has_no_more_than_it_was_given(self, tmp_path, monkeypatch):
        monkeypatch.setattr(memory, "CGROUP", (str(tmp_path / "most"), str(tmp_path / "nothing")))
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        (tmp_path / "most").write_text("max\n", "utf-8")
        whole = memory.available()
        (tmp_path / "most").write_text("500000000\n", "utf-8")
        assert memory.available() == (500_000_000, False) and whole[0] > 500_000_000
        with pytest.raises(jobs.JobError, match=r"this machine has 0\.5 GB"):
            jobs.submit("vae-mnist", LONG)

    def test_workers_elsewhere_have_memory_of_their_own(self, monkeypatch):
        monkeypatch.setenv("GENMODELS_REDIS_URL", "redis://127.0.0.1:1/0")
        memory.check(self.HUGE)


def peak(name: str, changes: dict[str, int]) -> int:
    """Bytes that a training of one epoch took at most, in a process of its own."""
    options = [f"--{key.replace('_', '-')}={value}" for key, value in changes.items()]
    arguments = [name, *options, "--epochs=1", "--precision=float32"]
    script = (
        "import resource, sys; from genmodels.command import main; "
        f"assert main({[*arguments, '--device=cpu']!r}) == 0; "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folders.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize("count", [65, 66])
def test_a_lone_last_image_is_refused_before_it_waits(count, runs_folder):
    recipe = dataclasses.replace(LONG, train_limit=count, batch_size=32, encoder_norm="batch")
    if count == 66:
        jobs.submit("vae-mnist", recipe)
        return
    with pytest.raises(RecipeError, match="last batch of 65 images in batches of 32 holds one"):
        jobs.submit("vae-mnist", recipe)
    assert list(runs_folder.glob("vae*")) == []


class TestPasscodes:
    def test_one_that_is_not_set_matches_nothing(self, monkeypatch):
        monkeypatch.delenv("GENMODELS_PASSCODE", raising=False)
        monkeypatch.delenv("GENMODELS_TEACHER_PASSCODE", raising=False)
        assert not jobs.passcode_matches("")
        assert not jobs.teacher_matches("")
        monkeypatch.setenv("GENMODELS_TRAINING", "passcode")
        with pytest.raises(jobs.JobError, match="GENMODELS_PASSCODE"):
            jobs.permission()

    def test_the_teachers_opens_the_class_too(self, monkeypatch):
        monkeypatch.setenv("GENMODELS_PASSCODE", "class")
        monkeypatch.setenv("GENMODELS_TEACHER_PASSCODE", "chalk")
        assert jobs.passcode_matches("class") and jobs.passcode_matches("chalk")
        assert jobs.teacher_matches("chalk") and not jobs.teacher_matches("class")

    def test_attempts_of_a_person_are_limited_and_lock_out_nobody_else(self, monkeypatch):
        monkeypatch.setenv("GENMODELS_PASSCODE", "class")
        for _ in range(limits.ATTEMPTS):
            assert not limits.sign_in("mallory", "guess", "class")
        with pytest.raises(jobs.JobError, match="Wait a minute"):
            limits.sign_in("mallory", "class", "class")
        assert limits.sign_in("alice", "class", "class")
        assert (limits.signed_in("mallory"), limits.signed_in("alice")) == ("", "class")
        monkeypatch.setattr(limits.time, "monotonic", lambda now=time.monotonic: now() + 61)
        assert limits.sign_in("mallory", "class", "class")

    def test_who_guesses_under_many_keys_is_slowed_down_and_locks_out_nobody(self, monkeypatch):
        monkeypatch.setenv("GENMODELS_PASSCODE", "class")
        monkeypatch.setenv("GENMODELS_TEACHER_PASSCODE", "chalk")
        slept: list[float] = []
        monkeypatch.setattr(limits.time, "sleep", slept.append)
        for number in range(limits.ALL_ATTEMPTS + 200):
            assert not limits.sign_in(f"mallory {number}", "guess", "class")
        assert slept[: limits.ALL_ATTEMPTS] == [0] * limits.ALL_ATTEMPTS
        assert slept[-1] == limits.LONGEST_WAIT and sorted(slept) == slept
        assert limits.sign_in("teacher", "chalk", "teacher")
        assert limits.signed_in("teacher") == "teacher"

    def test_who_is_not_seen_for_long_or_signs_out_is_signed_in_no_more(self, monkeypatch):
        monkeypatch.setenv("GENMODELS_TEACHER_PASSCODE", "chalk")
        assert not limits.sign_in("a", "class", "teacher")
        ahead = 0.0
        monkeypatch.setattr(limits.time, "monotonic", lambda now=time.monotonic: now() + ahead)
        assert limits.sign_in("a", "chalk", "teacher") and limits.sign_in("b", "chalk", "class")
        for _ in range(3):
            ahead += limits.SIGNED_IN - 10
            assert limits.signed_in("a") == "teacher"
        assert limits.signed_in("b") == ""
        limits.sign_out("a")
        assert limits.signed_in("a") == ""
