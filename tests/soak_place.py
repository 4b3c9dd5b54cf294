"""Where `soak.py` works: the server and its processes, and what has to hold there at any time."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from genmodels import jobs, paths, runs
from genmodels.models import weights
from genmodels.runs import Damaged, Run

PATIENCE = 300
"""Seconds in which what was killed has to be in order again."""
WORKER, TRAINER = "genmodels worker", "genmodels.jobs.trainer"
"""Parts of their commands."""
MOST_MEMORY = 2_500_000_000
"""Bytes the app may take."""


class Place:
    """The place, the server in it, and what is known of the runs."""

    def __init__(self, folder: Path, chance: random.Random):
        self.folder, self.chance = folder, chance
        self.app: subprocess.Popen | None = None
        self.log = folder / "app.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.known: dict[str, dict[str, Any]] = {}
        """Of each run that was not deleted: its committed epoch, and once done its fingerprint."""
        self.queue: list[tuple[str, int | None]] = []
        self.memory = 0

    # What runs

    def start(self) -> None:
        """The app as a person serves it."""
        command = [sys.executable, "-m", "streamlit", "run", str(paths.REPOSITORY / "app.py")]
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
                mine = process.environ().get("GENMODELS_RUNS") == str(paths.runs())
                if mine and process.pid != os.getpid() and what in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def kill(self, what: str) -> None:
        for process in self.processes(what):
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self.app and what in ("", "streamlit"):
            self.app.wait()

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
        # One that was stopped and resumed meanwhile has another ticket.
        queue = [(run.id, run.status().ticket) for run in jobs.waiting()]
        before = [place for place in self.queue if place in queue]
        assert before == [place for place in queue if place in before], "the queue's order"
        self.queue = queue
        eventually(self.in_order, "each training has its process, and none is left over")
        text = "".join(path.read_text(errors="replace") for path in [self.log, *logs()])
        assert "Traceback" not in text, f"a log says {text[text.index('Traceback') :][-2500:]}"
        old = [path for path in self.folder.rglob(".*.tmp") if age(path) > 3 * PATIENCE]
        assert len(old) < 5, f"{len(old)} temporary files pile up: {old[0]}"
        assert self.app
        self.memory = max(self.memory, psutil.Process(self.app.pid).memory_info().rss)
        assert self.memory < MOST_MEMORY, f"the app takes {self.memory:,} bytes"

    def check_run(self, run: Run) -> None:
        before = self.known.setdefault(run.id, {"committed": 0})
        if run.status().state == "done":
            now = runs.fingerprint(run)
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
        trainers = [word for p in self.processes(TRAINER) for word in words(p)[-1:]]
        training = [str(run.path) for run in jobs.training()]
        dead = [process for process in ours if zombies(process)]
        alone = len(self.processes(WORKER)) == 1 and len(self.processes("streamlit")) == 1
        return len(trainers) < 2 and set(training) <= set(trainers) and not dead and alone

    def end(self) -> None:
        """Everything is stopped as a person stops it; nothing may be left."""
        for run in own_runs():
            if run.status().state in ("waiting", "training"):
                jobs.stop(run)
        eventually(lambda: not self.processes(TRAINER), "the trainings end")
        assert self.app
        self.app.terminate()
        self.app.wait(PATIENCE)
        eventually(lambda: not self.processes(), "no process is left")
        held = [
            run.id for run in own_runs() if runs.is_locked(run.path) or runs.is_claimed(run.path)
        ]
        assert not held, f"{held} are still locked"


def own_runs() -> list[Run]:
    return [run for run in runs.list_runs() if isinstance(run, Run) and not run.shipped]


def logs() -> list[Path]:
    return sorted((paths.cache() / "logs").glob("*.log"))


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
