"""Networks from and to a run: one safetensors file each.

The files carry the number of images seen, so that a reader notices a pair of different epochs
(a kill between two renames); state.pt, which is written last, is whole then.
"""

from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from genmodels import runs
from genmodels.errors import RunError
from genmodels.runs import Run, schemas

from . import Model, build

Weights = dict[str, dict[str, Tensor]]
"""The tensors of each network by its name."""


class State(TypedDict):
    """What state.pt holds."""

    epoch: schemas.Count
    images_seen: schemas.Count
    networks: Weights
    learning: Weights
    optimizers: dict[str, dict[str, Any]]


def load(name: str | Path, device: str = "cpu") -> Any:
    """The model of a run, by its id or folder, ready to sample from. Raises RunError.

    The type is the family's: what the model can do is asked by `hasattr`.
    """
    return load_run(runs.find(name), device)


def load_run(run: Run, device: str = "cpu") -> Any:
    """As `load`, of a run that is open already."""
    model = build_empty(run.recipe)
    if run.parameters and run.parameters.keys() != model.networks.keys():
        raise RunError(
            f"{run.id}: recipe.json counts the parameters of other networks than its recipe has; "
            "restore the file or delete the run."
        )
    weights, seen = {}, set()
    for network in model.networks:
        weights[network], images_seen = _read(run, network)
        seen.add(images_seen)
    recorded = (run.info.get("weights") or {}).get("fingerprint")
    if recorded and recorded != runs.fingerprint(run):
        raise RunError(
            f"{run.id}: the weights are not those it was packed with; restore the files."
        )
    if len(seen) > 1:
        weights = load_state(run.path)["networks"]
    put(model, weights, run.id)
    return model.to(device).eval()


def build_empty(recipe) -> Model:
    """A model without weights, to be filled by `put`: its constructor must not look at values.

    What draws numbers does nothing on the meta device of itself: torch would import a second's and
    150 MB's worth of Python to do nothing.
    """
    with torch.device("meta"):
        return build(recipe)


def put(model: Model, weights: Weights, name: str) -> None:
    """Fills a model with weights, as float32. Raises RunError when they do not fit."""
    for network, module in model.networks.items():
        try:
            tensors = {
                key: tensor.float() if tensor.is_floating_point() else tensor
                for key, tensor in weights[network].items()
            }
            module.load_state_dict(tensors, assign=True)
        except (RuntimeError, KeyError) as error:
            raise RunError(
                f"{name}: the weights of the {network} do not fit the recipe; restore both files."
            ) from error
        # Of the model's file, not of the run.
        lost = [key for key, buffer in module.named_buffers() if buffer.is_meta]
        if lost:
            raise TypeError(f"the buffer {lost[0]} of {network} is not saved: make it persistent")
    model.requires_grad_(True)


def save_networks(folder: Path, weights: Weights, images_seen: int) -> None:
    """One file per network, each replaced in one go."""
    for network, tensors in weights.items():
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        content = save(plain, {"images_seen": str(images_seen)})
        runs.write_atomic(folder / f"{network}.safetensors", content)


def load_state(folder: Path) -> dict[str, Any]:
    """What a training resumes from: networks, optimizers, epoch. Raises RunError."""
    path = folder / "state.pt"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        # What learns, where the networks are its average; runs of before there was one lack it.
        state = {"learning": {}} | state
        schemas.check(state, State)
        return {key: state[key] for key in State.__annotations__}
    except FileNotFoundError as error:
        raise RunError(f"{folder.name} holds no state.pt: it cannot be resumed.") from error
    except Exception as error:  # torch.load raises whatever its readers raise.
        raise RunError(f"{folder.name}: state.pt is damaged; the run cannot be resumed.") from error


def _read(run: Run, network: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of one network and the number of images it had seen."""
    path = run.path / f"{network}.safetensors"
    if not path.exists():
        raise RunError(
            f"{run.id} has no {path.name} yet; wait for its first epoch or train it again."
        )
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, (file.metadata() or {}).get("images_seen", "")
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"{run.id}: {path.name} is no whole safetensors file; restore it or delete the run."
        ) from error
