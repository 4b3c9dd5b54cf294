"""The command line: `python -m genmodels COMMAND`, or `genmodels COMMAND` where it is installed."""

import importlib
import sys
from collections.abc import Sequence

from . import terminal
from .command_line import command
from .errors import GenmodelsError

PROGRAM = "genmodels"
COMMANDS = {
    "train": ("training.command", "Trains a recipe into a run folder, as train.py does."),
    "evaluate": ("evaluation.__main__", "Measures samples of runs against real images."),
    "export": ("ui.site", "Writes runs as pages that need no server but a file server."),
    "pack": ("export.packing", "Makes a finished run small enough to ship."),
    "ablation": ("training.ablation", "Trains and measures one change after another."),
    "worker": ("jobs.command", "Trains what waits in the queue."),
    "tables": ("export.tables", "Updates the README's tables from the built-in models."),
}
"""The module of each command, loaded when it is asked for, and what it does."""
HELP = "\n".join(
    [
        "usage: python -m genmodels COMMAND [OPTIONS]",
        "",
        *(f"  {name:9} {about}" for name, (_, about) in COMMANDS.items()),
        "",
        "`python -m genmodels COMMAND --help` has the options and an example.",
    ]
)


@command(PROGRAM)
def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 0 done, 2 a mistake (in one sentence), 130 interrupted."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0
    if arguments[0] not in COMMANDS:
        raise GenmodelsError(
            f"there is no command {arguments[0]!r}; name one of {', '.join(COMMANDS)}."
        )
    module, _ = COMMANDS[arguments[0]]
    act = importlib.import_module(f".{module}", __package__).main
    if arguments[0] == "train":  # Which train.py starts too.
        return act(arguments[1:], f"{PROGRAM} train")
    return act(arguments[1:])


def run() -> None:
    """Where the installed command begins."""
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
