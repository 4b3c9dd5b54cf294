"""What a user of a trained model waits for: `python -m benchmarks.models`.

Of each model that ships, in turn with what it rests on:

- 64 samples, and one bare pass of 64 latents through the network alone;
- loading it by its name, checks included, and `torch.load` of the same weights;
- a walk of 61 pictures as a GIF, and Pillow's own saving of the same frames.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import genmodels
from genmodels import runs, terminal
from genmodels.data import formats
from genmodels.latents import geometry
from genmodels.recipes import LatentRecipe

from . import results

COUNT = 64
FRAMES = 61


def measure(run: runs.Run, rounds: int, seconds: float) -> dict[str, Any]:
    model = genmodels.load(run.id)
    network = model.networks.get("decoder") or model.networks["generator"]
    latents = model.sample_latents(COUNT)
    with torch.inference_mode():
        walk = geometry.interpolate(model, latents[0], latents[1], FRAMES)
    frames = [formats.enlarge(formats.to_pil(f), 4) for f in formats.from_floats(walk.numpy())]

    @torch.inference_mode()
    def forward() -> torch.Tensor:
        return network(latents)

    def save_plainly() -> None:
        frames[0].save(
            io.BytesIO(), "GIF", save_all=True, append_images=frames[1:], duration=50, loop=0
        )

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.pt"
        states = {name: each.state_dict() for name, each in model.networks.items()}
        halves = {
            name: {key: tensor.half() for key, tensor in state.items()}
            for name, state in states.items()
        }
        torch.save(halves, file)
        pairs = {
            "sample": (lambda: model.sample(COUNT, seed=0), forward),
            "load": (
                lambda: genmodels.load(run.id),
                lambda: torch.load(file, weights_only=True),
            ),
            "gif": (lambda: formats.gif(frames, 0.05), save_plainly),
        }
        line: dict[str, Any] = {"run": run.id}
        for name, (ours, bare) in pairs.items():
            times = results.in_turn({"ours": ours, "bare": bare}, rounds, seconds)
            line[name] = {
                "ours": results.spread(times["ours"]),
                "bare": results.spread(times["bare"]),
                "ratio": results.ratios(times["ours"], times["bare"]),
            }
    return line


def main(arguments: list[str]) -> int:
    parser = results.options("models", __doc__)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each way in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    if options.short:
        options.seconds, options.rounds = 0.05, 2
    machine, lines = results.machine(), []
    for run in runs.list_runs():
        if isinstance(run, runs.Run) and run.shipped and isinstance(run.recipe, LatentRecipe):
            lines.append(measure(run, options.rounds, options.seconds))
            said = (
                f"{name} {lines[-1][name]['ours']['median'] * 1000:.1f} ms, "
                f"{results.text(lines[-1][name]['ratio'])} times the bare one"
                for name in ("sample", "load", "gif")
            )
            print(f"{run.id}: {'; '.join(said)}", flush=True)
    results.keep("models", options, {"machine": machine, "lines": lines})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
