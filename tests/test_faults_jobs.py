"""The queue's storage damaged: the worker goes on, and what waits is put back from the runs. And
damaged runs on the pages, which can be deleted or restored."""

import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from browser import serving
from fuzz import JUNK, SCALARS, damaged_bytes, dumped, few
from hypothesis import example, given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from test_jobs import at_work, state, wait

from genmodels import jobs, paths, recipes, runs
from genmodels.jobs import queue, worker
from genmodels.ui import lessons, navigation, shell

SHORT = dataclasses.replace(recipes.named("vae-mnist"), epochs=1)
MESSAGES = st.one_of(
    JUNK.map(dumped), st.binary(max_size=99), st.sampled_from([b'"gone"', b"null"])
)


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))
    monkeypatch.delenv("GENMODELS_REDIS_URL", raising=False)


def database() -> Path:
    return paths.runs() / ".queue.db"


def put_message(content: bytes) -> None:
    queue._storage(None, paths.runs()).enqueue(content)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> bytes:
    """The file of a queue with twenty messages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_RUNS", str(tmp_path_factory.mktemp("filled")))
        for number in range(20):
            queue.send(f"run-{number}")
        return database().read_bytes()


def other_tables() -> bytes:
    """A database of somebody else's."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table task (id integer)")
    return connection.serialize()


def with_a_strange_row(content: bytes) -> bytes:
    """A row that the index has under another name: it cannot be deleted."""
    connection = sqlite3.connect(":memory:")
    # Without a log: there is none in memory.
    connection.deserialize(content[:18] + b"\1\1" + content[20:])
    [(page, size)] = connection.execute(
        "select rootpage, page_size from sqlite_master, pragma_page_size where name = 'task'"
    )
    at = content.index(b"genmodels", (page - 1) * size)
    return content[:at] + b"\0" + content[at + 1 :]


def test_a_damaged_file_is_made_anew_and_nothing_is_lost(filled):
    first = jobs.submit("vae-mnist", SHORT)

    @few(25)
    @example(filled.replace(b"CREATE TABLE counter", b"CREATE TABLE\x80counter"))
    @example(with_a_strange_row(filled))
    @given(st.one_of(damaged_bytes(filled), st.just(other_tables()), st.just(b"")))
    def property_of(junk: bytes) -> None:
        for ending, content in (("", junk), ("-wal", junk[:50])):
            database().with_name(f".queue.db{ending}").write_bytes(content)
        second = jobs.submit("vae-mnist", SHORT)
        try:
            assert second.id in queue.pending()
            assert [run.id for run in jobs.waiting()] == [first.id, second.id]
            while queue.take() is not None:
                pass
        finally:
            jobs.delete(second)

    property_of()


def test_a_message_that_names_no_run_is_dropped_and_the_others_come_through(caplog):
    @few(25)
    @given(st.lists(MESSAGES, max_size=3), st.lists(MESSAGES, max_size=3))
    def property_of(before: list[bytes], after: list[bytes]) -> None:
        for content in before:
            put_message(content)
        queue.send("mine")
        for content in after:
            put_message(content)
        assert "mine" in queue.pending()
        names = []
        while (name := queue.take()) is not None:
            names.append(name)
            worker.train(name)
        assert names.count("mine") >= 1 and all(isinstance(name, str) for name in names)

    property_of()
    assert "was dropped" in caplog.text


def test_any_ticket_leaves_an_order(runs_folder):
    first = jobs.submit("vae-mnist", SHORT)
    before = (first.path / "status.json").read_bytes()

    @few(15)
    @given(SCALARS)
    def property_of(ticket: object) -> None:
        plain = {"state": "waiting", "epochs": 1, "ticket": ticket}
        (first.path / "status.json").write_bytes(dumped(plain))
        second = jobs.submit("vae-mnist", SHORT)
        assert state(second) == "waiting"
        waits = [run.id for run in jobs.waiting()]
        assert waits in ([first.id, second.id], [second.id])
        (first.path / "status.json").write_bytes(before)
        jobs.delete(second)

    property_of()


def damage_between_looks(process: subprocess.Popen) -> bool:
    """Fills the queue's file with junk, unless the worker is at it: what it writes back from the
    log of its look would undo the damage."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    try:
        if database().with_name(".queue.db-wal").exists():
            return False
        database().write_bytes(b"junk" * 5000)
        return True
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_worker_goes_on_over_runs_that_nobody_can_train():
    """No recipe's name, no claim to be had, no lock to be had, a file of the queue that is
    replaced: and the last one is trained, though its own files are torn."""
    ids = ("nameless", "unclaimed", "locked", "torn")
    made = {}
    for name in ids:
        run = jobs.submit("vae-mnist", SHORT, title=name)
        made[name] = runs.open_run(run.path)
    runs.change_info(made["nameless"].path, recipe_name=None)
    (made["unclaimed"].path / "claim").mkdir()
    (made["locked"].path / "lock").mkdir()
    (made["torn"].path / "metrics.jsonl").write_bytes(b'{"epoch": 0, "spl')
    (made["torn"].path / "trainer.json").write_bytes(b'{"worker": "test", "pid": -1}')
    for content in (b"\xff", b"[1]", b'"nobody"'):
        put_message(content)
    with at_work() as process:
        wait(lambda: state(made["nameless"]) == "failed", 600)
        wait(lambda: damage_between_looks(process))
        wait(lambda: state(made["torn"]) == "done", 600)
        (made["locked"].path / "lock").rmdir()
    assert "there is no recipe ''" in made["nameless"].status().reason
    assert state(made["unclaimed"]) == "waiting"
    assert {run.id for run in runs.list_runs()} >= {run.id for run in made.values()}
    log = (paths.cache() / "test.log").read_text()
    assert "is damaged" in log and "Traceback" not in log


def test_damaged_runs_and_pictures_are_deleted_as_a_person_does_it(
    page, make_run, tmp_path, runs_folder, cache_folder
):
    """On the Train page: a run that cannot be shown, one of a name that is no id, and one with a
    damaged picture."""
    (make_run("broken").path / "recipe.json").write_text("{")
    spoilt = make_run("spoilt").path
    (spoilt / "samples").mkdir()
    (spoilt / "samples" / "000000064.webp").write_bytes(b"junk")
    shutil.copytree(make_run("whole").path, runs_folder / "My `Run`")
    places = {"runs": str(runs_folder), "cache": str(cache_folder), "training": "open"}
    with serving(tmp_path, paths.REPOSITORY / "app.py", places) as server:
        page.goto(f"{server}/train?run=spoilt")
        page.get_by_text("samples/000000064.webp is damaged").wait_for()
        page.get_by_text("recipe.json is damaged").wait_for()
        page.get_by_text("'My `Run`' cannot be a run's id").wait_for()
        for name in ("broken", "My `Run`", "spoilt"):
            popover = page.get_by_role("button", name="Delete", exact=True)
            # Those that cannot be shown stand below the run that is shown.
            at = {"broken": "recipe.json is damaged", "My `Run`": "cannot be a run's id"}.get(name)
            if at:
                row = page.locator("[data-testid=stHorizontalBlock]").filter(has_text=at)
                popover = row.get_by_role("button", name="Delete", exact=True)
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            popover.click()
            page.get_by_role("button", name="Delete for good").click()
            wait(lambda name=name: not (runs_folder / name).exists())
            page.get_by_role("button", name="Delete for good").wait_for(state="detached")
        page.get_by_text("is damaged").wait_for(state="detached")
    assert [run.id for run in runs.list_runs() if not getattr(run, "shipped", False)] == ["whole"]


@pytest.mark.parametrize("junk", [None, b"{", b"{}"])
def test_a_lesson_works_again_once_its_file_is_restored(tmp_path, monkeypatch, junk):
    checkpoints = tmp_path / "checkpoints"
    shutil.copytree(paths.CHECKPOINTS / lessons.PLANE, checkpoints / lessons.PLANE)
    monkeypatch.setattr(paths, "CHECKPOINTS", checkpoints)
    file = checkpoints / lessons.PLANE / "latents.json"
    content = file.read_bytes()
    app = AppTest.from_file(str(navigation.__file__), default_timeout=60).run()
    file.unlink() if junk is None else file.write_bytes(junk)
    app.switch_page(str(shell.page("vae"))).run()
    assert not app.exception
    [said] = app.error
    assert "latents" in said.value and "restore it" in said.value
    assert [button.label for button in app.button].count("Next") == 1  # The other steps.
    file.write_bytes(content)
    app.run()
    assert not app.error and not app.exception
    assert len(lessons.typical()["pictures"]) == 10
