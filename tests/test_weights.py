import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

import genmodels
from genmodels import runs
from genmodels.errors import RunError
from genmodels.models import build, weights


class Trap:
    """A pickle that, once read, makes a folder."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def state_of(run: runs.Run, networks: weights.Weights) -> dict:
    return {"epoch": 1, "images_seen": 100, "networks": networks, "optimizers": {}}


@pytest.mark.parametrize("name", ["vae-mnist", "gan-imagenette"])
def test_a_run_gives_back_the_networks_that_were_saved(name, make_run):
    changes = {"seed": 5} | ({"feature_maps": 4} if name == "gan-imagenette" else {})
    run = make_run("run", name, **changes)
    model = genmodels.load("run")
    expected = build(run.recipe).state_dict()
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in model.state_dict().items())
    assert not model.training
    assert all(weight.requires_grad for weight in model.parameters())
    assert model.sample(2).isfinite().all()


def test_half_precision_is_loaded_as_float32(make_run):
    run = make_run("run")
    whole = weights.load_run(run).sample(4)
    for path in run.path.glob("*.safetensors"):
        save_file({key: tensor.half() for key, tensor in load_file(path).items()}, path)
    model = weights.load_run(run)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model.sample(4), whole, atol=1e-3, rtol=0)


def test_counters_stay_whole_numbers(make_run):
    model = weights.load_run(make_run("run", "gan-imagenette", feature_maps=2))
    counters = [t for key, t in model.state_dict().items() if key.endswith("num_batches_tracked")]
    assert counters
    assert all(counter.dtype == torch.int64 for counter in counters)


@pytest.mark.parametrize("length", [0, 4, 500, -1])
def test_a_file_that_is_cut_off_is_refused(length, make_run):
    path = make_run("run").path / "decoder.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RunError, match=r"run: decoder\.safetensors is no whole safetensors file"):
        genmodels.load("run")


@pytest.mark.parametrize("name", ["decoder.safetensors", "state.pt"])
def test_a_pickle_is_never_run(name, make_run, tmp_path):
    run, marker = make_run("run"), tmp_path / "it-ran"
    content = pickle.dumps({"networks": Trap(marker)}, protocol=2)
    pickle.loads(content)
    marker.rmdir()  # The trap works where a pickle is read.
    (run.path / name).write_bytes(content)
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        genmodels.load("run") if name != "state.pt" else weights.load_state(run.path)
    torch.save({"networks": Trap(marker)}, run.path / name)
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        genmodels.load("run") if name != "state.pt" else weights.load_state(run.path)
    assert not marker.exists()


def test_weights_of_another_shape_or_name_are_refused(make_run):
    small, large = make_run("small", latent_dim=8), make_run("large")
    for run, name, other in ((small, "decoder", large), (large, "encoder", small)):
        kept = (run.path / f"{name}.safetensors").read_bytes()
        (run.path / f"{name}.safetensors").write_bytes(
            (other.path / f"{name}.safetensors").read_bytes()
        )
        if run is large:
            other.path.joinpath(f"{name}.safetensors").write_bytes(kept)
        with pytest.raises(RunError, match=f"{run.id}: the weights of the {name} do not fit"):
            weights.load_run(run)
    gan = make_run("gan", "gan-mnist")
    with pytest.raises(RunError, match=r"gan has no generator\.safetensors yet"):
        (gan.path / "generator.safetensors").unlink()
        weights.load_run(gan)


def test_files_of_two_epochs_give_way_to_the_last_commit(make_run):
    """A kill between two renames leaves one network newer than the other."""
    run = make_run("run")
    committed = build(run.recipe)
    networks = {name: net.state_dict() for name, net in committed.networks.items()}
    newer = {key: tensor + 1 for key, tensor in networks["encoder"].items()}
    weights.save_networks(run.path, {"encoder": newer}, 200)
    with pytest.raises(RunError, match=r"holds no state\.pt"):
        weights.load_run(run)
    torch.save(state_of(run, networks), run.path / "state.pt")
    loaded = weights.load_run(run).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in committed.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_state_is_told_in_a_sentence(content, make_run):
    run = make_run("run")
    if content is None:
        torch.save([1, 2], run.path / "state.pt")
    else:
        (run.path / "state.pt").write_bytes(content)
    with pytest.raises(RunError, match=r"run: state\.pt is damaged; the run cannot be resumed"):
        weights.load_state(run.path)


def test_weights_that_are_not_the_packed_ones_are_refused(make_run):
    run = make_run("run")
    info = {**run.info, "weights": {"fingerprint": runs.fingerprint(run)}}
    runs.write_json(run.path / "recipe.json", info)
    genmodels.load("run")
    path = run.path / "encoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="run: the weights are not those it was packed with"):
        genmodels.load("run")
