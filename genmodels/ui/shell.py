"""What stands around every page: mistakes become a sentence, faults an apology with a reference."""

import contextlib
import ctypes
import gc
import logging
import os
import secrets
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.elements.widgets import button_group, number_input
from streamlit.navigation.page import Page

from genmodels import paths
from genmodels.errors import GenmodelsError
from genmodels.jobs import worker

WARM_UP_SECONDS = 5
"""After the start, when the first page has been shown."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""The numbers that glibc's malloc.h gives its options."""
SPINS = "3000"
"""Turns in which a thread of torch waits for the others before it sleeps."""
log = logging.getLogger("genmodels")


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Keeps the worker that trains, as long as the app runs."""
    _tune_memory()
    # Before torch is imported, here and in the trainings, which inherit it. By default a thread
    # turns a hundred times as long, on a core that the one it waits for may be in need of: beside
    # pages, trainings were up to twenty times slower.
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    try:
        worker.supervise()
    except GenmodelsError as error:  # The Train page says it too.
        log.error("no training here: %s", error)
    warming = threading.Timer(WARM_UP_SECONDS, _warm_up)
    warming.daemon = True
    warming.start()
    yield
    warming.cancel()


def _tune_memory() -> None:
    """Has glibc share two heaps among all threads: by default there are eight for each core, each
    keeps what was freed in it, and a class of thirty took a seventh more memory. And has it keep
    what a decoder frees for the next one, which takes a fifth less time."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # Another C library, which cannot do that.
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_ARENA_MAX, 2)
            mallopt(M_MMAP_THRESHOLD, 32 << 20)  # The largest it takes.
            mallopt(M_TRIM_THRESHOLD, 128 << 20)


def _refuse_nonsense() -> None:
    """Has Streamlit refuse two things in an address as it refuses other nonsense, which break the
    page otherwise: infinity where a whole number is asked for, and nothing for a choice of one."""

    def finite(self: Any, ui_value: float | None) -> float | None:
        try:
            return number(self, ui_value)
        except OverflowError as error:
            raise ValueError("infinity is no whole number") from error

    def chosen(self: Any, ui_value: list[str] | None) -> Any:
        if ui_value == [] and self.default_option_index is not None:
            raise ValueError("one has to be chosen")
        return choice(self, ui_value)

    with contextlib.suppress(AttributeError):  # Names of Streamlit's own, which may change.
        number, choice = (
            number_input.NumberInputSerde.deserialize,
            button_group._SingleSelectButtonGroupSerde.deserialize,
        )
        number_input.NumberInputSerde.deserialize = finite
        button_group._SingleSelectButtonGroupSerde.deserialize = chosen


_refuse_nonsense()


def _warm_up() -> None:
    """Imports torch, which takes seconds: nobody shall wait for it on a page that decodes."""
    from genmodels.models import weights  # noqa: F401

    # What is there by now stays. Python's collector would walk over it again and again, a fifth of
    # a second in which no page runs.
    gc.collect()
    gc.freeze()


def turn_text_on_primary() -> None:
    """On dark ground the primary colour is light, to be read as text; Streamlit writes white on it,
    which cannot be read there. So text on it is the page's text turned over: light for dark. CSS
    does it, as a script that is told of another theme is late."""
    st.html(
        "<style>[data-testid=stBaseButton-primary]:enabled, [data-tag] "
        "{ color: rgb(from currentcolor calc(255 - r) calc(255 - g) calc(255 - b)) !important; } "
        "[data-testid=stBaseButton-primary]:enabled *, [data-tag] * "
        "{ color: inherit !important; }</style>"
    )


def page(name: str) -> Path:
    """The file of a page, for links to it."""
    return paths.REPOSITORY / "pages" / f"{name}.py"


class PageEnd(Exception):
    """A page has no more to show. Not `st.stop`, which would end what stands around it as well."""


def run(page: Page) -> None:
    """Runs a page; what the person can mend is said in place."""
    with mistakes_in_place(), contextlib.suppress(PageEnd):
        page.run()


@contextlib.contextmanager
def mistakes_in_place() -> Iterator[None]:
    """Says what the person can mend where it happened; what comes after is shown."""
    try:
        yield
    except GenmodelsError as error:
        st.error(sentence(error), icon=":material/error:")


def sentence(error: GenmodelsError) -> str:
    """The message as text, nothing in it read as Markdown; it begins large, or with an id."""
    text = str(error)
    begins_with_id = text.split(maxsplit=1)[0].endswith(":")
    return plain(text if begins_with_id else text[:1].upper() + text[1:])


def plain(text: str) -> str:
    """Text in which Markdown and HTML mean nothing."""
    return "".join(
        "\\" + letter if letter in r"\`*_{}[]<>()#+-.!|~$:" else letter for letter in text
    )


def duration(seconds: float) -> str:
    """Seconds in the words of a person who waits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def on_fault(error: Exception) -> bool:
    """Logs an unexpected error whole and tells the person a reference to it.

    Streamlit brings here whatever is raised in a fragment, a person's mistake too.
    """
    if isinstance(error, GenmodelsError):
        st.error(sentence(error), icon=":material/error:")
        return True
    if isinstance(error, PageEnd):
        return True
    st.error(log_fault(error), icon=":material/bug_report:")
    return True


def log_fault(error: Exception) -> str:
    """Logs an unexpected error whole; a sentence with a reference to it."""
    reference = secrets.token_hex(4)
    log.error("fault %s\n%s", reference, "".join(traceback.format_exception(error)))
    return (
        f"Something went wrong, and it is our fault. Reload the page; if it stays, "
        f"report the reference {reference}, which stands in the server's log with the cause."
    )
