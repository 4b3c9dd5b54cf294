import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genmodels import folders, runs
from genmodels.errors import RunError
from genmodels.runs import Damaged, Run, Status

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
    monkeypatch.setattr(folders, "CHECKPOINTS", tmp_path / "checkpoints")
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
    monkeypatch.setattr(folders, "CHECKPOINTS", tmp_path / "none")
    assert list(runs.list_runs()) == []
    for age, name in enumerate(["newest", "broken", "oldest"]):
        stamp = time.time() - 100 * age
        os.utime(make_run(name).path / "recipe.json", (stamp, stamp))
    (runs_folder / "being-made").mkdir()
    (runs_folder / "Not an id").mkdir()
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
        cwd=folders.REPOSITORY,
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
    for name, place in (("RUNS", folders.runs), ("DATA", folders.data), ("CACHE", folders.cache)):
        monkeypatch.setenv(f"GENMODELS_{name}", "~/somewhere")
        assert place() == Path.home() / "somewhere"
        monkeypatch.setenv(f"GENMODELS_{name}", "")
        assert place() == folders.REPOSITORY / name.lower()
