"""A page of the app whose decoder works in the browser, moved by a mouse as fast as one reports."""

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from .visitor import DONE

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

MOVES = 125  # a second, as an ordinary mouse reports
WARM = 1.0  # seconds of dragging before anything is counted

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
        await self.page.wait_for_selector(DONE)
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
