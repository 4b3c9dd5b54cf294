"""Damaged run folders: a sentence about the one, none lost, nothing changed on the disk."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from fuzz import damaged, few
from hypothesis import given

from genmodels import (
    ablation,
    figures,
    folders,
    jobs,
    own_pictures,
    posteriors,
    recipes,
    runs,
    training,
    weights,
)
from genmodels.errors import GenmodelsError
from genmodels.evaluation import results
from genmodels.runs import Damaged, Run
from genmodels.ui import curves_view, dimensions_view, evaluation_view, shared

RECIPE = dataclasses.replace(
    recipes.named("vae-mnist-plus"), feature_maps=1, latent_dim=3, epochs=1, components=1
)
NAMES = (
    *("recipe.json", "metrics.jsonl", "status.json", "evaluation.json", "latents.json"),
    *("trainer.json", "owner", "stop", "state.pt", "encoder.safetensors", "samples/000000320.webp"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, synthetic_data) -> Path:
    """A folder of runs: two that were trained and measured, one of them not to its end; and a set
    of own pictures."""
    place = tmp_path_factory.mktemp("faults")
    folder = place / "runs" / "first"
    training.fit("vae-mnist-plus", RECIPE, folder, device="cpu", data_folder=synthetic_data)
    run = runs.open_run(folder)
    [measured, *_] = runs.find("vae-mnist").evaluation()
    measured["weights_fingerprint"] = weights.fingerprint(run)
    kernel = {**measured, "metric": "kernel"}
    classes = {**measured, "metric": "classes", "shares": {"0": 0.5, "1": 0.5}}
    runs.write_json(folder / "evaluation.json", [measured, kernel, classes])
    networks = {name: net.state_dict() for name, net in weights.load_run(run).networks.items()}
    shutil.copytree(folder, place / "checkpoints" / "vae-mnist")
    state = {"epoch": 1, "images_seen": 320, "networks": networks, "optimizers": {}}
    torch.save(state, folder / "state.pt")
    shutil.copytree(folder, place / "runs" / "second")
    losses = {"loss": 100.0}
    status = runs.Status("training", "", 1, 2, 500, 900.0, 3.5, losses, ticket=1)
    runs.write_status(folder, status)
    runs.write_json(folder / "trainer.json", {"worker": "app", "pid": 2**30, "host": "x"})
    (folder / "owner").write_text("0" * 64)
    (folder / "stop").write_text("stopped on request")
    pictures = place / "pictures"
    shutil.copytree(folder / "samples", pictures / "cats")
    for number in range(16):
        shutil.copy(folder / "samples" / "000000320.webp", pictures / f"{number}.webp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_RUNS", str(place / "runs"))
        own_pictures.from_path(pictures)
    return place / "runs"


@pytest.fixture
def fresh(whole: Path, runs_folder: Path, cache_folder: Path, monkeypatch) -> Callable[[], Path]:
    """Makes the folder of runs whole again."""
    monkeypatch.setattr(folders, "CHECKPOINTS", whole.parent / "checkpoints")

    def make() -> Path:
        shutil.rmtree(runs_folder)
        return Path(shutil.copytree(whole, runs_folder, copy_function=os.link))

    return make


def put(path: Path, content: bytes) -> None:
    path.unlink()  # The bytes are those of `whole` too.
    path.write_bytes(content)


def on_disk(folder: Path) -> dict[Path, tuple[int, int, int]]:
    stats = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (s.st_ino, s.st_mtime_ns, s.st_size) for path, s in stats.items()}


def refused(read: Callable[[], object]) -> None:
    """Reads; only a sentence to a person may come instead."""
    try:
        read()
    except GenmodelsError as error:
        assert is_sentence(str(error))


def is_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and 10 < len(text) < 600


def readers(run: Run, name: str) -> list[Callable[[], object]]:
    """What reads a file of a run, and what pages make of that."""

    def curves() -> None:
        metrics = run.metrics()
        for quantity in figures.quantities(metrics):
            figures.learning_curves([(run, metrics)], quantity).to_json()
        if metrics:
            curves_view.with_samples(run, metrics, dict.fromkeys(run.samples(), "address"))
            curves_view.film([(run, metrics)])

    def measured() -> None:
        evaluation_view.table([run]).to_csv()
        for entry in results(run):
            if entry.get("by_count"):
                figures.by_count(entry).to_json()

    def latents() -> None:
        model = weights.load_run(run)
        dimensions_view.carried(run, model)
        for mean in posteriors.class_means(run, model).values():
            model.decode(torch.tensor(mean)[None])
        stored = posteriors.stored(run)
        if stored is not None:
            figures.scatter(stored.means.numpy(), stored.labels, stored.classes).to_json()

    def shown() -> None:
        status = run.status()
        training_words = (jobs.pace(run), status.losses or {})
        assert str(training_words)

    by_file: dict[str, list[Callable[[], object]]] = {
        "metrics.jsonl": [curves, run.metrics, partial(shared.losses_in_words, run)],
        "status.json": [run.status, shown, partial(shared.about, run)],
        "evaluation.json": [measured, run.evaluation, partial(ablation.measured, run, "recall")],
        "latents.json": [latents, run.latents],
        "trainer.json": [lambda: jobs.trainer(run.path)],
        "owner": [lambda: jobs.control(run, key="key", teacher=False)],
        "state.pt": [lambda: weights.load_state(run.path)],
        "encoder.safetensors": [latents, partial(weights.fingerprint, run)],
        "samples": [curves, run.samples, partial(shared.last_picture, run, rows=8)],
    }
    return by_file.get(name) or [read for some in by_file.values() for read in some]


def check(folder: Path, name: str) -> None:
    before = on_disk(folder)
    listed = {item.id: item for item in runs.list_runs()}
    assert listed.keys() == {"vae-mnist", "first", "second"}
    assert isinstance(listed["second"], Run) and isinstance(listed["vae-mnist"], Run)
    first = listed["first"]
    if isinstance(first, Damaged):
        assert is_sentence(first.reason)
        with pytest.raises(GenmodelsError):
            run = runs.find("first")
            run.status()
            run.metrics()
    else:
        assert str(first.title).encode()
        for read in readers(first, name.split("/", maxsplit=1)[0]):
            refused(read)
    for read in (jobs.waiting, jobs.training, jobs.places, own_pictures.list_sets):
        read()
    assert on_disk(folder) == before


@pytest.mark.parametrize("field", ["format", "recipe.family", "recipe.dataset", "recipe.epochs"])
def test_a_long_value_is_said_shortly(field, fresh):
    path = fresh() / "first" / "recipe.json"
    plain = json.loads(path.read_bytes())
    *outer, name = field.split(".")
    (plain[outer[0]] if outer else plain)[name] = "x" * 100_000
    put(path, json.dumps(plain).encode())
    with pytest.raises(GenmodelsError) as caught:
        runs.find("first")
    assert is_sentence(str(caught.value))


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_said_and_harms_nothing_else(name, fresh, whole):
    content = (whole / "first" / name).read_bytes()

    @few(8)
    @given(damaged(content))
    def property_of(junk: bytes) -> None:
        folder = fresh()
        put(folder / "first" / name, junk)
        check(folder, name)

    property_of()
