"""Every page by axe-core: contrast, names, roles, as WCAG 2.1 AA asks, on light and dark ground.

The browser says nothing meanwhile: each page does with what its content security policy allows.
"""

import pytest
from browser import serving, settled

from genmodels import folders
from genmodels.ui import navigation

AXE = folders.REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ["" if name == "home" else name for _, name, *_ in navigation.PAGES]
RUN = """() => axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21aa"], resultTypes: ["violations"],
}).then((found) =>
    found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)))"""
# A component is not there while the browser loads its script: a skeleton stands for it.
DRAWN = """() => !document.querySelector("[data-testid=stSkeleton]")
    && [...document.querySelectorAll("[data-testid^=stBidiComponent]")]
    .every((place) => (place.shadowRoot ?? place).querySelector(".genmodels-root"))"""
CONTRAST = """() => {
    const { Color, getContrast } = axe.commons.color;
    const tag = document.querySelector("[data-tag]");
    const [ground, text] = [new Color(), new Color()];
    ground.parseString(getComputedStyle(tag).backgroundColor);
    text.parseString(getComputedStyle(tag.querySelector("*")).color);
    return getContrast(ground, text);
}"""
GROUND = "() => getComputedStyle(document.body).backgroundColor"

pytestmark = pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --ignore-scripts")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accessibility")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", {**places, "training": "open"}) as address:
        yield address


@pytest.fixture
def reader(page):
    """A page that has axe-core."""
    page.add_init_script(path=AXE)
    return page


def turn_dark(page) -> None:
    light = page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => ({GROUND})() !== light", arg=light)


def test_all_pages_can_be_read_by_all(reader, server):
    troubles = {}
    for name in PAGES:
        reader.emulate_media(color_scheme="light")
        reader.goto(f"{server}/{name}")
        reader.wait_for_selector("h2")
        settled(reader)
        reader.wait_for_load_state("networkidle")
        reader.wait_for_function(DRAWN)
        light = reader.evaluate(RUN)
        turn_dark(reader)
        troubles[name] = light + reader.evaluate(RUN)
    assert reader.traffic.trouble == []
    assert not any(troubles.values()), troubles


def test_tags_in_a_dialog_can_be_read(reader, server):
    """It lies outside of the app's element, and axe-core takes it for hidden."""
    reader.goto(f"{server}/sample")
    reader.get_by_role("button", name="Lesson link").click()
    reader.get_by_role("combobox", name="Hide").click()
    reader.get_by_role("option", name="Spread").click()
    reader.wait_for_selector("[data-tag]")
    light = reader.evaluate(CONTRAST)
    turn_dark(reader)
    assert min(light, reader.evaluate(CONTRAST)) > 4.5
