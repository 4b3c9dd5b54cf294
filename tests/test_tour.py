"""The guided tour, from page to page."""

from browser import serving
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from genmodels import folders
from genmodels.ui import navigation, tour


def test_every_stop_is_a_page():
    assert {name for name, _ in tour.STOPS} <= {name for _, name, *_ in navigation.PAGES}


def test_nobody_is_led_who_did_not_ask():
    app = AppTest.from_file(navigation.__file__, default_timeout=60).run()
    assert not any(button.key in ("tour-next", "tour-end") for button in app.button)


def test_the_tour_is_offered_once_and_leads_through_all_its_pages(page, tmp_path):
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as server:
        page.goto(server)
        expect(page.get_by_text(tour.INVITATION)).to_be_visible()
        page.get_by_role("button", name="No, thanks").click()
        expect(page.get_by_text(tour.INVITATION)).to_be_hidden()
        page.reload()
        start = page.get_by_role("button", name="Take the tour")
        expect(start).to_be_visible()
        expect(page.get_by_text(tour.INVITATION)).to_be_hidden()
        start.click()
        for number, (name, _) in enumerate(tour.STOPS, 1):
            expect(page.get_by_text(f"{number} of {len(tour.STOPS)}.")).to_be_visible()
            assert f"/{name}" in page.url
            if number < len(tour.STOPS):
                page.get_by_role("button", name="Next", exact=True).click()
        page.get_by_role("button", name="End of the tour").click()
        expect(page.get_by_text("6 of 6.")).to_be_hidden()
        assert page.traffic.trouble == []
