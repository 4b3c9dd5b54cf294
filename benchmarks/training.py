"""How near a training comes to the fastest steps of its network: `python -m benchmarks.training`.

For each recipe three speeds in images per second, measured in turn (A B C A B C):

A  bare: the model's turns, backward and fused Adam on one batch that never changes, in the
   fastest of the precisions and memory formats below, on a GPU as a CUDA graph too;
B  training: `genmodels.training.loop.fit` on the real data set, from the commit of epoch 0 to the
   end, with batches gathered, metrics, validation, samples and saving;
C  textbook: the loop of `benchmarks.textbook`, its DataLoader running, nothing validated or saved.

B/A is what everything around the steps leaves of them, B/C what the package gains. Much of what B
loses against A is validation, whose part of the time is told. Where a whole epoch would take longer
than a measurement shall, training and held-out images are cut alike, and the seconds for samples
and commits, which are the same for few images, count by that part.
"""

import argparse
import contextlib
import dataclasses
import io
import itertools
import math
import operator
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from genmodels import recipes, runs, terminal
from genmodels.data import datasets, image_tensors
from genmodels.errors import GenmodelsError
from genmodels.models import Model
from genmodels.models.devices import choose_device, choose_precision
from genmodels.recipes import REPORT, Recipe
from genmodels.training import loop
from genmodels.training.cuda_graph import Recorded

from . import results
from .commits import commits, shortened
from .textbook import Textbook

NAMES = (*REPORT, *(f"{name}-plus" for name in REPORT))
PRECISIONS = ("float32", "bfloat16")
FORMATS = ("contiguous", "channels_last")


class Bare:
    """Training steps and nothing else, on one batch."""

    def __init__(
        self, recipe: Recipe, batch: image_tensors.Images, device: torch.device, variant: str
    ):
        precision, memory_format, *graph = variant.split(", ")
        self.variant, self.device = variant, device
        self.model: Model = loop.build_to_train(recipe, device).train()
        self.model.compute_type = getattr(torch, precision)
        self.images = image_tensors.to_float(batch.pixels.to(device))
        self.labels = batch.labels.to(device)
        if memory_format == "channels_last":
            self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.weights = {name: list(net.parameters()) for name, net in self.model.networks.items()}
        self.optimizers = {
            name: torch.optim.Adam(
                weights,
                fused=device.type != "mps",
                capturable=bool(graph),
                **self.model.optimizer_options(name),
            )
            for name, weights in self.weights.items()
        }
        self.rng = torch.Generator(device).manual_seed(0)
        self.call = Recorded(self.rng) if graph else operator.call

    def step(self) -> None:
        for turn in self.model.turns(self.images, self.labels, self.rng):
            moving = [weight for name in turn.networks for weight in self.weights[name]]
            turn.loss.backward(inputs=moving)
            for name in turn.networks:
                self.optimizers[name].step()
                self.optimizers[name].zero_grad()

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def steps(self) -> None:
        """A few, and on a GPU more: waiting for it costs time itself."""
        for _ in range(1 if self.device.type == "cpu" else 50):
            self.call(self.step)
        self.wait()

    def images_per_second(self, seconds: float) -> float:
        [passed] = results.in_turn({"bare": self.steps}, 1, seconds)["bare"]
        return len(self.images) * (1 if self.device.type == "cpu" else 50) / passed


def fastest_bare(
    recipe: Recipe, batch: image_tensors.Images, device: torch.device, seconds: float
) -> Bare:
    """The variant whose steps are fastest, each tried for so long."""
    formats = FORMATS if recipe.network != "linear" else FORMATS[:1]
    names = [", ".join(variant) for variant in itertools.product(PRECISIONS, formats)]
    if device.type == "cuda":
        names += [f"{name}, graph" for name in names]
    variants = [Bare(recipe, batch, device, name) for name in names]
    return max(variants, key=lambda bare: bare.images_per_second(seconds))


def train(name: str, recipe: Recipe, device: torch.device, part: float) -> tuple[float, float]:
    """A whole training on a part of all images, apart from its preparation: its images per second,
    and the part of its time that it validates."""
    with tempfile.TemporaryDirectory() as folder, commits() as seen, shortened(part):
        with contextlib.redirect_stderr(io.StringIO()):
            loop.fit(name, recipe, Path(folder), device=device.type)  # pyright: ignore[reportArgumentType]
        run, seconds = runs.open_run(Path(folder)), seen.seconds(part)
        lines = (line for line in run.metrics() if line["split"] == "val" and line["epoch"] > 0)
        return run.status().images_seen / seconds, sum(line["seconds"] for line in lines) / seconds


def measure(name: str, device: torch.device, seconds: float, rounds: int) -> dict[str, Any]:
    recipe = recipes.named(name)
    whole = datasets.load(recipe.dataset, "train")
    bare = fastest_bare(recipe, whole.first(recipe.batch_size), device, seconds / 8)
    textbook = Textbook(recipe, device)
    textbook.choose_workers(seconds / 8)
    speeds: dict[str, list[float]] = {"bare": [], "training": [], "textbook": []}
    validating = []
    for _ in range(rounds):
        speeds["bare"].append(bare.images_per_second(seconds / 3))
        images = max(4 * recipe.batch_size, statistics.median(speeds["bare"]) * seconds)
        epochs = math.ceil(images / len(whole))
        changed = dataclasses.replace(recipe, epochs=epochs)
        part = min(1.0, images / len(whole))
        speed, share = train(name, changed, device, part)
        speeds["training"].append(speed)
        validating.append(share)
        speeds["textbook"].append(textbook.images_per_second(seconds / 3))
    return {
        "recipe": name,
        "variant": bare.variant,
        "precision": choose_precision(recipe, device),
        "workers": textbook.workers,
        **{kind: results.spread(values) for kind, values in speeds.items()},
        "of_bare": results.ratios(speeds["training"], speeds["bare"]),
        "of_textbook": results.ratios(speeds["training"], speeds["textbook"]),
        "validating": results.spread(validating),
        # All epochs at that speed, not measured.
        "minutes": results.figure(
            recipe.epochs * len(whole) / statistics.median(speeds["training"]) / 60
        ),
    }


def tell(line: dict[str, Any]) -> str:
    kinds = ("bare", "training", "textbook")
    speeds = ", ".join(f"{kind} {results.text(line[kind], ',.0f')}" for kind in kinds)
    return (
        f"{line['recipe']}: {results.text(line['of_bare'])} of the bare step ({line['variant']}), "
        f"{results.text(line['of_textbook'])} times the textbook loop; "
        f"validating {line['validating']['median']:.0%}; images/s: {speeds}"
    )


def main(arguments: list[str]) -> int:
    parser = results.options("training", __doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="by default all but vae-2d")
    parser.add_argument("--seconds", type=float, default=8, help="about the length of a training")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each speed")
    parser.add_argument("--device", choices=["cpu", "cuda", "mps"], default="cpu")
    options: argparse.Namespace = parser.parse_args(arguments)
    if options.short:
        options.seconds, options.rounds = 1.0, 1
    options.recipes = options.recipes or list(NAMES)
    try:
        device = choose_device(options.device)
    except GenmodelsError as error:
        print(f"Skipped: {error}")
        return 0
    machine = results.machine()
    if device.type == "cuda":
        machine["gpu"] = torch.cuda.get_device_name(device)
    print(f"{machine}; median (least–greatest)")
    part = "training" if device.type == "cpu" else f"training-{device.type}"
    lines = []
    try:
        for name in options.recipes:
            lines.append(measure(name, device, options.seconds, options.rounds))
            print(tell(lines[-1]), flush=True)
    finally:  # All together take long, and may be interrupted.
        if lines:
            options.recipes = [line["recipe"] for line in lines]
            results.keep(part, options, {"machine": machine, "lines": lines})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
