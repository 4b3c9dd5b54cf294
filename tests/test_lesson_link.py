"""Links that open a page as a teacher left it, with a task."""

import urllib.parse

import pytest
from browser import serving
from streamlit.testing.v1 import AppTest

from genmodels import folders
from genmodels.ui import lesson_link, navigation, shell

NASTY = "<img src=x onerror=alert(1)> **bold** :red[x] $x$ [link](javascript:alert(1))"


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    return AppTest.from_file(navigation.__file__, default_timeout=60).run()


def open_page(app: AppTest, page: str, **query: str) -> AppTest:
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(str(shell.page(page))).run()
    assert not app.exception
    return app


def test_an_address_keeps_the_state_and_carries_the_task():
    query = {"runs": ["a", "b"], "seed": ["7"], "task": ["old"]}
    link = lesson_link.address(
        "http://host/base/curves?x=1", query, " Why? & how ", ["runs", "log"]
    )
    parts = urllib.parse.urlsplit(link)
    assert (parts.netloc, parts.path) == ("host", "/base/curves")
    assert urllib.parse.parse_qs(parts.query) == {
        "runs": ["a", "b"],
        "seed": ["7"],
        "task": ["Why? & how"],
        "hide": ["runs.log"],
    }


@pytest.mark.parametrize(
    ("page", "query", "words"),
    [
        ("picture", {}, "Draw a digit first"),
        ("picture", {"source": "Upload"}, "Choose a picture first"),
        ("picture", {"source": "Test image"}, "upload a picture"),
        ("curves", {"runs": ""}, "Choose a run"),
        ("together", {"models": "vae-mnist"}, "Choose two models"),
        ("together", {"view": "Epochs"}, "Lesson link"),
    ],
)
def test_a_page_that_ends_early_has_its_lesson_link(app, page, query, words):
    open_page(app, page, **query)
    said = [element.value for element in [*app.info, *app.error]]
    assert words == "Lesson link" or any(words in text for text in said)
    assert any(button.key == "lesson-link" for button in app.button)


@pytest.mark.parametrize("page", lesson_link.CONTROLS)
def test_the_controls_that_can_be_hidden_are_on_the_page(app, page):
    # Classes are chosen only of models that tell them apart.
    model = {"interpolate": "gan-mnist", "sample": "vae-mnist-plus"}.get(page, "vae-mnist")
    open_page(app, page, model=model)
    wanted = set(lesson_link.CONTROLS[page])
    if page == "reconstruct":  # Without the data set there is none to choose.
        wanted -= {"first"}
    if page == "together":  # Of another view.
        wanted -= {"path"}
    keys = {element.key for element in app.main if getattr(element, "key", None)}
    assert wanted <= keys


def test_a_task_is_text_and_nothing_else_and_stays_until_it_is_done(app):
    open_page(app, "sample", task=NASTY)
    shown = next(text.value for text in app.markdown if "Your task" in text.value)
    assert shown == f"**Your task.** {shell.plain(NASTY)}"
    assert not any(text.allow_html for text in app.markdown if "task" in text.value)
    open_page(app, "interpolate")
    assert any("Your task" in text.value for text in app.markdown)
    app.button(key="task-done").click().run()
    assert not any("Your task" in text.value for text in app.markdown)


@pytest.mark.parametrize(("task", "shown"), [("", False), (" \n", False), ("x" * 9999, True)])
def test_empty_and_endless_tasks(app, task, shown):
    open_page(app, "sample", task=task)
    texts = [text.value for text in app.markdown if "Your task" in text.value]
    assert bool(texts) == shown
    assert all(len(text) < lesson_link.LONGEST_TASK + 30 for text in texts)


def test_a_class_opens_what_the_teacher_composed(page, tmp_path):
    from playwright.sync_api import expect

    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as server:
        page.goto(f"{server}/sample?seed=7&model=gan-mnist")
        page.get_by_role("button", name="Lesson link").click()
        task = page.get_by_role("textbox", name="Task")
        task.fill("Which <b>digit</b> is missing?")
        task.press("Control+Enter")
        page.get_by_role("combobox", name="Hide").click()
        page.get_by_role("option", name="Spread").click()
        link = page.locator("[data-testid=stCode]")
        expect(link).to_contain_text("hide=spread")
        expect(page.get_by_alt_text("QR code of the link")).to_be_visible()
        address = link.inner_text().strip()
        page.goto(address)
        expect(page.get_by_text("Which <b>digit</b> is missing?")).to_be_visible()
        expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("7")
        expect(page.get_by_role("slider", name="How many")).to_be_visible()
        expect(page.get_by_role("slider", name="Spread of the latents")).to_be_hidden()
        assert page.traffic.trouble == []
