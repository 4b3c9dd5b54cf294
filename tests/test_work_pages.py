"""Long work that pages start, as a person meets it: in a browser, away and back, and reloaded."""

import threading
import time

import pytest
from browser import open_page, serving, settled
from conftest import write_mnist
from streamlit.testing.v1 import AppTest

from genmodels import folders, latent
from genmodels.ui import map_view, navigation, shell, work


@pytest.mark.parametrize(
    ("page", "about"), [("map", "Decoding the map of"), ("dimensions", "What the dimensions of")]
)
def test_what_takes_long_is_watched_and_stopped_and_the_page_answers(
    make_run, cache_folder, monkeypatch, page, about
):
    begun = threading.Event()

    def slow(*given):
        begun.set()
        while True:  # Until it is stopped there.
            given[-1]("Places", 100, 400)
            time.sleep(0.01)

    monkeypatch.setattr(map_view, "seeds_map", slow)
    monkeypatch.setattr(latent, "picture_change", slow)
    monkeypatch.setenv("GENMODELS_DATA", str(cache_folder / "nowhere"))
    make_run("first", "gan-mnist", latent_dim=4)
    make_run("second", "gan-mnist", latent_dim=5)
    app = AppTest.from_file(navigation.__file__, default_timeout=120).run()
    app.query_params["model"] = "first"
    app.switch_page(str(shell.page(page))).run()
    assert begun.wait(120) and not app.exception
    [first] = work._working
    assert first.about.startswith(f"{about} first")
    assert [button.label for button in app.button if button.label == "Stop"]
    # What was not wanted any more is stopped for what is.
    app.selectbox(key="model").set_value("second").run()
    assert not app.exception and first.over.wait(120) and first.stopped
    [second] = (task for task in work._tasks.values() if task.about.startswith(f"{about} second"))
    next(button for button in app.button if button.label == "Stop").click().run()
    assert second.over.wait(120)
    app.run()
    assert any("Stopped" in said.value for said in app.info)
    assert [button.label for button in app.button if button.label == "Start again"]


@pytest.fixture
def server(tmp_path):
    write_mnist(tmp_path / "data", train=60, val=40)
    places = {name: str(tmp_path / name) for name in ("data", "runs", "cache")}
    places["training"] = "open"
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as address:
        yield address


def go(page, section: str, title: str) -> None:
    """By the navigation at the top, as a person does: the session stays."""
    page.get_by_test_id("stTopNavSection").filter(has_text=section).click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title).click()


def test_long_work_is_found_again_and_a_choice_is_kept(page, server):
    page.set_viewport_size({"width": 1280, "height": 800})
    address = f"{server}/picture?model=gan-mnist&source=Test+image&steps=1000"
    open_page(page, address, "text=Search")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("Best so far").or_(page.get_by_text("Mean squared error")).first.wait_for()
    # It goes on when the page is loaded again.
    page.reload()
    page.get_by_text("Best so far").or_(page.get_by_text("Mean squared error")).first.wait_for()
    stop = page.get_by_role("button", name="Stop")
    stop.evaluate_all("buttons => buttons.forEach(button => button.click())")  # If not over yet.
    page.get_by_text("Mean squared error").first.wait_for()

    # A page that shows no GANs shows another model, and leaves the choice.
    open_page(page, f"{server}/sample?model=gan-mnist", "text=Click a picture to keep")
    go(page, "Explore", "Reconstruct")
    page.get_by_text("gan-mnist has no encoder").first.wait_for()
    go(page, "Explore", "Sample")
    page.get_by_text("Click a picture to keep").first.wait_for()
    chosen = page.get_by_text("218,128 generator").first  # What is said of gan-mnist.
    chosen.wait_for()
    settled(page)
    go(page, "Explore", "Reconstruct")
    page.get_by_text("gan-mnist has no encoder").first.wait_for()
    settled(page)
    page.go_back()
    page.wait_for_url("**/sample**")
    chosen.wait_for()

    open_page(page, f"{server}/evaluate?model=vae-mnist&samples=40", "text=Takes roughly")
    page.get_by_role("button", name="Compute").click()
    page.get_by_text("Measuring vae-mnist").or_(page.get_by_text("is measured")).first.wait_for()
    go(page, "Explore", "Sample")
    page.get_by_text("Click a picture to keep").first.wait_for()
    go(page, "Measure", "FID")
    page.get_by_text("vae-mnist is measured").first.wait_for(timeout=180_000)
    # The icon is part of each page, and not asked for.
    assert not [url for url in page.traffic.requests if "/media/" in url and url.endswith(".png")]
    assert not page.traffic.trouble


def test_on_a_phone_pictures_come_before_what_sets_them(page, server):
    page.set_viewport_size({"width": 400, "height": 800})
    open_page(page, f"{server}/reconstruct?model=vae-mnist", "img[alt*=reconstruction]")
    picture = page.locator("img[alt*=reconstruction]").first.bounding_box()
    field = page.get_by_role("spinbutton").first.bounding_box()
    assert picture["y"] < field["y"]
    open_page(page, f"{server}/picture?model=gan-mnist&source=Test+image", "text=Search")
    picture = page.locator("[data-testid=stImage] img").first.bounding_box()
    assert picture["y"] < page.get_by_label("Steps").first.bounding_box()["y"]
