"""The manners of all commands: typed options, a mistake in a sentence, progress with time left."""

import contextlib
import functools
import io
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro
from tqdm import tqdm

from .errors import GenmodelsError

T = TypeVar("T")
RULE = re.compile(r"[│╰╯ ]*[─-]{4,}[│╰╯ ]*")
"""Between the paragraphs of a box, and below the last."""


def command(
    program: str,
) -> Callable[[Callable[[Sequence[str]], int]], Callable[[Sequence[str]], int]]:
    """Makes a function of the arguments a command: a mistake is told in one sentence, status 2.

    An interruption gives the status 130, as shells have it.
    """

    def decorate(act: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
        @functools.wraps(act)
        def main(arguments: Sequence[str]) -> int:
            try:
                return act(arguments)
            except GenmodelsError as error:
                return refuse(program, error)
            except KeyboardInterrupt:
                print(f"{program}: interrupted.", file=sys.stderr, flush=True)
                return 130

        return main

    return decorate


def refuse(program: str, error: GenmodelsError) -> int:
    """Says what is wrong; gives the exit status."""
    print(f"{program}: {error}", file=sys.stderr, flush=True)
    return 2


def parse(options: type[T], arguments: Sequence[str], program: str) -> T:
    """The options that were typed, as a dataclass. Raises GenmodelsError; --help exits."""
    return told(lambda: tyro.cli(options, prog=program, args=list(arguments)))


def told(parse: Callable[[], T]) -> T:
    """What tyro makes of arguments. Raises GenmodelsError, in a sentence, where it would exit."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return parse()
    except SystemExit as error:
        if error.code:
            raise GenmodelsError(one_sentence(complaint.getvalue())) from error
        raise


def one_sentence(box: str) -> str:
    """The first paragraph of the box in which tyro prints a mistake, below its title.

    Where the terminal's encoding has no lines to draw, the box is of blanks and dashes.
    """
    below = box.splitlines()[1:]
    for ruled, lines in itertools.groupby(below, lambda line: bool(RULE.fullmatch(line))):
        if not ruled:
            return (
                " ".join(line.strip("│ ") for line in lines).strip().rstrip(".") + "; see --help."
            )
    return box.strip() + "; see --help."


class Bar:
    """Progress on the terminal, with the time left; a bar for each thing that is done."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.what = ""

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.bar is None or what != self.what:
            self.__exit__()
            self.what = what
            self.bar = tqdm(desc=what, total=total, dynamic_ncols=True)
        self.bar.update(done - self.bar.n)
