import errno
import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import Timeout

from genmodels import jobs, paths, recipes, runs
from genmodels.errors import FolderError, GenmodelsError, LockError, RunError
from genmodels.evaluation import __main__ as measuring
from genmodels.export import packing, tables
from genmodels.jobs import command as working
from genmodels.runs import Damaged, Run, Status
from genmodels.runs.locks import Lock
from genmodels.training import ablation
from genmodels.training.command import main
from genmodels.ui import site

NOT_JSON = [b"", b'{"state": ', b"\xff\xfe\x00", b"\x00" * 50]
NO_OBJECT = [b"null", b"5", b'"state"', b"[]"]


def rewrite(run: Run, **changes) -> None:
    """recipe.json with other values; None takes a value out."""
    info = {**run.info, **changes}
    plain = {name: value for name, value in info.items() if value is not None}
    (run.path / "recipe.json").write_text(json.dumps(plain))


@pytest.mark.parametrize(
    "name",
    ["", "..", ".", "../../etc", "/etc", "a/b", "VAE", "-run", "a b", "x" * 65, "~nobody-here/x"],
)
def test_what_is_no_id_of_a_run_is_refused(name, make_run):
    make_run("vae")
    with pytest.raises(RunError):
        runs.find(name)


def test_a_run_is_found_by_id_and_by_folder(make_run):
    run = make_run("first.run-1")
    assert runs.find("first.run-1") == runs.find(run.path) == runs.find(str(run.path)) == run
    assert (run.id, run.shipped) == ("first.run-1", False)
    assert run.parameters == {"encoder": 541_472, "decoder": 538_128}


def test_a_shipped_run_comes_before_an_own_one_of_its_name(make_run, tmp_path, monkeypatch):
    own, other = make_run("same"), make_run("other")
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    shipped = tmp_path / "checkpoints" / "same"
    shipped.parent.mkdir()
    other.path.rename(shipped)
    found = runs.find("same")
    assert found.path == shipped
    assert found.shipped
    assert not own.shipped


def test_what_changed_on_the_disk_is_read_again(make_run):
    run = make_run("first", latent_dim=1)
    assert (run.metrics(), run.latents()) == ([], {})
    for epoch in (0, 1):
        runs.append_metrics(run.path, [{"epoch": epoch, "split": "val", "images_seen": 0}])
        assert [line["epoch"] for line in run.metrics()] == list(range(epoch + 1))
    runs.write_json(run.path / "latents.json", {"kl": [1.0]})
    assert run.latents() == {"kl": [1.0]}
    for title in ("one", "two"):
        runs.change_info(run.path, title=title)
        assert runs.find("first").title == title
    (run.path / "recipe.json").unlink()
    with pytest.raises(RunError):
        runs.find("first")


def test_whoever_changes_a_list_of_metrics_changes_it_for_nobody_else(make_run):
    run = make_run("first")
    runs.append_metrics(run.path, [{"epoch": 0, "split": "val", "images_seen": 0}])
    run.metrics().clear()
    assert len(run.metrics()) == 1


@pytest.mark.parametrize("content", NOT_JSON + NO_OBJECT)
def test_a_recipe_file_that_is_no_object_is_refused(content, make_run):
    run = make_run("bad")
    (run.path / "recipe.json").write_bytes(content)
    with pytest.raises(RunError, match=r"bad: recipe\.json is damaged"):
        runs.open_run(run.path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": 2}, "has format 2 and this version reads format 1"),
        ({"format": None}, "has format None"),
        ({"recipe": None}, "names no family"),
        ({"recipe": []}, "names no family"),
        ({"recipe": {"family": "flow"}}, "its family is 'flow'"),
        ({"recipe": {"family": "vae"}}, "lacks fields"),
        ({"parameters": None}, "damaged"),
        ({"parameters": {"encoder": "many"}}, "damaged"),
        ({"title": ["a"]}, "damaged"),
        ({"recipe_name": 3}, "damaged"),
        ({"resolved": "cpu"}, "damaged"),
        ({"weights": ["sha"]}, "damaged"),
    ],
)
def test_a_recipe_file_with_something_amiss_is_refused(changes, complaint, make_run):
    run = make_run("bad")
    rewrite(run, **changes)
    with pytest.raises(RunError, match=f"^bad.*{complaint}"):
        runs.open_run(run.path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"momentum": 1}, "does not know: 'momentum'"), ({"epochs": -1}, "epochs must be")],
)
def test_a_recipe_with_wrong_fields_is_refused(changes, complaint, make_run):
    run = make_run("bad")
    rewrite(run, recipe=run.info["recipe"] | changes)
    with pytest.raises(RunError, match=f"^bad: .*{complaint}"):
        runs.open_run(run.path)


def test_a_folder_without_a_recipe_is_no_run(runs_folder):
    (runs_folder / "half").mkdir()
    with pytest.raises(RunError, match=r"half holds no recipe\.json; it is not a run"):
        runs.find("half")
    with pytest.raises(RunError, match="there is no run 'none'"):
        runs.find("none")


def test_the_list_has_the_newest_first_and_says_what_is_wrong_with_bad_ones(
    make_run, runs_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "none")
    assert list(runs.list_runs()) == []
    for age, name in enumerate(["newest", "broken", "oldest"]):
        stamp = time.time() - 100 * age
        os.utime(make_run(name).path / "recipe.json", (stamp, stamp))
    (runs_folder / "being-made").mkdir()
    (runs_folder / "No recipe").mkdir()
    (runs_folder / "file").touch()
    stamp = (runs_folder / "broken" / "recipe.json").stat().st_mtime
    (runs_folder / "broken" / "recipe.json").write_text("{")
    os.utime(runs_folder / "broken" / "recipe.json", (stamp, stamp))

    newest, broken, oldest = runs.list_runs()
    assert isinstance(newest, Run)
    assert isinstance(oldest, Run)
    assert [newest.id, oldest.id] == ["newest", "oldest"]
    assert broken == Damaged(
        "broken", "broken: recipe.json is damaged; restore it or delete the run."
    )


def test_new_folders_are_numbered_and_never_shared(runs_folder):
    assert [runs.new_folder("gan").name for _ in range(3)] == ["gan-1", "gan-2", "gan-3"]


@pytest.mark.parametrize(
    "content",
    [
        *NOT_JSON,
        *NO_OBJECT,
        b"{}",
        b'{"state": 3}',
        b'{"state": ["done"]}',
        b'{"state": "asleep"}',
        b'{"state": "done", "epoch": "3"}',
        b'{"state": "done", "epoch": null}',
        b'{"state": "failed", "reason": 5}',
        b'{"state": "done", "losses": [1]}',
        b'{"state": "training", "seconds_left": "soon"}',
    ],
)
def test_a_damaged_status_is_told_in_a_sentence(content, make_run):
    run = make_run("bad")
    (run.path / "status.json").write_bytes(content)
    with pytest.raises(RunError, match=r"^bad: status\.json is damaged; restore it or delete"):
        run.status()


@pytest.mark.parametrize("content", [*NOT_JSON, b"null", b"5", b'"a"'])
def test_damaged_measurements_and_latents_are_told_in_a_sentence(content, make_run):
    run = make_run("bad")
    assert run.evaluation() == []
    assert run.latents() == {}
    (run.path / "evaluation.json").write_bytes(content)
    (run.path / "latents.json").write_bytes(content)
    with pytest.raises(RunError, match=r"^bad: evaluation\.json is damaged"):
        run.evaluation()
    with pytest.raises(RunError, match=r"^bad: latents\.json is damaged"):
        run.latents()


def test_measurements_are_a_list_of_objects_and_latents_an_object(make_run):
    run = make_run("bad")
    for content in ("{}", "[1]", '[{"metric": "a"}, null]'):
        (run.path / "evaluation.json").write_text(content)
        with pytest.raises(RunError):
            run.evaluation()
    (run.path / "latents.json").write_text("[]")
    with pytest.raises(RunError):
        run.latents()


def test_a_status_comes_back_as_it_was_written(make_run):
    run = make_run("run")
    assert run.status() == Status("done")
    status = Status("failed", "no memory", 3, 10, 180_000, 512.5, None, {"loss": 0.25, "kl": 1})
    runs.write_status(run.path, status)
    assert run.status() == status


def test_training_means_that_a_process_holds_the_lock(make_run):
    run = make_run("run")
    runs.append_metrics(run.path, [{"epoch": 2, "split": "val", "images_seen": 9}])
    runs.write_status(run.path, Status("training", epoch=3, seconds_left=60.0))
    stopped = run.status()
    assert (stopped.state, stopped.epoch, stopped.seconds_left) == ("stopped", 2, None)
    assert "killed" in stopped.reason

    program = (
        "import pathlib, sys, genmodels.runs\n"
        "with genmodels.runs.lock(pathlib.Path(sys.argv[1])):\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    trainer = subprocess.Popen(
        [sys.executable, "-c", program, run.path],
        cwd=paths.REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with trainer:
        assert trainer.stdout is not None
        trainer.stdout.readline()
        assert run.status().state == "training"
        trainer.kill()
    assert run.status().state == "stopped"


def test_a_last_line_of_metrics_that_is_cut_off_is_left_out(make_run):
    run = make_run("run")
    assert run.metrics() == []
    lines = [
        {"epoch": 0, "split": "val", "images_seen": 0, "loss": 3.5},
        {"epoch": 1, "split": "train", "images_seen": 9, "loss": 2.5},
    ]
    runs.append_metrics(run.path, lines)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 1, "split": "val", "lo')
    assert run.metrics() == lines
    runs.discard_after(run, 0, 0)
    runs.append_metrics(run.path, lines[1:])
    assert run.metrics() == lines


@pytest.mark.parametrize(
    "line",
    [
        *(b"\xff", b"", b"null", b"[1]", b'"epoch split"', b'{"split": "val"}', b'{"epoch": 1}'),
        b'{"epoch": 0, "split": "val", "images_seen": 0, "loss": "low"}',
    ],
)
def test_a_damaged_line_of_metrics_is_named(line, make_run):
    run = make_run("run")
    whole = b'{"epoch": 0, "split": "val", "images_seen": 0}\n'
    content = whole + line + b"\n" + whole
    (run.path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(RunError, match=r"^run: line 2 of metrics\.jsonl is damaged"):
        run.metrics()


def test_what_is_newer_than_the_last_commit_is_discarded(make_run):
    run = make_run("run")
    runs.append_metrics(
        run.path, [{"epoch": n, "split": "val", "images_seen": n} for n in range(4)]
    )
    (run.path / "samples").mkdir()
    for seen in (0, 64, 640, 1_000, 1280):
        (run.path / "samples" / f"{seen:09d}.webp").touch()
    (run.path / "samples" / "notes.webp").touch()
    half, fresh = (run.path / f".{name}.1.1.tmp" for name in ("state.pt", "recipe.json"))
    half.touch()
    fresh.touch()
    os.utime(half, (0, 0))
    runs.discard_after(run, 2, 1_000)
    assert [line["epoch"] for line in run.metrics()] == [0, 1, 2]
    assert list(run.samples()) == [0, 64, 640, 1_000]
    assert (half.exists(), fresh.exists()) == (False, True)


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "state.pt"
    runs.write_atomic(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # As a full disk would.
    try:
        with pytest.raises(OSError, match="File too large"):
            runs.write_atomic(path, b"new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"
    runs.write_atomic(path, b"new" * 1000)
    assert path.read_bytes() == b"new" * 1000


def test_places_follow_the_environment(monkeypatch):
    for name, place in (("RUNS", paths.runs), ("DATA", paths.data), ("CACHE", paths.cache)):
        monkeypatch.setenv(f"GENMODELS_{name}", "~/somewhere")
        assert place() == Path.home() / "somewhere"
        monkeypatch.setenv(f"GENMODELS_{name}", "")
        assert place() == paths.REPOSITORY / name.lower()


def test_a_place_of_nobodys_home_is_told(monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", "~nobody-here/runs")
    with pytest.raises(FolderError, match="GENMODELS_RUNS is ~nobody-here/runs"):
        paths.runs()


def test_editors_that_mark_utf_8_spoil_no_file(make_run):
    run = make_run("run", latent_dim=1)
    runs.write_status(run.path, Status("stopped", "by hand", epoch=1, epochs=2))
    runs.append_metrics(run.path, [{"epoch": 0, "split": "val", "images_seen": 0}])
    runs.write_json(run.path / "latents.json", {"kl": [1.0]})
    runs.write_json(run.path / "evaluation.json", [])
    runs.write_json(run.path / "trainer.json", {"worker": "app", "pid": 7})
    files = [*run.path.glob("*.json"), run.path / "metrics.jsonl"]
    assert len(files) == 6
    for path in files:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    marked = runs.open_run(run.path)
    assert (marked.recipe, marked.status().reason) == (run.recipe, "by hand")
    assert (len(marked.metrics()), marked.latents(), marked.evaluation()) == (1, {"kl": [1.0]}, [])
    assert jobs.trainer(run.path) == {"worker": "app", "pid": 7}


def test_a_slash_at_the_end_of_an_id_or_a_folder_does_no_harm(make_run, monkeypatch):
    run = make_run("first")
    assert runs.find("first/") == runs.find(f"{run.path}/") == run
    assert runs.find("vae-mnist/").shipped
    with pytest.raises(RunError, match="there is no run 'none'"):
        runs.find("none/")
    with pytest.raises(RunError, match="is no id"):
        runs.find("No Id/")
    # What a shell completed is the folder that it saw.
    monkeypatch.chdir(run.path.parent)
    other = shutil.copytree(run.path, run.path.parent / "elsewhere" / "vae-mnist")
    monkeypatch.chdir(other.parent)
    assert runs.find("vae-mnist/").path == other != runs.find("vae-mnist").path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("My Run", "'My Run' cannot be a run's id; rename the folder"),
        ("VAE", "'VAE' cannot be a run's id"),
        ("vae-mnist (1)", "cannot be a run's id"),
        ("größer", "cannot be a run's id"),
        ("vae-mnist", "vae-mnist is the id of a built-in model; rename the folder"),
    ],
)
def test_a_run_whose_name_is_no_id_is_listed_with_the_reason(name, reason, make_run, runs_folder):
    run = make_run("good")
    shutil.copytree(run.path, runs_folder / name)
    shutil.copytree(run.path, runs_folder / ".hidden")
    own = [run for run in runs.list_runs() if isinstance(run, Damaged) or not run.shipped]
    assert {run.id for run in own} == {"good", name}
    assert [reason in run.reason for run in own if isinstance(run, Damaged)] == [True]


def test_an_own_run_of_a_bad_name_can_be_deleted_and_a_shipped_one_cannot(
    make_run, runs_folder, tmp_path, monkeypatch
):
    shutil.copytree(make_run("good").path, runs_folder / "My Run")
    broken = make_run("broken").path / "status.json"
    broken.write_text("{")
    for name in ("My Run", "broken"):
        found = next(run for run in runs.list_runs() if run.id == name)
        assert isinstance(found, Damaged)
        assert jobs.control(found, key="", teacher=False)
        jobs.delete(found)
        assert not (runs_folder / name).exists()
        with pytest.raises(jobs.JobError, match="only your own runs"):
            jobs.delete(found)
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "shipped").mkdir(parents=True)
    found = next(run for run in runs.list_runs() if run.id == "shipped")
    assert isinstance(found, Damaged)
    assert not jobs.control(found, key="", teacher=True)
    with pytest.raises(jobs.JobError, match="only your own runs"):
        jobs.delete(found)


def test_a_run_that_is_damaged_on_its_page_can_be_deleted(make_run):
    run = make_run("run")
    (run.path / "status.json").write_text("{")
    jobs.delete(run)
    assert not run.path.exists()


def test_a_damaged_run_in_training_is_not_deleted(make_run):
    run = make_run("run")
    (run.path / "status.json").write_text("{")
    damaged = next(found for found in runs.list_runs() if found.id == "run")
    with runs.lock(run.path), pytest.raises(jobs.JobError, match="in training"):
        jobs.delete(damaged)
    assert run.path.exists()


@contextmanager
def nobody(source: Path, *names: str) -> Iterator[Path]:
    """A user who is not almighty, and a folder of theirs with copies of a run."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place, root = Path(folder), os.geteuid() == 0
        for name in names:
            shutil.copytree(source, place / name)
        try:
            if root:
                for path in (place, *place.rglob("*")):
                    os.chown(path, 65534, -1)
                os.seteuid(65534)
            yield place
        finally:
            if root:
                os.seteuid(0)


def test_a_run_of_another_user_is_listed_with_the_reason_and_spoils_nothing(make_run, monkeypatch):
    with nobody(make_run("source").path, "secret", "closed", "mine") as place:
        (place / "secret" / "recipe.json").chmod(0)
        (place / "closed").chmod(0)
        monkeypatch.setenv("GENMODELS_RUNS", str(place))
        own = {run.id: run for run in runs.list_runs() if getattr(run, "shipped", 0) != 1}
        assert isinstance(own.pop("mine"), Run)
        reasons = [run.reason for run in own.values() if isinstance(run, Damaged)]
        assert len(reasons) == 2
        assert all("recipe.json cannot be read (Permission denied)" in said for said in reasons)
        assert [run.id for run in jobs.waiting()] == []
        (place / "closed").chmod(0o700)
        place.chmod(0)
        *shipped, last = runs.list_runs()
        assert isinstance(last, Damaged)
        assert f"{place} cannot be read (Permission denied)" in last.reason
        assert any(isinstance(run, Run) for run in shipped)
        place.chmod(0o700)


def test_looking_at_a_free_lock_never_finds_it_held_and_is_in_nobodys_way(make_run):
    run = make_run("run")
    runs.lock(run.path).acquire().lock.release()
    found: list[bool] = []
    end = threading.Event()

    def look() -> None:
        while not end.is_set():
            found.append(runs.is_locked(run.path))

    onlookers = [threading.Thread(target=look) for _ in range(8)]
    for thread in onlookers:
        thread.start()
    try:
        while len(found) < 1000:
            pass
        assert not any(found)
        for _ in range(100):  # At the first try.
            with runs.lock(run.path).acquire(blocking=False):
                assert runs.is_locked(run.path)
                with pytest.raises(Timeout):
                    runs.lock(run.path).acquire(blocking=False)
            assert not runs.is_locked(run.path)
    finally:
        end.set()
        for thread in onlookers:
            thread.join()


def test_a_lock_is_seen_where_the_kernel_cannot_be_asked(make_run, monkeypatch):
    """As on a Mac or in gVisor: two onlookers are still not in each other's way."""

    def unknown(*_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(fcntl, "fcntl", unknown)
    run = make_run("run")
    with runs.lock(run.path):
        assert runs.is_locked(run.path)
    with (run.path / "lock").open() as onlooker:
        fcntl.flock(onlooker, fcntl.LOCK_SH)
        assert not runs.is_locked(run.path)


def test_a_lock_that_a_child_inherited_outlives_the_one_who_took_it(make_run):
    run = make_run("run")
    program = (
        "import pathlib, subprocess, sys, genmodels.runs\n"
        "held = genmodels.runs.claim(pathlib.Path(sys.argv[1])).acquire()\n"
        "number = held.lock._context.lock_file_fd\n"
        "child = subprocess.Popen(['cat'], pass_fds=[number])\n"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, run.path],
        cwd=paths.REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        parent.kill()
        parent.wait()
        assert runs.is_claimed(run.path)
        with pytest.raises(Timeout):
            runs.claim(run.path).acquire(blocking=False)
    # The end of what it read from ended the child.
    with runs.claim(run.path).acquire(timeout=60):
        pass
    assert not runs.is_claimed(run.path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_that_is_said(number, make_run, monkeypatch):
    run = make_run("run")
    runs.write_status(run.path, Status("training", epoch=1, epochs=2))
    (run.path / "lock").touch()

    def missing(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", missing)
    monkeypatch.setattr(fcntl, "fcntl", missing)
    sentence = "has no file locks .* use a folder on a local disk"
    for use in (
        run.status,
        lambda: runs.lock(run.path).acquire(timeout=1),
        lambda: jobs.submit("vae-mnist", recipes.named("vae-mnist")),
        lambda: jobs.delete(run),
        lambda: Lock(run.path / "other").acquire(),
    ):
        with pytest.raises(LockError, match=sentence) as told:
            use()
        assert "delete" not in str(told.value)
    listed = next(found for found in runs.list_runs() if found.id == "run")
    assert isinstance(listed, Damaged) and "file locks" in listed.reason
    assert working.main(["--name", "one"]) == 2
    status = main(["vae-mnist", "--run-dir", str(run.path.with_name("new"))])
    assert status == 2 and not (run.path.with_name("new") / "lock").read_bytes()


@pytest.fixture(params=["a file", "a full disk", "read-only"])
def unwritable(request, tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written."""
    place = tmp_path / "unwritable"
    if request.param == "a file":
        place.touch()
        yield place / "below"
        return
    place.mkdir()
    option = {"a full disk": "size=8k", "read-only": "ro"}[request.param]
    mount = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be made by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def data_of_tests(synthetic_data: Path, monkeypatch) -> None:
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))


SMALL = ["--epochs", "1", "--batch-size", "16", "--device", "cpu"]


@pytest.mark.parametrize(
    "case",
    [
        ("RUNS", main, ["vae-mnist", *SMALL]),
        ("", main, ["vae-mnist", *SMALL, "--run-dir", "{place}/new"]),
        ("", main, ["vae-mnist", *SMALL, "--data-dir", "{place}/new"]),
        ("RUNS", main, ["vae-mnist", *SMALL, "--images", "{pictures}"]),
        ("CACHE", main, ["vae-imagenette", *SMALL, "--batch-size", "4"]),
        ("CACHE", measuring.main, ["vae-mnist", "--samples", "10"]),
        ("CACHE", site.main, ["vae-mnist", "--out", "{free}/site"]),
        ("", site.main, ["vae-mnist", "--out", "{place}/site"]),
        ("", packing.main, ["vae-mnist", "{place}/packed"]),
        ("RUNS", ablation.main, ["vae-mnist"]),
        ("CACHE", ablation.main, ["vae-mnist"]),
        ("RUNS", working.main, ["--name", "one"]),
        ("CACHE", working.main, ["--name", "one"]),
    ],
    ids=lambda case: f"{case[1].__module__} {case[0]} {case[2][-1]}",
)
@pytest.mark.usefixtures("data_of_tests", "runs_folder", "cache_folder")
def test_what_is_to_be_written_is_tried_before_the_work(
    case, unwritable, tmp_path, monkeypatch, capsys
):
    variable, program, arguments = case
    if variable:
        monkeypatch.setenv(f"GENMODELS_{variable}", str(unwritable))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    words = {"{place}": unwritable, "{free}": tmp_path, "{pictures}": pictures}
    for name, path in words.items():
        arguments = [word.replace(name, str(path)) for word in arguments]
    assert program(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{unwritable}" in said
    assert "cannot be written" in said or "is full" in said


def test_a_run_that_cannot_be_written_is_not_measured(make_run, monkeypatch, capsys):
    """Its values were lost at the end."""
    with nobody(make_run("run").path, "run") as place:
        monkeypatch.setenv("GENMODELS_CACHE", str(place / "cache"))
        (place / "run").chmod(0o555)
        assert measuring.main([f"{place}/run", "--samples", "10"]) == 2
        (place / "run").chmod(0o755)
    assert "cannot be written" in capsys.readouterr().err


def test_the_tables_are_not_written_where_they_cannot_be(unwritable, capsys):
    assert tables.main(["--file", str(unwritable / "README.md")]) == 2
    assert str(unwritable) in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["RUNS", "CACHE"])
def test_nothing_is_queued_where_no_training_could_write(
    variable, unwritable, make_run, cache_folder, monkeypatch
):
    run = make_run("run")
    runs.write_status(run.path, Status("stopped"))
    monkeypatch.setenv(f"GENMODELS_{variable}", str(unwritable))
    for start in (
        lambda: jobs.submit("vae-mnist", recipes.named("vae-mnist")),
        lambda: jobs.resume(run),
        jobs.check_room,
    ):
        with pytest.raises(FolderError, match=str(unwritable)):
            start()
    assert run.status().state == "stopped"


def test_an_id_is_not_given_out_again(make_run):
    """Addresses would show another run, and it would be what others vary."""
    run = make_run("vae-mnist-1")
    jobs.delete(run)
    assert runs.new_folder("vae-mnist").name == "vae-mnist-2"
    jobs.delete(make_run("vae-mnist-3"))
    assert [runs.new_folder("vae-mnist").name for _ in range(2)] == ["vae-mnist-4", "vae-mnist-5"]
    assert runs.new_folder("vae").name == "vae-1"


def test_a_process_that_is_started_elsewhere_finds_the_same_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", "mine")
    environment = paths.environment()
    assert {environment[f"GENMODELS_{name}"] for name in ("RUNS", "DATA", "CACHE")} == {
        str(tmp_path / "mine")
    }
    assert environment["PATH"] == os.environ["PATH"]


def test_a_folder_that_can_be_written_keeps_nothing_of_the_trial(tmp_path):
    paths.check_writable(tmp_path / "new" / "folder", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    assert issubclass(FolderError, GenmodelsError)
