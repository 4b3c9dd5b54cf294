"""What a worker starts: `python -m genmodels.jobs.trainer FOLDER` trains the run in that folder.

It goes on where the run is. What is wrong it says in its last line, which becomes the run's reason.
"""

import sys
from pathlib import Path

from genmodels import paths, recipes, runs, terminal
from genmodels.errors import GenmodelsError
from genmodels.training.progress import Stopped


def main(folder: Path) -> int:
    """Gives the exit status: 0 done, 2 refused, 130 stopped."""
    try:
        run = runs.open_run(folder)
        name = run.info["recipe_name"] or ""
        recipes.named(name)
        paths.check_writable(folder)
        run.check_resume(run.recipe.epochs)
        # Only now, so that a refusal is told at once: torch takes seconds to load.
        from genmodels.training import loop

        loop.fit(name, run.recipe, folder, resume=True)
    except GenmodelsError as error:
        print(error, file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(stopped)
        return 130
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(Path(sys.argv[1])))
