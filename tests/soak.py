"""The app used and ill-treated at random, for as long as it is told: `make soak`.

In a folder of its own, with a real server: trainings are queued, stopped, resumed, deleted and
measured, pages opened, and the trainer, the worker and the app killed as `kill -9` does. After each
act it looks whether all still holds what the run folders promise. It ends with a table, and with
status 1 where anything broke. Real digits where GENMODELS_DATA has them, else made-up ones.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from browser import CHROMIUM, FLAGS
from conftest import write_mnist
from soak_place import PATIENCE, TRAINER, WORKER, Place, eventually, own_runs
from streamlit.proto.Alert_pb2 import Alert

from benchmarks.server import join
from genmodels import jobs, recipes
from genmodels.data import datasets
from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe
from genmodels.runs import Run
from genmodels.ui import navigation

MOST_RUNS = 12
PAGES = [name for _, name, *_ in navigation.PAGES]
QUERIES = (
    "",
    "model=no-such-run&seed=1e999",
    "runs=x&runs=y&quantity=loss",
    "task=look&hide=model",
)


class Nothing(Exception):
    """There is nothing here to do that to."""


class Soak(Place):
    """What is done at random."""

    def one(self, *states: str) -> Run:
        """One of the runs in these states. Raises Nothing."""
        found = [run for run in own_runs() if run.status().state in states]
        if not found:
            raise Nothing
        return self.chance.choice(found)

    def make_room(self) -> None:
        """Raises Nothing where there are enough runs."""
        if len(own_runs()) >= MOST_RUNS:
            raise Nothing

    def queue_one(self) -> None:
        self.make_room()
        name, recipe = small(self.chance)
        jobs.submit(name, recipe, title=self.chance.choice(["", "<b>&</b>", "two  words"]))

    def press_start(self) -> None:
        self.make_room()
        query = "recipe=gan-mnist&gan-mnist-epochs=2&gan-mnist-train_limit=2000"
        asyncio.run(self.visit([("train", query, "Start training")]))

    def stop(self) -> None:
        jobs.stop(self.one("waiting", "training"))

    def resume(self) -> None:
        jobs.resume(self.one("stopped", "failed"))

    def delete(self) -> None:
        if len(own_runs()) < MOST_RUNS / 2:
            raise Nothing
        run = self.one("done", "stopped", "failed")
        jobs.delete(run)
        self.known.pop(run.id, None)

    def evaluate(self) -> None:
        run = self.one("done")
        command = [sys.executable, "-m", "genmodels", "evaluate", run.id, "--samples=64"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 2) or "Traceback" in ended.stderr:
            raise AssertionError(f"measuring {run.id} ended so: {ended.stderr[-500:]}")

    def wait(self) -> None:
        time.sleep(self.chance.uniform(1, 8))

    def browse(self) -> None:
        pages = self.chance.sample(PAGES, 5)
        asyncio.run(self.visit([(page, self.chance.choice(QUERIES), "") for page in pages]))

    def come_and_go(self) -> None:
        async def many() -> None:
            await asyncio.gather(*(self.visit([("", "", "")]) for _ in range(8)))

        asyncio.run(many())

    def look_with_a_browser(self) -> None:
        from playwright.sync_api import sync_playwright

        trouble: list[str] = []
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            page = chromium.new_page()
            page.on("pageerror", lambda error: trouble.append(str(error)))
            for name in self.chance.sample(PAGES, 2):
                page.goto(f"{self.address}/{name}", timeout=1000 * PATIENCE)
                page.wait_for_selector("[data-testid=stHeading]", timeout=1000 * PATIENCE)
            chromium.close()
        if trouble:
            raise AssertionError(f"the browser says {trouble[0]}")

    async def visit(self, pages: list[tuple[str, str, str]]) -> None:
        """A session that opens pages, and presses a button of each where one is named."""
        async with asyncio.timeout(PATIENCE):
            [session] = await join(self.address, 1)
            try:
                for page, query, label in pages:
                    _, drawn = await session.open(page.replace("home", ""), query)
                    pressed = [e.button.id for e in drawn if label and e.button.label == label]
                    if pressed:
                        _, drawn = await session.open(page, query, pressed[0])
                    for element in drawn:
                        fault = (
                            element.alert.format == Alert.ERROR
                            and "our fault" in element.alert.body
                        )
                        if fault or element.HasField("exception"):
                            raise AssertionError(f"the page {page!r} broke on {query!r}: {element}")
            finally:
                await session.socket.close()

    def kill_trainer(self) -> None:
        if not self.processes(TRAINER):
            raise Nothing
        self.kill(TRAINER)

    def kill_worker(self) -> None:
        self.kill(WORKER)

    def kill_app(self) -> None:
        self.kill("streamlit")
        time.sleep(self.chance.uniform(0, 3))
        self.start()

    def kill_all(self) -> None:
        self.kill("")
        eventually(lambda: not jobs.training(), "what was killed is not in training")
        self.start()


def small(chance: random.Random) -> tuple[str, Recipe]:
    name = chance.choice(["vae-mnist", "gan-mnist", "vae-mnist-2d"])
    changes = {"epochs": chance.randint(1, 6), "train_limit": chance.choice([500, 4000])}
    return name, dataclasses.replace(recipes.named(name), **changes)


ACTS: dict[Callable[[Soak], None], int] = {
    Soak.queue_one: 6,
    Soak.press_start: 2,
    Soak.wait: 5,
    Soak.stop: 2,
    Soak.resume: 5,
    Soak.delete: 1,
    Soak.evaluate: 1,
    Soak.browse: 4,
    Soak.come_and_go: 2,
    Soak.look_with_a_browser: 1,
    Soak.kill_trainer: 3,
    Soak.kill_worker: 3,
    Soak.kill_app: 2,
    Soak.kill_all: 2,
}
"""What is done, and how often in proportion."""


def main(arguments: list[str]) -> int:
    """1 where anything broke."""
    parser = argparse.ArgumentParser("soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1000), help="of the acts")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    acts = dict(ACTS)
    try:
        import playwright  # noqa: F401
    except ImportError:
        acts.pop(Soak.look_with_a_browser)
    if not CHROMIUM.exists():
        acts.pop(Soak.look_with_a_browser, None)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        if not datasets.available("mnist"):
            print("GENMODELS_DATA has no MNIST here: made-up digits stand in for it", flush=True)
            write_mnist(place / "data", train=4000, val=500)
            os.environ["GENMODELS_DATA"] = str(place / "data")
        for name in ("runs", "cache"):
            os.environ[f"GENMODELS_{name.upper()}"] = str(place / name)
        os.environ |= {"GENMODELS_TRAINING": "open", "OMP_NUM_THREADS": "1"}
        soak = Soak(place, random.Random(options.seed))
        try:
            return told(soak, acts, options.minutes)
        finally:
            for process in soak.processes():
                with contextlib.suppress(psutil.Error):
                    process.kill()


def told(soak: Soak, acts: dict[Callable[[Soak], None], int], minutes: float) -> int:
    """Does it all, tells each thing that broke when it does, and the table at the end."""
    times: Counter[str] = Counter()
    held: Counter[str] = Counter()
    until = time.monotonic() + 60 * minutes

    def attempt(act: Callable[[Soak], None]) -> None:
        name = act.__name__.replace("_", " ")
        try:
            with contextlib.suppress(GenmodelsError):  # Refused in a sentence: that holds.
                act(soak)
            if act is not Soak.end:
                soak.check()
            held[name] += 1
        except Nothing:
            return
        except Exception as error:  # Whatever it is: it broke, and the next act comes.
            print(f"BROKEN after {name}: {type(error).__name__} {error}", flush=True)
        times[name] += 1

    attempt(Soak.start)
    while time.monotonic() < until:
        attempt(*soak.chance.choices(list(acts), list(acts.values())))
    attempt(Soak.end)
    print(f"{'act':22}{'times':>6}{'held':>6}{'broken':>8}")
    for name, count in times.items():
        print(f"{name:22}{count:6}{held[name]:6}{count - held[name]:8}")
    done = sum("fingerprint" in known for known in soak.known.values())
    print(
        f"{len(soak.known)} runs at the end, {done} done; the app took {soak.memory / 1e6:,.0f} MB"
    )
    return int(times != held)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
