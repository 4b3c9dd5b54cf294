"""How near a training comes to the fastest steps of its network: `python -m benchmarks.training`.

For each recipe two speeds in images per second, measured in turn (A B A B):

A  bare: the model's turns, backward and fused Adam on one batch that never changes, in the
   fastest of the precisions and memory formats below;
B  training: `genmodels.training.fit` on the real data set, from the commit of epoch 0 to the
   end, with batches gathered, metrics, validation, samples and saving.

Their ratio is what everything around the steps leaves of them.
"""

import argparse
import contextlib
import dataclasses
import io
import itertools
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from genmodels import data, recipes, runs, training
from genmodels.devices import choose_device, choose_precision
from genmodels.errors import GenmodelsError
from genmodels.models import Model, build
from genmodels.recipes import Recipe

NAMES = ("vae-mnist", "vae-imagenette", "gan-mnist", "gan-imagenette")
PRECISIONS = ("float32", "bfloat16")
FORMATS = ("contiguous", "channels_last")
WHOLE_EPOCHS = 20
"""From so many seconds on, a training takes the whole data set in each epoch."""


@dataclass
class Speed:
    """Images per second, measured several times."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{self.median:,.0f} ({min(self.values):,.0f}–{max(self.values):,.0f})"

    def plain(self) -> dict[str, Any]:
        values = [round(value, 1) for value in self.values]
        return {"median": round(self.median, 1), "values": values}


class Bare:
    """Training steps and nothing else, on one batch."""

    def __init__(self, recipe: Recipe, batch: data.Images, device: torch.device, variant: str):
        precision, memory_format = variant.split(", ")
        self.variant, self.device = variant, device
        self.model: Model = build(recipe).to(device).train()
        self.model.compute_type = getattr(torch, precision)
        self.images = data.to_float(batch.pixels.to(device))
        self.labels = batch.labels.to(device)
        if memory_format == "channels_last":
            self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.weights = {name: list(net.parameters()) for name, net in self.model.networks.items()}
        self.optimizers = {
            name: torch.optim.Adam(
                weights, fused=device.type != "mps", **self.model.optimizer_options(name)
            )
            for name, weights in self.weights.items()
        }
        self.rng = torch.Generator(device).manual_seed(0)

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

    def images_per_second(self, seconds: float) -> float:
        self.step()
        self.wait()
        at_once = 1 if self.device.type == "cpu" else 10  # Waiting for a GPU costs time itself.
        steps, started, elapsed = 0, time.perf_counter(), 0.0
        while elapsed < seconds:
            for _ in range(at_once):
                self.step()
            self.wait()
            steps += at_once
            elapsed = time.perf_counter() - started
        return steps * len(self.images) / elapsed


def fastest_bare(recipe: Recipe, batch: data.Images, device: torch.device, seconds: float) -> Bare:
    """The variant whose steps are fastest, each tried for so long."""
    formats = FORMATS if recipe.network == "convolutional" else FORMATS[:1]
    names = [", ".join(variant) for variant in itertools.product(PRECISIONS, formats)]
    variants = [Bare(recipe, batch, device, name) for name in names]
    return max(variants, key=lambda bare: bare.images_per_second(seconds))


@contextlib.contextmanager
def first_commit() -> Iterator[list[float]]:
    """Notes when the trainings inside have committed an epoch for the first time."""
    times: list[float] = []
    commit = training.Trainer.commit

    def commit_and_note(self: training.Trainer, epoch: int, lines: list[dict[str, Any]]) -> None:
        commit(self, epoch, lines)
        if epoch == 0:
            times.append(time.perf_counter())

    training.Trainer.commit = commit_and_note
    try:
        yield times
    finally:
        training.Trainer.commit = commit


def trained_images_per_second(name: str, recipe: Recipe, device: torch.device) -> float:
    """The speed of a whole training, apart from its preparation."""
    with tempfile.TemporaryDirectory() as folder, first_commit() as times:
        with contextlib.redirect_stderr(io.StringIO()):
            training.fit(name, recipe, Path(folder), device=device.type)  # pyright: ignore[reportArgumentType]
        elapsed = time.perf_counter() - times[0]
        return runs.open_run(Path(folder)).status().images_seen / elapsed


def measure(name: str, device: torch.device, seconds: float, rounds: int) -> dict[str, Any]:
    recipe = recipes.named(name)
    train = data.load(recipe.dataset, "train")
    best = fastest_bare(recipe, train.first(recipe.batch_size), device, seconds / 10)
    bare, trained = Speed(), Speed()
    for _ in range(rounds):
        bare.values.append(best.images_per_second(seconds / 2))
        images = max(2 * recipe.batch_size, math.ceil(bare.median * seconds))
        epochs, limit = math.ceil(images / len(train)), None
        if seconds < WHOLE_EPOCHS and images < len(train):
            epochs, limit = 1, images
        changed = dataclasses.replace(recipe, epochs=epochs, train_limit=limit)
        trained.values.append(trained_images_per_second(name, changed, device))
    return {
        "recipe": name,
        "bare": {"variant": best.variant, **bare.plain()},
        "training": {"precision": choose_precision(recipe, device), **trained.plain()},
        "ratio": round(trained.median / bare.median, 3),
        "texts": [name, best.variant, str(bare), str(trained)],
    }


def table(results: list[dict[str, Any]]) -> str:
    head = ["recipe", "fastest bare step", "bare, images/s", "training, images/s", "training/bare"]
    rows = [head, *([*result["texts"], f"{result['ratio']:.2f}"] for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="by default the report's four")
    parser.add_argument("--seconds", type=float, default=30, help="least time of a training")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each speed")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the numbers")
    options = parser.parse_args(arguments)
    results = []
    try:
        device = choose_device(options.device)
        for name in tqdm(options.recipes or NAMES, desc="recipes", leave=False):
            results.append(measure(name, device, options.seconds, max(1, options.rounds)))
    except GenmodelsError as error:
        print(f"benchmarks.training: {error}", file=sys.stderr)
        return 2
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(
        f"{place}, {torch.get_num_threads()} threads, torch {torch.__version__}; median (min–max)"
    )
    print(table(results))
    if options.seconds < WHOLE_EPOCHS:
        print(f"Under {WHOLE_EPOCHS} seconds epochs are cut short: a trial, not a measurement.")
    if options.json:
        conditions = {"device": place, "threads": torch.get_num_threads()}
        conditions |= {"torch": str(torch.__version__), "seconds": options.seconds}
        plain = [{key: result[key] for key in result if key != "texts"} for result in results]
        runs.write_json(options.json, {**conditions, "recipes": plain})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
