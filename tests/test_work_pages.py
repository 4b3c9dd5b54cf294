"""Long work that pages start, as a person meets it: in a browser, away and back, and reloaded."""

import pytest
from browser import open_page, serving, settled
from conftest import write_mnist

from genmodels import folders


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

    open_page(page, f"{server}/evaluate?model=vae-mnist&samples=40", "text=Takes about")
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
