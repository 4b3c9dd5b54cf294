"""What stands around every page, in a browser: Back and Forward, and pages that are translated."""

import pytest
from browser import open_page, serving, settled
from playwright.sync_api import expect

from genmodels import folders


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app on the shipped checkpoints, with no data set."""
    folder = tmp_path_factory.mktemp("app")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", places) as address:
        yield address


TRANSLATE = """
(way) => {
  const translate = (text) => {
    if (!text.data.trim() || text.parentNode.closest("font, script, style, [translate=no]")) return;
    const [outer, inner] = ["font", "font"].map((tag) => document.createElement(tag));
    outer.append(inner);
    const words = text.data.replace(/[A-Za-zÀ-ž]+/g, (word) => `${word}ń`);
    if (way === "around") {
      text.before(outer);
      text.data = words;
      inner.append(text);
    } else {
      inner.append(words);
      text.replaceWith(outer);
    }
  };
  const all = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    const found = [];
    for (let node = walker.currentNode; node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) found.push(node);
      else if (node.shadowRoot) enter(node.shadowRoot);
    }
    found.forEach(translate);
  };
  const entered = new Set();
  const enter = (root) => {
    if (!entered.has(root)) {
      entered.add(root);
      new MutationObserver((changes) => {
        for (const { type, target, addedNodes } of changes) {
          if (type === "characterData" && !target.parentNode?.closest("font")) all(target);
          addedNodes.forEach((node) => node.isConnected && all(node));
        }
      }).observe(root, { childList: true, characterData: true, subtree: true });
    }
    all(root);
  };
  enter(document.body);
}
"""
"""As browsers do it: each text in two <font> elements, whatever comes later too. "around" keeps the
text itself, with other words; else another text takes its place."""


@pytest.mark.parametrize("way", ["around", "instead"])
def test_a_translated_page_goes_on_working(page, server, way):
    page.set_viewport_size({"width": 1280, "height": 800})
    main = page.locator("[data-testid=stMain]")
    for name, first, second in (("vae", "Posterior", "ELBO"), ("gan", "The game", "Losses")):
        open_page(page, f"{server}/{name}", ".genmodels-lesson")
        page.evaluate(TRANSLATE, way)
        expect(main.get_by_role("heading", name="ń").first).to_be_visible()
        text = main.locator("p").first.inner_text()
        grip = page.locator(".genmodels-handle").first
        grip.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        main.get_by_role("button").filter(has_text="Nextń").click()
        expect(main.get_by_role("heading").last).to_contain_text("2")
        settled(page)
        after = main.inner_text()
        assert words(second) in after
        assert text.split(". ")[0] not in after
        main.get_by_role("button").filter(has_text="Backń").click()
        expect(main.get_by_role("heading").last).to_contain_text("1")
        settled(page)
        assert words(first) in main.inner_text()
    # Streamlit's own parts, from page to page.
    open_page(page, f"{server}/sample", "[role=option]")
    page.evaluate(TRANSLATE, way)
    page.locator("[role=option]").nth(3).click()
    page.get_by_test_id("stNumberInputField").fill("12")
    page.keyboard.press("Enter")
    page.wait_for_url("**seed=12**")
    settled(page)
    page.get_by_role("button").filter(has_text="Ań").first.click()
    page.get_by_role("link").filter(has_text="ń").last.click()
    page.wait_for_url("**/interpolate**")
    settled(page)
    page.locator("input[type=range]").last.press("End")
    assert page.get_by_test_id("stException").count() == 0
    assert page.traffic.trouble == []


def words(text: str) -> str:
    return " ".join(f"{word}ń" for word in text.split())
