"""Thirty people press "Start training" at once: `python -m benchmarks.classroom`.

The app is served as a user serves it, on the real data. Thirty sessions of Streamlit's own
protocol, each with a cookie of its own, open the Train page and press the button. Then, while the
first of their trainings runs, every session opens page after page. Told are how many trainings
were accepted, whether they wait in the order in which they were accepted, and how long the pages
took from the request to the end of the script.
"""

import argparse
import asyncio
import itertools
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from genmodels import folders, jobs, runs
from genmodels.ui.visitor import COOKIE

PEOPLE = 30
PAGES = ("", "sample", "interpolate", "curves", "evaluate", "train")
PORT = 8598
RECIPE = "recipe=vae-mnist&vae-mnist-epochs=20"


class Session:
    """One browser, as the server sees it."""

    def __init__(self, socket: ClientConnection):
        self.socket = socket

    async def open(self, page: str, query: str = "", press: str = "") -> tuple[float, list]:
        """Runs a page's script, `press` being a button's id; the seconds, and what it drew."""
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        if press:
            widget = message.rerun_script.widget_states.widgets.add(id=press)
            widget.trigger_value = True
        started = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        drawn = []
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(bytes(await self.socket.recv(decode=False)))
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.HasField("new_element"):
                drawn.append(answer.delta.new_element)
            # A press makes the page begin anew, which ends the first run early.
            if kind == "script_finished" and answer.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
            ):
                return time.perf_counter() - started, drawn


async def join(address: str) -> list[Session]:
    """Thirty sessions with the server at an address, each with a cookie of its own."""
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    connections = [
        connect(
            stream,
            additional_headers={"Cookie": f"{COOKIE}={secrets.token_hex(16)}"},
            subprotocols=["streamlit"],  # pyright: ignore[reportArgumentType]
            max_size=None,
        )
        for _ in range(PEOPLE)
    ]
    return [Session(await connection) for connection in connections]


async def classroom(address: str) -> None:
    """Thirty sessions, all at once."""
    async with asyncio.timeout(500):
        sessions = await join(address)
        opened = await asyncio.gather(*(each.open("train", RECIPE) for each in sessions))
        report("opening the Train page, all at once", [seconds for seconds, _ in opened])
        buttons = [
            next(e.button.id for e in drawn if e.button.label == "Start training")
            for _, drawn in opened
        ]
        pressed = await asyncio.gather(
            *(
                each.open("train", RECIPE, press)
                for each, press in zip(sessions, buttons, strict=True)
            )
        )
        report("pressing Start, all at once", [seconds for seconds, _ in pressed])
        refused = [e.alert.body for _, drawn in pressed for e in drawn if e.alert.format == 1]
        found = [run for run in runs.list_runs() if isinstance(run, runs.Run) and not run.shipped]
        print(f"{len(found)} trainings accepted, {len(refused)} refused {set(refused) or ''}")
        in_order = sorted(jobs.waiting(), key=lambda run: int(run.id.rsplit("-", 1)[1]))
        print(f"in the order of their acceptance: {in_order == jobs.waiting()}")

        while not any(run.status().epoch for run in jobs.training()):
            await asyncio.sleep(0.5)
        times: list[float] = []
        for page, _ in itertools.product(PAGES, range(2)):
            for each in sessions:  # Thirty people, but not all in the same tenth of a second.
                times.append((await each.open(page))[0])
        report("a page while a training runs", times)


def report(what: str, seconds: list[float]) -> None:
    ninety_five = statistics.quantiles(seconds, n=20)[-1]
    print(f"{what}: median {statistics.median(seconds):.2f} s, p95 {ninety_five:.2f} s")


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """The app as a user serves it: its address and its process."""
    options = [f"--server.port={PORT}", "--server.address=127.0.0.1"]
    options += ["--server.headless=true", "--server.fileWatcherType=none"]
    app = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(folders.REPOSITORY / "app.py"), *options]
    )
    address = f"http://127.0.0.1:{PORT}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield address, app.pid
    finally:
        app.terminate()
        app.wait()


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.classroom", description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.environ["GENMODELS_RUNS"] = f"{place}/runs"
        os.environ["GENMODELS_TRAINING"] = "open"
        # As on a server: a training takes the one core, the pages the other.
        os.environ["OMP_NUM_THREADS"] = "1"
        with serving() as (address, _):
            try:
                asyncio.run(classroom(address))
            finally:
                for path in Path(place).glob("runs/*/recipe.json"):
                    jobs.stop(runs.open_run(path.parent))
        time.sleep(5)


if __name__ == "__main__":
    main()
