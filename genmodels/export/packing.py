"""Makes a run ready to ship: `python -m genmodels pack RUN FOLDER`.

Curves are copied whole, the weights in half precision, samples in colour at a lower quality where
they would be large. Nothing of the first run is changed; measurements are left out, since they are
of other weights.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro
from PIL import Image
from safetensors.torch import load_file, save
from typing_extensions import Doc

from genmodels import paths, runs
from genmodels.command_line import command, parse
from genmodels.data import formats
from genmodels.errors import RunError
from genmodels.latents import posteriors
from genmodels.models import weights
from genmodels.runs import Run

PROGRAM = "genmodels pack"
SAMPLES_BYTES = 40_000
"""The most that one picture of samples takes; there is one for each epoch."""


def pack(run: Run, folder: Path) -> Run:
    """Copies a finished run into a folder that does not exist yet. Raises RunError."""
    if run.status().state != "done":
        raise RunError(f"{run.id} is {run.status().state}; only a finished run can be packed.")
    if folder.exists():
        raise RunError(f"{folder} is there already; delete it first, or name another folder.")
    if not runs.ID.fullmatch(folder.name):
        raise RunError(f"{folder.name!r} is no id: use small letters, digits, dots and dashes.")
    weights.load_run(run)  # Damaged weights are told before anything is written.
    paths.check_writable(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".pack-") as temporary:
        work = Path(temporary) / folder.name
        shutil.copytree(run.path / "samples", work / "samples") if run.samples() else work.mkdir()
        for path in (work / "samples").glob("*.webp"):
            if path.stat().st_size > SAMPLES_BYTES:
                with Image.open(path) as picture:
                    path.write_bytes(formats.webp_within(picture.convert("RGB"), SAMPLES_BYTES))
        for name in ("metrics.jsonl", "status.json"):
            if (run.path / name).exists():
                shutil.copy(run.path / name, work / name)
        for path in run.path.glob("*.safetensors"):
            runs.write_atomic(work / path.name, save(halved(load_file(path))))
        info = {**run.info, "packed": runs.now(), "parent": run.id}
        runs.write_json(work / "recipe.json", info)
        info["weights"] = {
            "precision": "float16",
            "fingerprint": runs.fingerprint(runs.open_run(work)),
        }
        runs.write_json(work / "recipe.json", info)
        latents = posteriors.kept(run)
        if latents:  # Those of the weights before rounding, which moves them by less than a digit.
            posteriors.store(runs.open_run(work), latents)
        weights.load_run(runs.open_run(work))  # What ships is known to load.
        work.rename(folder)
    return runs.open_run(folder)


def halved(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating-point tensors as float16. Raises RunError where one has no place there."""
    half = {}
    for name, tensor in tensors.items():
        small = tensor.half() if tensor.is_floating_point() else tensor
        if not small.isfinite().all():
            raise RunError(f"the tensor {name} is not finite in half precision.")
        half[name] = small
    return half


@dataclass(frozen=True)
class Options:
    """Makes a finished run small enough to ship: half precision, smaller samples.

    Example: genmodels pack vae-mnist-1 checkpoints/my-vae
    """

    run: Annotated[tyro.conf.Positional[str], Doc("A finished run, by its id or folder.")]
    folder: Annotated[tyro.conf.Positional[Path], Doc("A folder that does not exist yet.")]


@command(PROGRAM)
def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 0 done, 2 a mistake (in one sentence)."""
    options = parse(Options, arguments, PROGRAM)
    packed = pack(runs.find(options.run), runs.absolute(options.folder))
    size = sum(path.stat().st_size for path in packed.path.rglob("*") if path.is_file())
    print(f"{packed.path}: {size / 1e6:.1f} MB")
    return 0
