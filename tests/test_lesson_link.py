"""Links that open a page as a teacher left it, with a task."""

import urllib.parse

import pytest
from browser import open_page as open_in_browser
from browser import serving, settled
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from genmodels import paths
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
    link = lesson_link.compose(
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


def test_a_class_opens_what_the_teacher_composed(page, server):
    page.goto(f"{server}/sample?seed=7&model=gan-mnist")
    page.get_by_role("button", name="Lesson link").click()
    task = page.get_by_role("textbox", name="Task")
    code = page.get_by_alt_text("QR code of the link")
    expect(code).to_be_visible()
    before = code.get_attribute("src")
    task.press_sequentially("Which <b>digit</b>\nis missing?", delay=20)
    # The link and its QR code follow, though the field was not left.
    link = page.locator("code.genmodels-link")
    expect(link).to_contain_text("missing")
    expect(code).not_to_have_attribute("src", before)
    page.get_by_role("combobox", name="Hide").click()
    page.get_by_role("option", name="Spread").click()
    page.get_by_role("option", name="Seed").click()
    expect(link).to_contain_text("hide=spread.seed")
    page.keyboard.press("Escape")
    address = link.inner_text().strip()
    page.goto(address)
    shown = page.get_by_text("Which <b>digit</b>")
    expect(shown).to_be_visible()
    assert "<b>digit</b>\nis missing?" in shown.inner_text()
    expect(page.get_by_role("slider", name="How many")).to_be_visible()
    for role, name in (("slider", "Spread of the latents"), ("spinbutton", "Seed")):
        expect(page.get_by_role(role, name=name)).to_be_hidden()
    expect(page.get_by_role("button", name="New")).to_be_hidden()
    expect(page.get_by_text("samples of")).to_contain_text("seed 7")
    page.goto(f"{server}/interpolate?model=gan-mnist&hide=a_from")
    expect(page.get_by_role("spinbutton", name="Picture")).to_have_count(1)  # B's.
    assert page.traffic.trouble == []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, paths.REPOSITORY / "app.py", places) as address:
        yield address


def made_link(page) -> str:
    page.get_by_role("button", name="Lesson link").click()
    link = page.locator("code.genmodels-link")
    expect(link).to_contain_text("http")
    return link.inner_text().strip()


def slider(page):
    return page.locator("input[type=range]").last


def test_the_link_of_a_fresh_page_names_all_that_it_shows(page, server):
    open_in_browser(page, f"{server}/sample", "[role=option]")
    page.locator("[role=option]").nth(6).click()
    page.wait_for_url("**picture=7**")
    settled(page)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(made_link(page)).query)
    model = page.get_by_role("combobox", name="Model", include_hidden=True).input_value()
    expected = {"model": model, "count": "64", "spread": "1", "seed": "0", "picture": "7"}
    assert query == {name: [value] for name, value in expected.items()}


@pytest.mark.parametrize(
    ("address", "act", "look"),
    [
        (
            "interpolate?model=vae-mnist",
            lambda page: slider(page).press("ArrowRight"),
            lambda page: slider(page).get_attribute("aria-valuetext"),
        ),
        (
            "curves?runs=vae-mnist",
            lambda page: slider(page).press("Home"),
            lambda page: slider(page).get_attribute("aria-valuetext"),
        ),
        (
            "vae?step=ELBO",
            lambda page: page.locator(".genmodels-handle").last.press("PageUp"),
            lambda page: page.locator(".genmodels-value").all_inner_texts(),
        ),
        (
            "vae?step=Posterior",
            lambda page: (
                page.get_by_role("img", name="A 7").click(),
                page.locator(".genmodels-handle").press("PageUp"),
            ),
            lambda page: page.locator(".genmodels-value").all_inner_texts(),
        ),
        (
            "gan?step=Fr%C3%A9chet+distance",
            lambda page: (
                page.get_by_role("button", name="Two dimensions").click(),
                page.locator(".genmodels-handle").last.press("PageUp"),
            ),
            lambda page: page.locator(".genmodels-value").all_inner_texts(),
        ),
        (
            "dimensions?model=vae-mnist",
            lambda page: slider(page).press("End"),
            lambda page: page.get_by_role("textbox", name="Changed latent").input_value(),
        ),
    ],
    ids=["player", "curves", "bell", "z", "ellipse", "dimensions"],
)
def test_what_was_moved_by_hand_is_in_the_link_and_there_after_a_reload(
    page, server, address, act, look
):
    page.set_viewport_size({"width": 1280, "height": 800})
    ready = "input[type=range], .genmodels-lesson"
    open_in_browser(page, f"{server}/{address}", ready)
    page.wait_for_timeout(500)
    opened = look(page)
    act(page)
    settled(page)
    page.wait_for_timeout(500)  # A held key is one move.
    settled(page)
    moved = look(page)
    assert moved != opened
    link = made_link(page)
    page.reload()
    for again in ("", link):
        if again:
            page.goto(again)
        page.wait_for_selector(ready)
        settled(page)
        page.wait_for_timeout(500)
        assert look(page) == moved
    assert page.traffic.trouble == []


@pytest.mark.parametrize("width", [1280, 400])
def test_the_link_is_copied_where_a_page_may_not_use_the_clipboard(page, server, width):
    # As over plain http.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.set_viewport_size({"width": width, "height": 800})
    open_in_browser(page, f"{server}/vae", ".genmodels-lesson")
    link = made_link(page)
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_text("The link is copied.")).to_be_visible()
    # Where that is forbidden too, the link is selected.
    page.evaluate("document.execCommand = () => false")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_text("press Ctrl+C")).to_be_visible()
    assert page.evaluate("getSelection().toString()").strip().startswith(server)
    # Last: a task makes another link.
    page.get_by_role("textbox", name="Task").press("Control+v")
    assert (
        page.get_by_role("textbox", name="Task").input_value() == link[: lesson_link.LONGEST_TASK]
    )
