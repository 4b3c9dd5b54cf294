"""Every page by axe-core: contrast, names, roles, as WCAG 2.1 AA asks, on light and dark ground.

The browser says nothing meanwhile: each page does with what its content security policy allows.
"""

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
def test_all_pages_can_be_read_by_all(page, server):
    troubles = {}
    for name in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(f"{server}/{name}")
        page.wait_for_selector("h2")
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        page.evaluate(AXE.read_text())
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for _ in range(10):  # The page runs again for its theme, in its own time.
                page.wait_for_timeout(400)
                page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
                found = page.evaluate(RUN)
                if not found:
                    break
            else:
                troubles[name, scheme] = found
    assert page.traffic.trouble == []
    assert troubles == {}
