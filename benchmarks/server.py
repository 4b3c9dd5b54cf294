"""Streamlit apps as a user serves them, and sessions with them without a browser."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from genmodels import paths
from genmodels.ui.visitor import COOKIE

APP = paths.REPOSITORY / "app.py"
HELLO = "hello"


@dataclass
class Server:
    """A running one."""

    address: str
    process: int
    started: float
    """When it was told to start, by `time.perf_counter`."""
    log: Path

    def memory(self) -> int:
        """Bytes held by it and all that it started; what several share counts once."""
        return sum(proportional(process) for process in family(self.process))

    def faults(self) -> list[str]:
        """The lines of its log that name one."""
        words = ("fault ", "Traceback", "Exception")
        return [
            line
            for line in self.log.read_text("utf-8").splitlines()
            if any(w in line for w in words)
        ]


@contextlib.contextmanager
def serving(what: Path | str, **places: str) -> Iterator[Server]:
    """A script, or Streamlit's own `hello`, from the command to the first answer.

    `places` are GENMODELS_ variables by their names' second halves; runs are by default in a
    folder of their own.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        places = {"runs": f"{folder}/runs"} | places
        environment = os.environ | {f"GENMODELS_{name.upper()}": at for name, at in places.items()}
        port = free_port()
        target = [what] if isinstance(what, str) else ["run", str(what)]
        options = [f"--server.port={port}", "--server.address=127.0.0.1"]
        options += ["--server.headless=true", "--server.fileWatcherType=none"]
        options += ["--browser.gatherUsageStats=false"]
        log = Path(folder) / "log.txt"
        with log.open("w", encoding="utf-8") as file:
            started = time.perf_counter()
            app = subprocess.Popen(
                [sys.executable, "-m", "streamlit", *target, *options],
                # Its settings are those beside the script.
                cwd=folder if isinstance(what, str) else what.parent,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            while not answers(address):
                if app.poll() is not None:
                    raise RuntimeError(f"it did not start:\n{log.read_text('utf-8')}")
                time.sleep(0.01)
            yield Server(address, app.pid, started, log)
        finally:
            app.terminate()
            app.wait()


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/_stcore/health", timeout=5)
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def family(process: int) -> list[int]:
    """A process and all that it started, directly or not."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            parents[int(path.parent.name)] = int(
                path.read_text("utf-8").rpartition(")")[2].split()[1]
            )
    found = [process]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def proportional(process: int) -> int:
    """Bytes that a process holds, of what it shares its part."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return 0


class Session:
    """One browser, as the server sees it: it speaks Streamlit's own protocol and draws nothing.

    Files that pages refer to, such as pictures by their addresses, are not fetched.
    """

    def __init__(self, socket: ClientConnection):
        self.socket = socket
        self.faults: list[str] = []

    async def open(
        self, page: str, query: str = "", press: str = "", numbers: dict[str, float] | None = None
    ) -> tuple[float, list]:
        """Runs a page's script; the seconds to its end, and what it drew.

        `press` is a button's id, `numbers` values of number inputs by their ids.
        """
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        widgets = message.rerun_script.widget_states.widgets
        if press:
            widgets.add(id=press).trigger_value = True
        for widget, value in (numbers or {}).items():
            widgets.add(id=widget).double_value = value
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
                seconds = time.perf_counter() - started
                self._note_faults(page, drawn, answer.script_finished)
                return seconds, drawn

    def _note_faults(self, page: str, drawn: list, end: int) -> None:
        if end == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.faults.append(f"{page}: it does not compile")
        self.faults += [
            f"{page}: {element.exception.message}"
            for element in drawn
            if element.WhichOneof("type") == "exception"
        ]


async def join(address: str, count: int) -> list[Session]:
    """Sessions with the server at an address, each with a cookie of its own."""
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    connections = [
        connect(
            stream,
            additional_headers={"Cookie": f"{COOKIE}={secrets.token_hex(16)}"},
            subprotocols=["streamlit"],  # pyright: ignore[reportArgumentType]
            max_size=None,
        )
        for _ in range(count)
    ]
    return [Session(await connection) for connection in connections]
