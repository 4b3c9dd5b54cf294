"""What bfloat16 costs in quality: `python -m benchmarks.precision`.

The VAEs that train in bfloat16 where hardware has it are trained in it and in float32, from the
same initial weights on the same images in the same order, for as many epochs. Told is the
held-out loss of the one over that of the other, for several seeds. A GAN's losses say nothing of
its pictures, so the GANs are not here. How busy the machine is does not matter.
"""

import contextlib
import dataclasses
import io
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from genmodels import recipes, runs, terminal
from genmodels.models.devices import choose_device, choose_precision
from genmodels.recipes import Recipe
from genmodels.training import loop

from . import results

NAMES = ("vae-imagenette", "vae-mnist-plus", "vae-imagenette-plus")


def held_out_loss(name: str, recipe: Recipe, precision: Literal["float32", "bfloat16"]) -> float:
    """That of the last epoch."""
    recipe = dataclasses.replace(recipe, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stderr(io.StringIO()):
            loop.fit(name, recipe, Path(folder), device="cpu")
        lines = runs.open_run(Path(folder)).metrics()
    return next(line["loss"] for line in reversed(lines) if line["split"] == "val")


def measure(name: str, images: int, epochs: int, seeds: int) -> dict[str, Any]:
    recipe = dataclasses.replace(recipes.named(name), train_limit=images, epochs=epochs)
    losses: dict[str, list[float]] = {"bfloat16": [], "float32": []}
    for seed in range(seeds):
        for precision in ("bfloat16", "float32"):
            seeded = dataclasses.replace(recipe, seed=seed)
            losses[precision].append(held_out_loss(name, seeded, precision))
    return {
        "recipe": name,
        **{precision: results.spread(values) for precision, values in losses.items()},
        "ratio": results.ratios(losses["bfloat16"], losses["float32"]),
    }


def main(arguments: list[str]) -> int:
    parser = results.options("precision", __doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"by default {NAMES}")
    parser.add_argument("--images", type=int, default=3000, help="training images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    if options.short:
        options.images, options.epochs, options.seeds = 128, 1, 1
    options.recipes = options.recipes or list(NAMES)
    machine, lines = results.machine(), []
    if choose_precision(recipes.named(NAMES[0]), choose_device("cpu")) != "bfloat16":
        print("Skipped: this processor does not compute in bfloat16.")
        return 0
    for name in options.recipes:
        line = measure(name, options.images, options.epochs, options.seeds)
        lines.append(line)
        print(
            f"{name}: held-out loss in bfloat16 / float32 {results.text(line['ratio'], '.4f')}; "
            f"{results.text(line['bfloat16'], '.1f')} and {results.text(line['float32'], '.1f')}",
            flush=True,
        )
    results.keep("precision", options, {"machine": machine, "lines": lines})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
