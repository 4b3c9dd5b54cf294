"""The app in a real browser, served as a user serves it."""

import re

import pytest
from browser import WAIT, Traffic, drag, open_page, pixels, serving
from playwright.sync_api import expect

import genmodels
from genmodels import folders, runs
from genmodels.latent import Kept
from genmodels.ui import navigation

PAGES = ["" if name == "home" else name for _, name, *_ in navigation.PAGES]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app on the shipped checkpoints, with no data set."""
    folder = tmp_path_factory.mktemp("app")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", places) as address:
        yield address


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_first_of_all_without_an_error(page, server, name, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_page(page, f"{server}/{name}", "h1, h2")
    page.wait_for_timeout(500)
    assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
    assert page.traffic.trouble == []
    assert [
        url for url in page.traffic.requests if not url.startswith((server, "data:", "blob:"))
    ] == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
    unnamed = page.locator("[data-testid=stMain] img:not([alt]), [data-testid=stMain] img[alt='']")
    assert unnamed.count() == 0


def test_dragging_the_slider_shows_the_walk_and_asks_the_server_nothing(page, server):
    open_page(page, f"{server}/interpolate?model=vae-mnist", "canvas")
    slider = page.locator("input[type=range]").last
    slider.scroll_into_view_if_needed()
    before = (-1, -1)
    while before != page.traffic.total():  # The last of the page's own requests.
        page.get_by_text("Loading the decoder").wait_for(state="hidden")
        before = page.traffic.total()
        page.wait_for_timeout(1000)
    seen = drag(page, slider.bounding_box(), lambda: pixels(page, "canvas"), steps=60)
    assert len(seen) >= 20
    assert page.traffic.total() == before, page.traffic.requests[before[0] :]


def test_an_address_brings_back_the_same_picture(page, server):
    address = f"{server}/interpolate?model=gan-mnist&a_seed=5&b_seed=6&path=Great+circle"
    open_page(page, address, "canvas")
    first = pixels(page, "canvas")
    assert "a_seed=5" in page.url
    open_page(page, address, "canvas")
    assert pixels(page, "canvas") == first
    open_page(page, address.replace("a_seed=5", "a_seed=7"), "canvas")
    assert pixels(page, "canvas") != first


def test_a_picked_sample_becomes_the_start_of_a_walk(page, server):
    open_page(page, f"{server}/sample?model=gan-mnist&seed=3", "[role=option]")
    page.locator("[role=option]").nth(4).click()
    page.get_by_role("button", name="Keep as A").click()
    page.get_by_alt_text("The picture of A, of the model gan-mnist").wait_for()
    page.get_by_role("button", name="Keep as B").click()
    page.get_by_alt_text("The picture of B, of the model gan-mnist").wait_for()
    page.get_by_role("link", name="Walk from A to B").click()
    page.wait_for_selector("canvas")
    z = genmodels.load("gan-mnist").sample_latents(5, seed=3)[4]
    kept = page.get_by_role("textbox", name="Kept latent").first
    expect(kept).to_have_value(Kept.of(runs.find("gan-mnist"), z).text)
    page.get_by_alt_text("The picture of A").wait_for()


def test_the_curves_scrubber_moves_the_pictures(page, server):
    open_page(page, f"{server}/curves?runs=vae-mnist&runs=gan-mnist", ".main-svg")
    pictures = page.locator("[data-testid=stMain] img, [data-testid=stMain] canvas")
    assert pictures.count() >= 2
    slider = page.locator("input[type=range]").last
    slider.scroll_into_view_if_needed()
    slider.press("Home")
    page.wait_for_timeout(500)
    assert "untrained" in page.locator("[data-testid=stMain]").inner_text()


@pytest.fixture(scope="module")
def training_server(tmp_path_factory, data_folder):
    """The app with real data, training allowed."""
    folder = tmp_path_factory.mktemp("training")
    places = {"runs": str(folder / "runs"), "cache": str(folder / "cache")}
    places |= {"data": str(data_folder), "training": "open"}
    with serving(folder, folders.REPOSITORY / "app.py", places) as address:
        yield address


def test_a_training_is_started_watched_stopped_and_resumed(page, training_server):
    # Far more epochs than there is time for, on few images: it runs until it is stopped.
    short = "recipe=vae-mnist&vae-mnist-epochs=900&vae-mnist-train_limit=1280"
    open_page(page, f"{training_server}/train?{short}", "h1, h2")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector("text=/Epoch [2-9]/")
    page.wait_for_selector("text=/left/")
    samples = page.get_by_alt_text("The newest samples of the training")
    first = samples.get_attribute("src")
    page.wait_for_function(
        "([image, src]) => image.src !== src", arg=[samples.element_handle(), first]
    )
    # It goes on without the page.
    open_page(page, training_server, "h1, h2")
    open_page(page, f"{training_server}/train", "text=/Epoch/")
    page.get_by_role("button", name="Stop").click()
    stopped = page.get_by_text(re.compile("Stopped after"))
    stopped.wait_for()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector("text=/Epoch [0-9]+ of 900/")
    page.get_by_role("button", name="Stop").click()
    stopped.wait_for()
    assert page.traffic.trouble == []


def test_a_second_training_waits_its_turn_and_belongs_to_its_person(browser, page, training_server):
    long = "recipe=vae-mnist&vae-mnist-epochs=900&vae-mnist-train_limit=1280"
    open_page(page, f"{training_server}/train?{long}", "h1, h2")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector("text=/Epoch [0-9]+ of 900/")

    other = browser.new_context().new_page()
    other.set_default_timeout(WAIT)
    open_page(other, f"{training_server}/train", "text=/Epoch/")
    assert other.get_by_role("button", name="Stop").is_disabled()
    open_page(other, f"{training_server}/train?{long}", "h1, h2")
    other.get_by_role("textbox", name="Title").fill("<b>theirs</b>")
    other.get_by_role("button", name="Start training").click()
    other.get_by_text(re.compile("Place 1 in the queue")).wait_for()
    assert other.get_by_role("heading", name="<b>theirs</b>").count() == 1
    # Theirs waits until the first is stopped; then it is trained, and can be taken away again.
    page.get_by_role("button", name="Stop").click()
    page.get_by_text(re.compile("was stopped")).wait_for()  # The toast.
    other.wait_for_selector("text=/Epoch [0-9]+ of 900/")
    other.get_by_role("button", name="Stop").click()
    other.get_by_text(re.compile("Stopped after")).wait_for()
    other.get_by_role("button", name="Delete", exact=True).click()
    other.get_by_role("button", name="Delete for good").click()
    other.get_by_role("heading", name="<b>theirs</b>").wait_for(state="detached")
    other.context.close()
    assert page.traffic.trouble == []


def test_a_training_of_one_epoch_ends_and_its_run_can_be_sampled(page, training_server):
    short = "recipe=gan-mnist&gan-mnist-epochs=1&gan-mnist-train_limit=640"
    open_page(page, f"{training_server}/train?{short}", "h1, h2")
    page.get_by_role("button", name="Start training").click()
    page.get_by_text(re.compile("Done after 1 of 1")).wait_for(timeout=90_000)
    page.get_by_role("link", name="Sample", exact=True).last.click()
    page.wait_for_selector("[role=option]")
    assert "gan-mnist-1" in page.url
    assert isinstance(page.traffic, Traffic) and page.traffic.trouble == []
