"""What a training's time and memory grow with: `python -m benchmarks.growth`.

- The seconds per image of an epoch on four times the images, over those on the fewer, in turn: 1
  where the cost is linear. The first epoch is left out, whose many early samples are stored.
- The memory of the process after the last epoch over that after the first: 1 where it is flat.
"""

import contextlib
import dataclasses
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from genmodels import recipes, runs, terminal
from genmodels.data import datasets
from genmodels.recipes import REPORT, Recipe
from genmodels.training import loop

from . import results
from .commits import Seen, commits, shortened

TIMES = 4


def train(name: str, recipe: Recipe, part: float) -> tuple[Seen, float]:
    """A training on a part of all images: its commits, and its last epoch's seconds per image."""
    with tempfile.TemporaryDirectory() as folder, commits() as seen, shortened(part):
        with contextlib.redirect_stderr(io.StringIO()):
            loop.fit(name, recipe, Path(folder), device="cpu")
        lines = [line for line in runs.open_run(Path(folder)).metrics() if line["split"] == "train"]
    return seen, 1 / lines[-1]["images_per_second"]


def measure(name: str, images: int, rounds: int, epochs: int) -> dict[str, Any]:
    recipe = recipes.named(name)
    whole = len(datasets.load(recipe.dataset, "train"))
    few = min(images, whole // TIMES)
    two = dataclasses.replace(recipe, epochs=2)
    costs: dict[int, list[float]] = {few: [], few * TIMES: []}
    for _ in range(rounds):
        for count, seconds in costs.items():
            seconds.append(train(name, two, count / whole)[1])
    seen, _ = train(name, dataclasses.replace(recipe, epochs=epochs), few / whole)
    memory = [commit.memory for commit in seen.commits if commit.epoch]
    return {
        "recipe": name,
        "images": list(costs),
        "linear": results.ratios(costs[few * TIMES], costs[few]),
        "epochs": epochs,
        "memory": [round(held / 2**20) for held in memory],
        "flat": results.figure(memory[-1] / memory[0]),
    }


def main(arguments: list[str]) -> int:
    parser = results.options("growth", __doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="by default the report's four")
    parser.add_argument("--images", type=int, default=512, help="of the smaller epochs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="of the training that may grow")
    options = parser.parse_args(arguments)
    if options.short:
        options.images, options.rounds, options.epochs = 128, 1, 2
    options.recipes = options.recipes or list(REPORT)
    machine, lines = results.machine(), []
    for name in options.recipes:
        line = measure(name, options.images, options.rounds, options.epochs)
        lines.append(line)
        print(
            f"{name}: seconds per image, {TIMES} times the images {results.text(line['linear'])}; "
            f"memory after {line['epochs']} epochs / after the first {line['flat']:.3f} "
            f"({line['memory'][0]:,} MiB)",
            flush=True,
        )
    results.keep("growth", options, {"machine": machine, "lines": lines})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
