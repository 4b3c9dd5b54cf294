"""A real server and a real browser for tests."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from genmodels import folders

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WAIT = 120_000
"""Milliseconds for which browser tests wait for anything: the machine may be busy."""


@contextmanager
def serving(folder: Path, script: Path, places: dict[str, str], *options: str) -> Iterator[str]:
    """A script in a Streamlit of its own, working in `folder`; its address.

    `places` are the GENMODELS_ variables, by their names' second halves.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true"]
    command += ["--server.fileWatcherType=none", *options]
    environment = {key: text for key, text in os.environ.items() if "GENMODELS" not in key}
    environment |= {f"GENMODELS_{name.upper()}": text for name, text in places.items()}
    environment["PYTHONPATH"] = str(folders.REPOSITORY)
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=script.parent, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    base = next((option.split("=")[1] for option in options if "baseUrlPath" in option), "")
    address = f"http://127.0.0.1:{port}{base}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.2)
        yield address
    finally:
        for recipe in Path(places.get("runs", folder / "nowhere")).glob("*/recipe.json"):
            recipe.with_name("stop").write_text("the test is over")  # Trainings outlive the app.
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    sync_api.expect.set_options(timeout=WAIT)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


def apart(work: Callable, *given: Any) -> Any:
    """Does it in a thread of its own: in this one a browser's event loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *given).result()


class Traffic:
    """What a page says and sends."""

    def __init__(self, page):
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.messages = 0
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: socket.on("framesent", self.count))
        page.on("websocket", lambda socket: socket.on("framereceived", self.count))

    def hear(self, line) -> None:
        if line.type == "error":
            self.trouble.append(f"{line.text} ({line.location['url']})")

    def count(self, _) -> None:
        self.messages += 1

    def total(self) -> tuple[int, int]:
        return len(self.requests), self.messages


@pytest.fixture
def page(browser) -> Iterator:
    page = browser.new_page(viewport={"width": 900, "height": 900})
    page.set_default_timeout(WAIT)
    page.traffic = Traffic(page)
    yield page
    page.close()


def open_page(page, address: str, ready: str):
    page.goto(address)
    page.wait_for_selector(ready)
    settled(page)
    return page


def settled(page) -> None:
    """Waits until the script has run; first for a while in which a press makes it begin."""
    page.wait_for_timeout(300)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def drag(page, box, look, steps: int = 40) -> set:
    """From the left end to the right one; the different things seen on the way."""
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 10, middle)
    page.mouse.down()
    seen = set()
    for step in range(steps + 1):
        page.mouse.move(box["x"] + 10 + (box["width"] - 20) * step / steps, middle)
        page.wait_for_timeout(25)
        seen.add(look())
    page.mouse.up()
    return seen


def pixels(page, selector: str) -> str:
    return page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
