"""A person at a real browser: headless Chromium, timed inside the page, frame by frame."""

import contextlib
import importlib.util
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from genmodels.ui.navigation import PAGES

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
HEADING = "[data-testid=stMain] h1, [data-testid=stMain] h2"
DONE = "[data-testid=stApp][data-test-script-state=notRunning]"

# What both scripts below begin with: waits for the first frame that finds it so.
FRAMES = """
const started = performance.now();
const until = (so) => new Promise((resolve, reject) => requestAnimationFrame(function look() {
    const passed = (performance.now() - started) / 1000;
    if (so()) resolve(passed);
    else if (passed > 60) reject(new Error("nothing changed in a minute"));
    else requestAnimationFrame(look);
}));
"""

# From the click on a link in the navigation to the first frame with another heading, and to that
# in which the page's script has ended.
CHANGE = """async (link, [heading, done]) => {
    const title = () => document.querySelector(heading)?.innerText;
    const before = title();
    %s
    link.click();
    const seen = await until(() => title() && title() !== before);
    return [seen, done ? await until(() => document.querySelector(done)) : 0];
}"""

# From the click on the plus of "Seed" to the first frame with another picture.
SEED = """async (plus) => {
    const picture = () => {
        for (const { shadowRoot } of document.querySelectorAll("[data-testid=stMain] *")) {
            const grid = shadowRoot?.querySelector(".genmodels-grid");
            if (grid) return grid.style.getPropertyValue("--sprite");
        }
        const image = document.querySelector("[data-testid=stMain] img");
        return image?.complete ? image.src : "";
    };
    const before = picture();
    if (!before) throw new Error("there is no picture to change");
    %s
    plus.click();
    return await until(() => picture() && picture() !== before);
}"""


def missing() -> str:
    """What is not here, in a sentence."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install -r requirements-dev.txt"
    if CHROMIUM is None:
        return "There is no chromium on the path."
    if not Path("/proc/self/stat").exists():
        return "What a server takes is read from /proc, which only Linux has."
    return ""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator["Browser"]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Visitor:
    """One page of the browser, with a context of its own: nothing is in its cache."""

    def __init__(self, page: "Page"):
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._hear)

    @classmethod
    async def come(cls, browser: "Browser", address: str) -> "Visitor":
        """Opens an address, and returns when its heading is there."""
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        visitor = cls(await context.new_page())
        await visitor.page.goto(address, wait_until="commit")
        await visitor.page.wait_for_selector(HEADING)
        return visitor

    def _hear(self, line) -> None:
        if line.type == "error":
            self.faults.append(line.text)

    async def wait(self) -> None:
        """For the end of the script."""
        await self.page.wait_for_selector(DONE)

    async def turn_to(self, section: str, title: str) -> tuple[float, float]:
        """To a page of the app by its navigation; seconds to its heading and to its end."""
        kind = "stTopNavLink"
        if section:
            await self.page.get_by_test_id("stTopNavSection").filter(has_text=section).click()
            kind = "stTopNavDropdownLink"
        link = self.page.get_by_test_id(kind).filter(has_text=title).first
        times = await link.evaluate(CHANGE % FRAMES, [HEADING, DONE])
        if await self.page.get_by_test_id("stException").count():
            self.faults.append(f"{title}: an exception")
        return times[0], times[1]

    async def turn_to_demo(self, title: str) -> float:
        """To a page of `hello`; seconds to its heading, since some of its pages go on for long."""
        link = self.page.get_by_test_id("stSidebarNavLink").filter(has_text=title)
        return (await link.evaluate(CHANGE % FRAMES, [HEADING, ""]))[0]

    async def change_seed(self) -> float:
        """Seconds until the picture is another one."""
        inputs = self.page.get_by_test_id("stNumberInput").filter(has_text="Seed")
        plus = inputs.get_by_test_id("stNumberInputStepUp")
        seconds = await plus.evaluate(SEED % FRAMES)
        await self.wait()
        return seconds

    async def leave(self) -> None:
        await self.page.context.close()


ROUTE = [(section, title) for section, _, title, _ in PAGES]
"""All pages of the app, as its navigation has them; the first is where everybody begins."""
