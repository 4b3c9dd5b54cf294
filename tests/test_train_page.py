"""The Train page as a person presses it, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import open_page, serving
from playwright.sync_api import expect
from test_own_pictures import many, zipped

from genmodels import paths, runs
from genmodels.data import own_pictures

LONG = "vae-mnist-epochs=900&vae-mnist-batch_size=2"


@pytest.fixture
def server(tmp_path, runs_folder, synthetic_data) -> Iterator[str]:
    """The app, in which anybody may train."""
    places = {"runs": str(runs_folder), "data": str(synthetic_data), "training": "open"}
    places |= {"cache": str(tmp_path / "cache")}
    with serving(tmp_path, paths.REPOSITORY / "app.py", places) as address:
        yield address


def own(folder: Path) -> list[runs.Run]:
    """The user's runs, the oldest first."""
    return [runs.open_run(path) for path in sorted(folder.glob("vae-mnist-*"))]


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
    expect(page.get_by_text("mine is in the queue.").first).to_be_visible()
    expect(page.get_by_role("heading", name="mine")).to_be_in_viewport()
    button = page.get_by_role("button", name=start)
    expect(button).to_be_disabled()
    expect(title).to_have_value("")
    button.hover(force=True)
    expect(page.get_by_text("This training is in progress.")).to_be_visible()
    assert [run.title for run in own(runs_folder)] == ["mine"]
    # Another recipe is another training, and what was typed for the first is not its title.
    page.get_by_role("spinbutton", name="Epochs").fill("901")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_role("heading", name="VAE on MNIST")).to_be_in_viewport()
    assert [run.title for run in own(runs_folder)] == ["mine", "VAE on MNIST"]
    # Another browser sees why it cannot stop what is not its own.
    other = page.context.browser.new_context().new_page()
    open_page(other, f"{server}/train?run=vae-mnist-1", "text=Break it")
    stop = other.get_by_role("button", name=re.compile("Stop|queue"))
    expect(stop).to_be_disabled()
    stop.hover(force=True)
    expect(other.get_by_text("Only the browser that started this training")).to_be_visible()
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
    expect(page.get_by_text("is in the queue.")).to_be_visible()
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
    expect(page.get_by_role("combobox", name="Training", exact=True)).to_have_value(
        re.compile("vae-mnist-2")
    )
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
        start.hover(force=True)
        expect(page.get_by_text("Enter the passcode at the top of the page")).to_be_visible()

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
