"""A worker: `python -m genmodels worker`. With GENMODELS_REDIS_URL one on every GPU machine."""

import logging
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from genmodels.command_line import command, parse
from genmodels.errors import GenmodelsError

from .worker import work

PROGRAM = "genmodels worker"


@dataclass(frozen=True)
class Options:
    """Trains what waits in the queue, one run after the other, until it is ended.

    Example: genmodels worker --name gpu-1
    """

    name: Annotated[str, Doc("Of this worker, one of its kind.")] = platform.node()
    parent: Annotated[int | None, Doc("Process whose end it follows when idle.")] = None


@command(PROGRAM)
def main(arguments: Sequence[str]) -> int:
    """Works until it is ended; 2 for a mistake, told in one sentence."""
    options = parse(Options, arguments, PROGRAM)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", options.name):
        raise GenmodelsError("a worker's name has letters, digits, dots and dashes only.")
    work(options.name, options.parent)
    return 0
