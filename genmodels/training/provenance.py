"""What recipe.json records of a training besides its recipe: arithmetic, versions, data."""

import platform
import sys
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from genmodels import recipes, runs
from genmodels.data.image_tensors import Images
from genmodels.models import Model
from genmodels.recipes import Recipe
from genmodels.runs import Run

from . import processes


def describe(name: str, recipe: Recipe, model: Model, title: str) -> dict[str, Any]:
    """The content of a new recipe.json."""
    cuda = model.device.type == "cuda"
    return {
        "format": runs.FORMAT,
        "title": title or recipe.title,
        "parent": None,
        "created": runs.now(),
        "recipe_name": name,
        "recipe": recipes.to_json(recipe),
        "parameters": {
            network: sum(weight.numel() for weight in module.parameters())
            for network, module in model.networks.items()
        },
        "resolved": {
            "precision": str(model.compute_type).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name(model.device) if cuda else model.device.type,
            "processes": processes.WORLD,
            "sync_batch_norm": any(isinstance(m, nn.SyncBatchNorm) for m in model.modules()),
        },
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        "data": None,
    }


def continued(run: Run, info: dict[str, Any]) -> dict[str, Any]:
    """What of recipe.json is new in a resumed run, or in one that waited; warns where the
    arithmetic will not be the same."""
    new = {name: info[name] for name in ("recipe", "resolved", "parameters")}
    if not run.info.get("resolved"):
        return new | {"versions": info["versions"]}
    # Runs of before there could be several processes say nothing of them.
    recorded = {"processes": 1, "sync_batch_norm": False} | run.info["resolved"]
    for name, now in info["resolved"].items():
        before = recorded.get(name)
        if now != before:
            warn(f"{run.id} was trained with {name.replace('_', ' ')} {before}, now {now}")
    return new


def warn_of_other_data(info: dict[str, Any], train: Images, val: Images) -> None:
    """Tells of a resumed run whose data are not the ones that it began with."""
    for split, images in (("train", train), ("val", val)):
        before = (info.get("data") or {}).get(split)
        if before and before.get("fingerprint") != images.fingerprint:
            warn(f"the {split} images are not those that the run began with")


def warn(what: str) -> None:
    sentence = f"warning: {what}: the result will differ from an uninterrupted training."
    tqdm.write(sentence, file=sys.stderr)  # On a line of its own, not behind the bar.


def of_images(images: Images) -> dict[str, Any]:
    """Which copy of a split was used."""
    return {"images": len(images), "fingerprint": images.fingerprint, "source": images.source}
