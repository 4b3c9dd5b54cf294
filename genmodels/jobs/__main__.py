"""A worker: `python -m genmodels.jobs`. With GENMODELS_REDIS_URL one on every GPU machine."""

import argparse
import logging
import platform
import re
import sys

from genmodels import terminal
from genmodels.errors import GenmodelsError

from .worker import work


def main(arguments: list[str]) -> int:
    """Works until it is ended; 2 for a mistake, told in one sentence."""
    parser = argparse.ArgumentParser("python -m genmodels.jobs", description=__doc__)
    parser.add_argument("--name", default=platform.node(), help="of this worker, one of its kind")
    parser.add_argument("--parent", type=int, help="process whose end it follows when idle")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", options.name):
            raise GenmodelsError("a worker's name has letters, digits, dots and dashes only.")
        work(options.name, options.parent)
    except GenmodelsError as error:
        print(f"python -m genmodels.jobs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
