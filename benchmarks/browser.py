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

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels import runs, terminal
from genmodels.recipes import LatentRecipe
from genmodels.ui import runtime

from . import results, server, visitor
from .tab import ALONE, Tab

if TYPE_CHECKING:
    from playwright.async_api import Browser

SLOWER = 4
PEOPLE = 30
TABS = 3  # thirty would measure the browsers, not the server

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
    people = await server.join(address, PEOPLE)
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
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
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


async def measure_all(app: server.Server, seconds: float) -> dict[str, Any]:
    found = [run for run in runs.list_runs() if isinstance(run, runs.Run) and run.shipped]
    lines = []
    async with visitor.chromium() as browser:
        versions = {"chromium": browser.version, "onnxruntime-web": runtime.version()}
        print(versions)
        for run in found:
            if isinstance(run.recipe, LatentRecipe):
                lines.append(await measure(browser, app.address, run, seconds))
                tell(lines[-1])
        busy = await measure_server(browser, app.address, app.process, seconds)
    print(
        f"server, {PEOPLE} sessions and {TABS} tabs open: {busy['idle']:.3f} CPU seconds a "
        f"second; while the tabs are dragged {busy['dragging']:.3f}"
    )
    tell_traffic("these tabs", busy["tabs"])
    return {**versions, "slower": SLOWER, "lines": lines, "server": busy}


def main(arguments: list[str]) -> int:
    parser = results.options("browser", __doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of each measurement")
    options = parser.parse_args(arguments)
    if options.short:
        options.seconds = 1.0
    sentence = visitor.missing()
    if not runtime.available():
        sentence = "onnxruntime-web is not installed: npm ci --ignore-scripts"
    if sentence:
        print(f"Skipped. {sentence}")
        return 0
    machine = results.machine()  # With a load of more than 0.5 the numbers are too low.
    with server.serving(server.APP) as app:
        found = asyncio.run(measure_all(app, options.seconds))
    results.keep("browser", options, {"machine": machine, **found})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
