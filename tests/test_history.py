"""What stands around every page, in a browser: Back and Forward, and pages that are translated."""

import pytest
import torch
from browser import open_page, serving, settled
from playwright.sync_api import expect

from genmodels import folders, runs
from genmodels.latent import Kept


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app on the shipped checkpoints, with no data set."""
    folder = tmp_path_factory.mktemp("app")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", places) as address:
        yield address


def sees_the_walk(page, kept: list[str]) -> None:
    expect(page.locator(".genmodels-player")).to_be_visible()
    texts = page.get_by_role("textbox", name="Kept latent")
    expect(texts).to_have_count(2)
    assert [texts.nth(at).input_value() for at in (0, 1)] == kept
    assert page.get_by_role("combobox", name="Model").input_value() == "gan-mnist"
    settled(page)


def sees_the_sheet(page) -> None:
    expect(page.get_by_alt_text("The chosen sample, number 10")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("3")
    assert page.get_by_role("combobox", name="Model").input_value() == "gan-mnist"
    expect(page.get_by_alt_text("The picture of A, of the model gan-mnist")).to_be_visible()
    settled(page)
    assert "seed=3" in page.url and "picture=10" in page.url


def keep_two(page) -> list[str]:
    """Keeps two samples as A and B, and goes to the walk between them; their texts."""
    for end, place in (("A", 4), ("B", 9)):
        page.locator("[role=option]").nth(place).click()
        page.wait_for_url(f"**picture={place + 1}**")
        settled(page)
        page.get_by_role("button", name=f"Keep as {end}").click()
        picture = page.get_by_alt_text(f"The picture of {end}, of the model gan-mnist")
        expect(picture).to_be_visible()
        settled(page)
    page.get_by_role("link", name="Walk from A to B").click()
    page.wait_for_url("**/interpolate**")
    expect(page.locator(".genmodels-player")).to_be_visible()
    texts = page.get_by_role("textbox", name="Kept latent")
    expect(texts).to_have_count(2)
    settled(page)
    kept = [texts.nth(at).input_value() for at in (0, 1)]
    assert all(text.startswith("gan-mnist~") for text in kept) and kept[0] != kept[1]
    return kept


def to_lab(page, name: str) -> None:
    page.get_by_text("Latent lab").click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text=name).click()


def test_back_forward_and_reload_lead_to_what_was_seen(page, server):
    page.set_viewport_size({"width": 1280, "height": 800})
    open_page(page, f"{server}/sample?model=gan-mnist&seed=3", "[role=option]")
    first = page.evaluate("history.length")
    kept = keep_two(page)
    walk = page.url
    assert "seed=" not in walk
    to_lab(page, "Map")
    expect(page.locator(".genmodels-plane")).to_be_visible()
    settled(page)
    assert page.evaluate("history.length") == first + 2
    page.go_back()
    sees_the_walk(page, kept)
    assert page.url == walk
    page.go_back()
    sees_the_sheet(page)
    page.reload()
    sees_the_sheet(page)
    page.go_forward()
    sees_the_walk(page, kept)
    page.reload()
    sees_the_walk(page, kept)
    assert page.evaluate("history.length") == first + 2
    assert page.traffic.trouble == []


def test_what_an_address_holds_comes_along_though_the_page_is_left_at_once(page, server):
    text = Kept.of(runs.find("gan-mnist"), torch.zeros(64)).text
    page.set_viewport_size({"width": 1280, "height": 800})
    open_page(page, f"{server}/interpolate?model=gan-mnist&a_from=Kept&a_latent={text}", "canvas")
    to_lab(page, "Arithmetic")
    page.wait_for_url("**/arithmetic**")
    kept = page.get_by_role("textbox", name="Kept latent")
    expect(kept).to_have_value(text)
    assert page.get_by_role("combobox", name="Model").input_value() == "gan-mnist"
    # B was chosen by nobody, so each page begins with its own.
    expect(page.get_by_role("spinbutton", name="Seed").first).to_have_value("1")


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
    settled(page)
    page.get_by_test_id("stNumberInputField").fill("12")
    page.keyboard.press("Enter")
    page.wait_for_url("**seed=12**")
    settled(page)
    for end in "AB":
        page.get_by_role("button").filter(has_text=f"asń {end}ń").click()
        expect(page.get_by_alt_text(f"The picture of {end}, of the model")).to_be_visible()
    settled(page)
    page.get_by_role("link").filter(has_text="ń").last.click()
    page.wait_for_url("**/interpolate**")
    settled(page)
    page.locator("input[type=range]").last.press("End")
    assert page.get_by_test_id("stException").count() == 0
    assert page.traffic.trouble == []


def words(text: str) -> str:
    return " ".join(f"{word}ń" for word in text.split())
