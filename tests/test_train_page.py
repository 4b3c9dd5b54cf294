"""The Train page as a person presses it, in a real browser; what it says, without one too."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import open_page, serving
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest
from test_own_pictures import many, zipped
from test_pages import app  # noqa: F401  a fixture
from test_pages import open_page as open_app

from genmodels import jobs, paths, recipes, runs
from genmodels.data import own_pictures
from genmodels.ui import training_view

LONG = "vae-mnist-epochs=900&vae-mnist-batch_size=2"
SLOW = dataclasses.replace(recipes.named("vae-mnist"), epochs=900, batch_size=2)
"""The same."""
expect.set_options(timeout=60_000)


@pytest.fixture
def server(tmp_path, runs_folder, cache_folder, synthetic_data) -> Iterator[str]:
    """The app, in which anybody may train."""
    places = {"runs": str(runs_folder), "data": str(synthetic_data), "training": "open"}
    places |= {"cache": str(cache_folder)}
    with serving(tmp_path, paths.REPOSITORY / "app.py", places) as address:
        yield address


def state(run: runs.Run) -> str:
    return run.status().state


def own(folder: Path) -> list[runs.Run]:
    """The user's runs, the oldest first."""
    return [runs.open_run(path) for path in sorted(folder.glob("vae-mnist-*"))]


def sees_why_grey(page, button, words: str) -> None:
    """The reason is shown beside the pointer; the button may have moved from under it once."""
    for _ in range(30):
        page.mouse.move(1, 1)
        button.hover(force=True)
        page.wait_for_timeout(1000)
        if page.get_by_text(words).is_visible():
            return
    expect(page.get_by_text(words)).to_be_visible()


def test_a_training_is_started_once_however_often_one_presses(page, server, runs_folder):
    page.set_viewport_size({"width": 1280, "height": 800})
    open_page(page, f"{server}/train?{LONG}", "text=Break it")
    title, start = page.get_by_role("textbox", name="Title"), "Start training"
    title.fill("mine")
    title.blur()
    # While the first press is at work, and once what came of it is shown.
    page.get_by_role("button", name=start).evaluate(
        "button => { for (const pause of [0, 20, 60, 150, 400, 900]) setTimeout(() => "
        "[...document.querySelectorAll('button')].find(b => b.textContent === 'Start training')"
        ".click(), pause); }"
    )
    expect(page.get_by_role("heading", name="mine")).to_be_in_viewport()
    button = page.get_by_role("button", name=start)
    expect(button).to_be_disabled()
    expect(title).to_have_value("")
    sees_why_grey(page, button, "This training is in progress.")
    assert [run.title for run in own(runs_folder)] == ["mine"]
    # Another recipe is another training, and what was typed for the first is not its title.
    page.get_by_role("spinbutton", name="Epochs").fill("901")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_role("heading", name="VAE on MNIST")).to_be_in_viewport()
    assert [run.title for run in own(runs_folder)] == ["mine", "VAE on MNIST"]
    # Another browser sees why it cannot stop what is not its own, whatever else grows meanwhile.
    other = page.context.browser.new_context().new_page()
    open_page(other, f"{server}/train?run=vae-mnist-1", "text=Break it")
    stop = other.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_disabled()
    sees_why_grey(other, stop, "Only the browser that started this training")
    place = stop.bounding_box()
    expect(other.get_by_text(re.compile("Epoch .* images per second"))).to_be_visible()
    expect(other.get_by_alt_text("The newest samples of the training")).to_be_visible()
    expect(other.get_by_text("Only the browser that started this training")).to_be_visible()
    assert stop.bounding_box() == place
    other.context.close()
    assert page.traffic.trouble == []


def test_a_duplicate_has_the_settings_of_its_run_and_only_it_has_a_parent(
    page, server, runs_folder, make_run
):
    made = own_pictures.from_zip(zipped(many(20)), "cats.zip")
    make_run("first", "vae-mnist", epochs=7, kl_weight=2, reduction="mean", pictures=made.id)
    open_page(page, f"{server}/train?recipe=gan-mnist", "text=Break it")
    page.get_by_role("button", name="Duplicate with changes").click()

    def value(role: str, name: str):
        return page.get_by_role(role, name=name, exact=True)

    form = {("combobox", "Recipe"): "vae-mnist", ("combobox", "Learn from"): made.id}
    form[("spinbutton", "Epochs")] = "7"
    for (role, name), text in form.items():
        expect(value(role, name)).to_have_value(text)
    expect(value("combobox", "Recipe")).to_be_in_viewport()
    expect(page.get_by_text("Change at least one, then start.")).to_be_visible()
    # Whatever is changed next, the rest stays.
    value("spinbutton", "Batch size").fill("16")
    value("spinbutton", "Batch size").press("Enter")
    expect(page.get_by_text("Changed: Batch size 64 → 16.")).to_be_visible()
    for (role, name), text in form.items():
        expect(value(role, name)).to_have_value(text)
    start = page.get_by_role("button", name="Start training")
    start.click()
    trained = page.get_by_role("combobox", name="Training", exact=True)
    expect(trained).to_have_value(re.compile("vae-mnist-1"))
    (run,) = own(runs_folder)
    assert (run.recipe.epochs, run.recipe.batch_size, run.recipe.pictures) == (7, 16, made.id)
    assert run.recipe.kl_weight == 2.0 and run.recipe.reduction == "mean"  # pyright: ignore
    assert run.info["parent"] == "first"
    # The next one is none of its variations, nor is one of another recipe.
    expect(page.get_by_text("These are the settings of")).to_be_hidden()
    value("spinbutton", "Batch size").fill("32")
    value("spinbutton", "Batch size").press("Enter")
    expect(start).to_be_enabled()
    start.click()
    expect(trained).to_have_value(re.compile("vae-mnist-2"))
    assert own(runs_folder)[1].info["parent"] is None
    assert page.traffic.trouble == []


def test_wrong_passcodes_lock_out_nobody_else_and_who_is_signed_in_stays_so(
    browser, page, tmp_path, runs_folder
):
    places = {"runs": str(runs_folder), "data": "nowhere", "cache": str(tmp_path / "cache")}
    places |= {"training": "passcode", "passcode": "class", "teacher_passcode": "chalk"}
    with serving(tmp_path, paths.REPOSITORY / "app.py", places) as address:
        open_page(page, f"{address}/train", "text=Break it")
        field = page.get_by_label("Passcode", exact=True)
        start = page.get_by_role("button", name="Start training")
        locked = page.get_by_text(re.compile("wait a minute", re.IGNORECASE))
        answer = page.get_by_text("Wrong passcode").or_(locked)
        for number in range(40):  # Of two that are typed quickly, the app may see the second only.
            field.fill(f"guess {number}")
            field.press("Enter")
            expect(answer).to_be_visible()
            if locked.is_visible():
                break
            page.wait_for_timeout(200)
        expect(locked).to_be_visible()
        expect(start).to_be_disabled()  # The page goes on below.
        sees_why_grey(page, start, "Enter the passcode at the top of the page")

        teacher = browser.new_context().new_page()
        open_page(teacher, f"{address}/train", "text=Break it")
        teacher.get_by_role("button", name="Teacher").click()
        teacher.get_by_label("Teacher's passcode").fill("chalk")
        teacher.get_by_label("Teacher's passcode").press("Enter")
        start = teacher.get_by_role("button", name="Start training")
        expect(start).to_be_enabled()
        open_page(teacher, f"{address}/train", "text=Break it")
        expect(start).to_be_enabled()
        teacher.get_by_role("button", name="Teacher").click()
        teacher.get_by_role("button", name="Sign out").click()
        expect(start).to_be_disabled()
        open_page(teacher, f"{address}/train", "text=Break it")
        expect(start).to_be_disabled()
        teacher.context.close()
        assert page.traffic.trouble == []


def press_at_once(page, *buttons: str) -> None:
    """Presses one after the other before the app has answered the first."""
    page.evaluate(
        "names => names.forEach((name, index) => setTimeout(() => [...document.querySelectorAll("
        "'button')].find(button => button.textContent.endsWith(name)).click(), 15 * index))",
        list(buttons),
    )


def test_no_press_is_lost_and_each_is_done_to_the_run_that_is_seen(page, server, runs_folder):
    first, second, third, fourth = (
        jobs.submit("vae-mnist", dataclasses.replace(SLOW, seed=seed), title=f"number {seed}")
        for seed in (1, 2, 3, 4)
    )
    page.set_viewport_size({"width": 1280, "height": 900})
    open_page(page, f"{server}/train?run={second.id}", "text=Break it")
    expect(page.get_by_text(re.compile("Place 1 in the queue · starts in about"))).to_be_visible()
    # Enter saves a title.
    page.get_by_role("button", name="Rename").click()
    title = page.get_by_role("dialog", name="Rename").get_by_role("textbox")
    title.fill("by hand")
    title.press("Enter")
    expect(page.get_by_role("heading", name="by hand")).to_be_visible()
    expect(page.get_by_role("combobox", name="Training", exact=True)).to_have_value(
        re.compile("by hand")
    )
    page.keyboard.press("Escape")
    # Two presses, the second of which comes while the first is at work.
    press_at_once(page, "Leave the queue", "Duplicate with changes")
    expect(page.get_by_text("Change at least one, then start.")).to_be_visible()
    expect(page.get_by_text("These are the settings of by hand")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    assert second.status().reason == "taken out of the queue"
    press_at_once(page, "Resume", "Duplicate with changes")
    expect(page.get_by_role("button", name="Leave the queue")).to_be_enabled()
    # What is deleted here needs no word more; what somebody else deleted does.
    page.get_by_role("button", name="Leave the queue").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="by hand")).to_be_hidden()
    expect(page.get_by_text("isn't here")).to_be_hidden()
    open_page(page, f"{server}/train?run={third.id}", "text=Break it")
    expect(page.get_by_role("heading", name="number 3")).to_be_visible()
    jobs.delete(third)
    missing = page.get_by_text(f"The training {third.id} isn't here.")
    expect(missing).to_be_visible()
    expect(page.get_by_role("heading", name="number 1")).to_be_visible()
    chooser = page.get_by_role("combobox", name="Training", exact=True)
    chooser.fill("number 4")
    chooser.press("Enter")
    expect(page.get_by_role("heading", name="number 4")).to_be_visible()
    expect(missing).to_be_hidden()
    # A training in progress says at once that it was asked to stop.
    open_page(page, f"{server}/train?run={first.id}", "text=Break it")
    expect(page.get_by_text(re.compile("Epoch .* images per second"))).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("stopped on request")).to_be_visible()
    assert {run.id for run in own(runs_folder)} == {first.id, fourth.id}
    assert page.traffic.trouble == []


def test_a_run_that_starts_is_shown_in_one_state_and_the_queue_has_ids(
    app: AppTest,  # noqa: F811
    monkeypatch,
):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    first, second = (jobs.submit("vae-mnist", SLOW) for _ in range(2))

    def buttons() -> list[str]:
        return [button.label for button in app.button]

    def queue() -> list[str]:
        rows = [table.value for table in app.dataframe if "place" in table.value]
        return [run_id for table in rows for run_id in table["id"]]

    app.query_params["run"] = first.id
    open_app(app, "train")
    assert queue() == [first.id, second.id] and "Leave the queue" in buttons()
    assert "Queue: 2 waiting" in [each.value for each in app.subheader]
    with runs.claim(first.path).acquire(blocking=False):  # As a worker, before its trainer is one.
        training_view.places.clear()
        app.run()
        assert queue() == [second.id] and "Stop" in buttons()
        assert "Leave the queue" not in buttons()
        assert "Queue: 1 waiting" in [each.value for each in app.subheader]
        assert not [info for info in app.info if "Place" in info.value]
    training_view.places.clear()
    app.run()
    next(button for button in app.button if button.label == "Leave the queue").click().run()
    assert [toast.value for toast in app.toast] == ["VAE on MNIST left the queue."]
    assert "Resume" in buttons() and queue() == [second.id]
    monkeypatch.setenv("GENMODELS_TRAINING", "off")  # Since the page was drawn.
    next(button for button in app.button if button.label == "Resume").click().run()
    assert "switched off" in app.error[0].value and state(first) == "stopped"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_training_that_is_not_here_is_said_until_another_is_chosen(
    app: AppTest,  # noqa: F811
    make_run,
    kept,
):
    for number in range(2 * kept):
        make_run(f"kept-{number}")
    app.query_params["run"] = "gone"
    open_app(app, "train")

    def said() -> bool:
        return any("The training gone isn't here" in each.value for each in app.warning)

    assert said()
    app.run()
    assert said()
    if kept:
        app.selectbox(key="run-0").set_value("kept-0").run()
        assert not said()
