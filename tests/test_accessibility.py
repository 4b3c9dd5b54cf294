"""Every page by axe-core: contrast, names, roles, as WCAG 2.1 AA asks, on light and dark ground."""

import pytest
from browser import serving

from genmodels import folders
from genmodels.ui import navigation

AXE = folders.REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ["" if name == "home" else name for _, name, *_ in navigation.PAGES]
RUN = """() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa"] }).then((found) =>
    found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accessibility")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", {**places, "training": "open"}) as address:
        yield address


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --ignore-scripts")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_pages_can_be_read_by_all(browser, server, scheme):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(60_000)
    troubles = {}
    for name in PAGES:
        page.goto(f"{server}/{name}")
        page.wait_for_selector("h2")
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        page.wait_for_timeout(500)  # Components draw themselves.
        page.add_script_tag(path=AXE)
        found = page.evaluate(RUN)
        if found:
            troubles[name] = found
    page.close()
    assert troubles == {}
