"""The guided tour, from page to page."""

from browser import serving, settled
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from genmodels import folders
from genmodels.ui import navigation, tour


def test_every_stop_is_a_page():
    assert {name for name, _ in tour.STOPS} <= {name for _, name, *_ in navigation.PAGES}


def test_nobody_is_led_who_did_not_ask():
    app = AppTest.from_file(navigation.__file__, default_timeout=60).run()
    assert not any(button.key == "tour-end" for button in app.button)


def test_the_tour_is_offered_once_and_leads_through_all_its_pages(page, tmp_path):
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as server:
        page.goto(server)
        expect(page.get_by_text(tour.INVITATION)).to_be_visible()
        page.get_by_role("button", name="No, thanks").click()
        expect(page.get_by_text(tour.INVITATION)).to_be_hidden()
        page.reload()
        start = page.get_by_role("link", name="Take the tour")
        expect(start).to_be_visible()
        expect(page.get_by_text(tour.INVITATION)).to_be_hidden()
        entries = page.evaluate("history.length")
        start.click()
        for number, (name, _) in enumerate(tour.STOPS, 1):
            expect(page.get_by_text(f"{number} of {len(tour.STOPS)}.")).to_be_visible()
            settled(page)
            assert f"/{name}" in page.url
            try_out(page, name)
            if number == 3:
                page.reload()
                expect(page.get_by_text("3 of 6.")).to_be_visible()
            if number < len(tour.STOPS):
                page.get_by_role("link", name="Next", exact=True).click()
        assert page.evaluate("history.length") == entries + len(tour.STOPS)
        # Off the way and back to it.
        page.get_by_role("link", name="Home").first.click()
        page.get_by_role("link", name="Go on").click()
        page.get_by_role("button", name="End of the tour").click()
        expect(page.get_by_text("6 of 6.")).to_be_hidden()
        settled(page)
        assert "tour=" not in page.url
        assert page.traffic.trouble == []


def try_out(page, name: str) -> None:
    """Does what the tour asks for, so that the address holds it."""
    if name == "sample":
        seed = page.get_by_role("spinbutton", name="Seed")
        seed.fill("7")
        seed.press("Enter")
        page.wait_for_url("**seed=7**")
    elif name == "interpolate":
        page.get_by_role("radio", name="Random").first.click()
        page.wait_for_url("**a_from=Random**")
        page.locator("input[type=range]").last.press("End")
    elif name == "map":
        plane = page.get_by_role("application")
        plane.scroll_into_view_if_needed()
        plane.click()
        page.wait_for_url("**at=**")
    elif name == "picture":
        canvas = page.locator(".genmodels-canvas")
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 100, box["y"] + 200, steps=10)
        page.mouse.up()
        expect(page.get_by_text("Mean squared error").first).to_be_visible()
    elif name == "curves":
        page.locator("input[type=range]").last.press("Home")
    settled(page)
