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
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from browser import CHROMIUM, FLAGS
from conftest import write_mnist
from streamlit.proto.Alert_pb2 import Alert
from websockets.asyncio.client import connect

from benchmarks.classroom import Session
from genmodels import data, folders, jobs, recipes, runs, weights
from genmodels.errors import GenmodelsError
from genmodels.recipes import Recipe
from genmodels.runs import Damaged, Run
from genmodels.ui import navigation
from genmodels.ui.visitor import COOKIE

PATIENCE = 120
"""Seconds in which what was killed has to be in order again."""
MOST_MEMORY = 2_500_000_000
"""Bytes the app may take."""
MOST_RUNS = 12
PAGES = [name for _, name, *_ in navigation.PAGES]
QUERIES = (
    "",
    "model=no-such-run&seed=1e999",
    "runs=x&runs=y&quantity=loss",
    "task=look&hide=model",
)


class Soak:
    """The place, the server in it, and what is known of the runs."""

    def __init__(self, place: Path, chance: random.Random):
        self.place, self.chance = place, chance
        self.app: subprocess.Popen | None = None
        self.log = place / "app.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.known: dict[str, dict[str, Any]] = {}
        """Of each run that was not deleted: its committed epoch, and once done its fingerprint."""
        self.queue: list[str] = []
        self.memory = 0

    # What runs

    def start(self) -> None:
        """The app as a person serves it."""
        command = [sys.executable, "-m", "streamlit", "run", str(folders.REPOSITORY / "app.py")]
        command += [f"--server.port={self.address.rsplit(':', 1)[1]}", "--server.headless=true"]
        command += ["--server.address=127.0.0.1", "--server.fileWatcherType=none"]
        with self.log.open("ab") as file:
            self.app = subprocess.Popen(command, stdout=file, stderr=file)
        eventually(self.healthy, "the app answers")

    def healthy(self) -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2).status == 200
        return False

    def processes(self, what: str = "") -> list[psutil.Process]:
        """Those that work in this place, and on no other; of a part of their command."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("GENMODELS_RUNS") == str(folders.runs())
                if mine and process.pid != os.getpid() and what in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def kill(self, what: str) -> None:
        for process in self.processes(what):
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self.app and what in ("", "streamlit"):
            self.app.wait()

    # What is done

    def run(self, *states: str) -> Run | None:
        """One of the runs in these states."""
        found = [run for run in own_runs() if run.status().state in states]
        return self.chance.choice(found) if found else None

    def queue_one(self) -> None:
        if len(own_runs()) < MOST_RUNS:
            name, recipe = small(self.chance)
            jobs.submit(name, recipe, title=self.chance.choice(["", "<b>&</b>", "two  words"]))

    def press_start(self) -> None:
        if len(own_runs()) < MOST_RUNS:
            query = "recipe=gan-mnist&gan-mnist-epochs=2&gan-mnist-train_limit=2000"
            asyncio.run(self.visit([("train", query, "Start training")]))

    def stop(self) -> None:
        if run := self.run("waiting", "training"):
            jobs.stop(run)

    def resume(self) -> None:
        if run := self.run("stopped", "failed"):
            jobs.resume(run)

    def delete(self) -> None:
        if len(own_runs()) > MOST_RUNS / 2 and (run := self.run("done", "stopped", "failed")):
            jobs.delete(run)
            self.known.pop(run.id, None)

    def evaluate(self) -> None:
        if run := self.run("done"):
            command = [sys.executable, "-m", "genmodels.evaluation", run.id, "--samples=64"]
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
        stream = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        cookie = {"Cookie": f"{COOKIE}={secrets.token_hex(16)}"}
        async with (
            asyncio.timeout(PATIENCE),
            connect(
                stream,
                additional_headers=cookie,
                subprotocols=["streamlit"],  # pyright: ignore[reportArgumentType]
                max_size=None,
            ) as connection,
        ):
            session = Session(connection)
            for page, query, label in pages:
                _, drawn = await session.open(page.replace("home", ""), query)
                pressed = [e.button.id for e in drawn if label and e.button.label == label]
                if pressed:
                    _, drawn = await session.open(page, query, pressed[0])
                for element in drawn:
                    fault = (
                        element.alert.format == Alert.ERROR and "our fault" in element.alert.body
                    )
                    if fault or element.HasField("exception"):
                        raise AssertionError(f"the page {page!r} broke on {query!r}: {element}")

    def kill_trainer(self) -> None:
        self.kill("train.py")

    def kill_worker(self) -> None:
        self.kill("genmodels.jobs")

    def kill_app(self) -> None:
        self.kill("streamlit")
        time.sleep(self.chance.uniform(0, 3))
        self.start()

    def kill_all(self) -> None:
        self.kill("")
        eventually(lambda: not jobs.training(), "what was killed is not in training")
        self.start()

    # What has to hold

    def check(self) -> None:
        """Raises AssertionError where something broke."""
        listed = [
            item for item in runs.list_runs() if not isinstance(item, Run) or not item.shipped
        ]
        for item in listed:
            assert not isinstance(item, Damaged), f"{item.id} is damaged: {item.reason}"
        lost = self.known.keys() - {item.id for item in listed}
        assert not lost, f"{lost} were lost"
        for run in own_runs():
            self.check_run(run)
        queue = [run.id for run in jobs.waiting()]
        before = [run_id for run_id in self.queue if run_id in queue]
        assert before == [run_id for run_id in queue if run_id in before], "the queue's order"
        self.queue = queue
        eventually(self.in_order, "each training has its process, and none is left over")
        text = "".join(path.read_text(errors="replace") for path in [self.log, *logs()])
        assert "Traceback" not in text, f"a log says {text[text.index('Traceback') :][-2500:]}"
        old = [path for path in self.place.rglob(".*.tmp") if age(path) > 3 * PATIENCE]
        assert len(old) < 5, f"{len(old)} temporary files pile up: {old[0]}"
        assert self.app
        self.memory = max(self.memory, psutil.Process(self.app.pid).memory_info().rss)
        assert self.memory < MOST_MEMORY, f"the app takes {self.memory:,} bytes"

    def check_run(self, run: Run) -> None:
        before = self.known.setdefault(run.id, {"committed": 0})
        if run.status().state == "done":
            now = weights.fingerprint(run)
            assert before.setdefault("fingerprint", now) == now, f"{run.id} changed after its end"
            committed = run.status().epochs
        else:
            assert "fingerprint" not in before, f"{run.id} was done and is {run.status()}"
            committed = weights.load_state(run.path)["epoch"] if run.resumable() else 0
            if not committed and run.status().state == "done":  # Just now.
                return
        assert committed >= before["committed"], f"{run.id} fell back to epoch {committed}"
        before["committed"] = committed

    def in_order(self) -> bool:
        """Whether trainings and processes are one to one, and no process waits to be collected."""
        ours = self.processes()
        trainers = [
            word.split("=")[1] for p in self.processes("train.py") for word in words(p)[-1:]
        ]
        training = [str(run.path) for run in jobs.training()]
        dead = [process for process in ours if zombies(process)]
        alone = len(self.processes("genmodels.jobs")) == 1 and len(self.processes("streamlit")) == 1
        return len(trainers) < 2 and set(training) <= set(trainers) and not dead and alone

    def end(self) -> None:
        """Everything is stopped as a person stops it; nothing may be left."""
        for run in own_runs():
            if run.status().state in ("waiting", "training"):
                jobs.stop(run)
        eventually(lambda: not self.processes("train.py"), "the trainings end")
        assert self.app
        self.app.terminate()
        self.app.wait(PATIENCE)
        eventually(lambda: not self.processes(), "no process is left")
        held = [
            run.id for run in own_runs() if runs.is_locked(run.path) or runs.is_claimed(run.path)
        ]
        assert not held, f"{held} are still locked"


def small(chance: random.Random) -> tuple[str, Recipe]:
    name = chance.choice(["vae-mnist", "gan-mnist", "vae-mnist-2d"])
    changes = {"epochs": chance.randint(1, 6), "train_limit": chance.choice([500, 4000])}
    return name, dataclasses.replace(recipes.named(name), **changes)


def own_runs() -> list[Run]:
    return [run for run in runs.list_runs() if isinstance(run, Run) and not run.shipped]


def logs() -> list[Path]:
    return sorted((folders.cache() / "logs").glob("*.log"))


def age(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0


def words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def zombies(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [p for p in process.children() if p.status() == psutil.STATUS_ZOMBIE]
    return []


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in {PATIENCE} s it was not so: {what}"
        time.sleep(0.5)


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
        if not data.available("mnist"):
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
        name = act.__name__.replace("_", " ").strip()
        times[name] += 1
        try:
            with contextlib.suppress(GenmodelsError):  # Refused in a sentence: that holds.
                act(soak)
            if act is not Soak.end:
                soak.check()
            held[name] += 1
        except (AssertionError, OSError, TimeoutError) as error:
            print(f"BROKEN after {name}: {error or type(error).__name__}", flush=True)

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
