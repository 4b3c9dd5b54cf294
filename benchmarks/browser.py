"""Decoding in the browser, in headless Chromium: `python -m benchmarks.browser`.

For each shipped model the handle of the player on the Interpolate page is dragged, and the pointer
moved over the Map page with its points off, as fast as a mouse reports. Told are the frames of the
screen that showed a newly decoded picture, at full speed and four times slower, what the decoder
alone does in its worker, how much was loaded for it, and what the server heard meanwhile. Then
thirty sessions stay open while a few tabs are dragged: told is the server's CPU time.

Chromium's own throttle refuses workers ("only supported for pages"), and the decoder is one. So
the whole process that holds page and worker is stopped three quarters of the time, in slices of
milliseconds.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import itertools
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.classroom import PEOPLE, join, serving
from genmodels import runs
from genmodels.recipes import LatentRecipe
from genmodels.ui import runtime

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
SLOWER = 4
MOVES = 125  # a second, as an ordinary mouse reports
WARM = 1.0  # seconds of dragging before anything is counted
TABS = 3  # thirty would measure the browsers, not the server

READY = """() => {
    const [decoder] = window.genmodelsDecoders?.values() ?? [];
    if (decoder?.progress.state === "failed") throw new Error(decoder.progress.failure);
    return decoder?.progress.state === "ready";
}"""

# Frames of the screen a second, those of them before which the mouse moved, and those before which
# a new picture was decoded.
WATCH = """(canvas, seconds) => new Promise((resolve) => {
    const started = performance.now();
    let [frames, moved, drawn, moves, fresh] = [0, 0, 0, false, false];
    let { place } = canvas.dataset;
    const move = () => { moves = true; };
    addEventListener("pointermove", move, true);
    const observer = new MutationObserver(() => {
        fresh ||= canvas.dataset.place !== place;
        place = canvas.dataset.place;
    });
    observer.observe(canvas, { attributes: true, attributeFilter: ["data-place"] });
    requestAnimationFrame(function tick() {
        frames += 1;
        moved += moves;
        drawn += fresh;
        moves = fresh = false;
        const passed = (performance.now() - started) / 1000;
        if (passed < seconds) return requestAnimationFrame(tick);
        observer.disconnect();
        removeEventListener("pointermove", move, true);
        resolve({ drawn: drawn / passed, moved: moved / passed, screen: frames / passed });
    });
})"""

# Pictures a second that the page's own worker decodes, one at a time, the way to it and back too.
ALONE = """async ([latentDim, seconds]) => {
    const [decoder] = window.genmodelsDecoders.values();
    const latents = new Float32Array(latentDim).fill(0.5);
    const started = performance.now();
    for (let count = 1; ; count += 1) {
        await decoder.ask({}, "alone", latents);
        const passed = (performance.now() - started) / 1000;
        if (passed >= seconds) return count / passed;
    }
}"""

# Lets processes run for two milliseconds of each eight. A process of its own, because its slices
# must not wait for anything here.
BRAKE = """
import os, signal, sys, time
slower, *processes = map(int, sys.argv[1:])
while True:
    for sign, seconds in ((signal.SIGCONT, 0.002), (signal.SIGSTOP, 0.002 * (slower - 1))):
        for process in processes:
            os.kill(process, sign)
        time.sleep(seconds)
"""

Way = Callable[[float], tuple[float, float]]
"""From seconds to a place in a box, x and y from 0 to 1."""


def along_slider(seconds: float) -> tuple[float, float]:
    """To the end in a second and a half, and back."""
    return 0.03 + 0.94 * abs(1 - seconds / 1.5 % 2), 0.5


def over_map(seconds: float) -> tuple[float, float]:
    """Everywhere, never twice on the same way."""
    return 0.5 + 0.4 * math.sin(2.1 * seconds), 0.5 + 0.4 * math.sin(2.9 * seconds)


class Tab:
    """A page of the app in the browser, its decoder ready."""

    def __init__(self, page: "Page"):
        self.page = page
        self.requests = []
        self.messages = 0
        page.set_default_timeout(120_000)  # The first to ask for a decoder waits for its export.
        page.on("request", self._note)
        page.on("websocket", self._listen)

    def _note(self, request) -> None:
        self.requests.append(request)

    def _listen(self, socket) -> None:
        socket.on("framesent", self._count)
        socket.on("framereceived", self._count)

    def _count(self, _) -> None:
        self.messages += 1

    async def open(self, address: str) -> None:
        await self.page.goto(address)
        await self.page.wait_for_function(READY)
        await self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        await asyncio.sleep(WARM)  # The last of its requests.
        assert self.requests and self.messages, "nothing is counted, so a zero would say nothing"

    @contextlib.asynccontextmanager
    async def moving(self, target: "Locator", way: Way, press: bool) -> AsyncIterator[None]:
        """Moves the mouse over `target` meanwhile; no move waits for the one before."""
        await target.scroll_into_view_if_needed()
        box = await target.bounding_box()
        assert box is not None
        # Not page.mouse: while a button is pressed, Playwright runs code of its own in the page at
        # each move, to learn whether a drag and drop began, and that takes the page's time.
        session = await self.page.context.new_cdp_session(self.page)
        moves, over = [], False

        def mouse(kind: str, seconds: float):
            """The left button is down in all moves of a drag, but not after its end."""
            x, y = way(seconds)
            event = {
                "type": kind,
                "x": box["x"] + x * box["width"],
                "y": box["y"] + y * box["height"],
                "button": "left" if press else "none",
                "buttons": int(press and kind != "mouseReleased"),
                "clickCount": int(kind != "mouseMoved"),
            }
            return session.send("Input.dispatchMouseEvent", event)

        async def keep_moving() -> None:
            for number in itertools.count():
                if over:
                    break
                seconds = time.perf_counter() - started
                moves.append(asyncio.create_task(mouse("mouseMoved", seconds)))
                await asyncio.sleep(max(0, started + number / MOVES - time.perf_counter()))
            await asyncio.gather(*moves)

        if press:
            await mouse("mousePressed", 0)
        started = time.perf_counter()
        moved = asyncio.create_task(keep_moving())
        try:
            await asyncio.sleep(WARM)
            yield
        finally:
            over = True
            await moved
            if press:
                await mouse("mouseReleased", time.perf_counter() - started)
            await session.detach()

    async def drag_player(self, seconds: float) -> dict[str, float]:
        slider = self.page.locator(".genmodels-player .genmodels-slider")
        async with self.moving(slider, along_slider, press=True):
            return await self.watch(".genmodels-player .genmodels-frame", seconds)

    async def move_over_map(self, seconds: float) -> dict[str, float]:
        async with self.moving(self.page.locator(".genmodels-plane"), over_map, press=False):
            return await self.watch(".genmodels-large", seconds)

    async def watch(self, canvas: str, seconds: float) -> dict[str, float]:
        """Frames a second on a canvas, and how much went between browser and server."""
        before = len(self.requests), self.messages
        rates = await self.page.locator(canvas).evaluate(WATCH, seconds)
        requests, messages = len(self.requests) - before[0], self.messages - before[1]
        return rates | {"requests": requests, "messages": messages}

    async def loaded(self) -> dict[str, dict[str, int]]:
        """Bytes of runtime and model, as they were transferred and whole."""
        found = {name: {"transferred": 0, "whole": 0} for name in ("runtime", "model")}
        for request in self.requests:
            if "/genmodels/onnxruntime/" in request.url:
                part = found["runtime"]
            elif "/decoder.onnx" in request.url:
                part = found["model"]
            else:
                continue
            response = await request.response()
            part["transferred"] += (await request.sizes())["responseBodySize"]
            part["whole"] += int(await response.header_value("x-full-length"))
        return found


@contextlib.asynccontextmanager
async def slowed(browser: "Browser") -> AsyncIterator[None]:
    """All pages and their workers run SLOWER times slower meanwhile."""
    session = await browser.new_browser_cdp_session()
    found = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    processes = [process["id"] for process in found if process["type"] == "renderer"]
    brake = subprocess.Popen([sys.executable, "-c", BRAKE, str(SLOWER), *map(str, processes)])
    try:
        yield
        assert brake.poll() is None, "nothing was slowed"
    finally:
        brake.terminate()
        brake.wait()
        for process in processes:
            os.kill(process, signal.SIGCONT)


async def measure(browser: "Browser", address: str, run: runs.Run, seconds: float) -> dict:
    """One model's numbers, each at full speed and slower."""
    assert isinstance(run.recipe, LatentRecipe)
    speeds = {"full": contextlib.nullcontext, "slower": lambda: slowed(browser)}
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    result: dict[str, Any] = {"run": run.id, "player": {}, "map": {}, "worker": {}}

    tab = Tab(await context.new_page())
    await tab.open(f"{address}/interpolate?model={run.id}")
    result["loaded"] = await tab.loaded()
    for name, speed in speeds.items():
        async with speed():
            result["player"][name] = await tab.drag_player(seconds)
            alone = tab.page.evaluate(ALONE, [run.recipe.latent_dim, seconds])
            result["worker"][name] = await alone
    await tab.page.close()

    tab = Tab(await context.new_page())
    await tab.open(f"{address}/map?model={run.id}")
    points = tab.page.get_by_role("button", name="Points", exact=True)
    if await points.is_visible():  # A point under the pointer shows its own picture.
        await points.click()
    for name, speed in speeds.items():
        async with speed():
            result["map"][name] = await tab.move_over_map(seconds)
    await context.close()
    return result


async def measure_server(browser: "Browser", address: str, process: int, seconds: float) -> dict:
    """The server's CPU seconds a second with thirty sessions, before and while tabs are dragged."""
    people = await join(address)
    await asyncio.gather(*(each.open("interpolate") for each in people))
    contexts = [await browser.new_context() for _ in range(TABS)]
    tabs = [Tab(await context.new_page()) for context in contexts]
    for tab in tabs:
        await tab.open(f"{address}/interpolate?model=vae-mnist")

    idle = cpu_seconds(process)
    await asyncio.sleep(seconds)
    idle = (cpu_seconds(process) - idle) / seconds
    started, before = time.perf_counter(), cpu_seconds(process)
    drags = await asyncio.gather(*(tab.drag_player(seconds) for tab in tabs))
    dragging = (cpu_seconds(process) - before) / (time.perf_counter() - started)
    for each in people:
        await each.socket.close()
    return {"sessions": PEOPLE, "tabs": drags, "idle": idle, "dragging": dragging}


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(result: dict[str, Any]) -> None:
    """A model's numbers, a line each."""
    run = result["run"]
    for page in ("player", "map"):
        full, slower = (tell_frames(result[page][speed]) for speed in ("full", "slower"))
        print(f"{run}, {page}: {full}; {SLOWER} times slower {slower}")
    full, slower = result["worker"]["full"], result["worker"]["slower"]
    print(
        f"{run}, worker alone: {full:.0f} pictures/s; slower {slower:.0f}, "
        f"{full / slower:.1f} times fewer"
    )
    parts = (
        f"{name} {part['transferred'] / 1e6:.2f} MB, whole {part['whole'] / 1e6:.2f} MB"
        for name, part in result["loaded"].items()
    )
    print(f"{run}, loaded: {'; '.join(parts)}")
    tell_traffic(run, [drag for page in ("player", "map") for drag in result[page].values()])


def tell_frames(rates: dict[str, float]) -> str:
    return (
        f"{rates['drawn']:.1f} decoded frames/s ({rates['moved']:.1f} with a move of the mouse, "
        f"{rates['screen']:.1f} in all)"
    )


def tell_traffic(name: str, drags: list[dict[str, float]]) -> None:
    requests, messages = (sum(drag[kind] for drag in drags) for kind in ("requests", "messages"))
    print(f"{name}, with the server meanwhile: {requests} requests, {messages} messages")


def missing() -> str:
    """What is not here, in a sentence."""
    if not runtime.available():
        return "onnxruntime-web is not installed: npm ci --ignore-scripts"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install -r requirements-dev.txt"
    if CHROMIUM is None:
        return "There is no chromium on the path."
    if not Path("/proc/self/stat").exists():
        return "The server's CPU time is read from /proc, which only Linux has."
    return ""


async def measure_all(address: str, process: int, seconds: float) -> dict[str, Any]:
    from playwright.async_api import async_playwright

    found = [run for run in runs.list_runs() if isinstance(run, runs.Run) and run.shipped]
    results = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        conditions = {
            "chromium": browser.version,
            "onnxruntime-web": runtime.version(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),  # More than 0.5, and the numbers are too low.
            "seconds": seconds,
            "slower": SLOWER,
        }
        print(", ".join(f"{name} {value}" for name, value in conditions.items()))
        for run in found:
            if isinstance(run.recipe, LatentRecipe):
                results.append(await measure(browser, address, run, seconds))
                tell(results[-1])
        server = await measure_server(browser, address, process, seconds)
        print(
            f"server, {PEOPLE} sessions and {TABS} tabs open: {server['idle']:.3f} CPU seconds a "
            f"second; while the tabs are dragged {server['dragging']:.3f}"
        )
        tell_traffic("these tabs", server["tabs"])
        await browser.close()
    return {**conditions, "runs": results, "server": server}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the numbers")
    options = parser.parse_args(arguments)
    if sentence := missing():
        print(f"Skipped. {sentence}")
        return 0
    with tempfile.TemporaryDirectory() as place:
        os.environ["GENMODELS_RUNS"] = f"{place}/runs"
        with serving() as (address, process):
            results = asyncio.run(measure_all(address, process, options.seconds))
    if options.json:
        runs.write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
