import re

import pytest
import torch

import genmodels
from genmodels import recipes, runs
from genmodels.latents import geometry
from genmodels.models import build


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_walk_begins_and_ends_at_its_latents(path):
    start, end = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    walk = geometry.between(start, end, 7, path)
    assert walk.shape == (7, 16)
    torch.testing.assert_close(walk[0], start)
    torch.testing.assert_close(walk[-1], end)


def test_a_straight_line_has_equal_steps():
    walk = geometry.between(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), 5)
    torch.testing.assert_close(walk.diff(dim=0), torch.tensor([[0.25, 0.5, 0.75]]).expand(4, 3))


def test_a_great_circle_keeps_the_radius_and_has_equal_angles():
    start, end = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    walk = geometry.between(start, end, 4, "spherical")
    torch.testing.assert_close(walk.norm(dim=1), torch.full((4,), 2.0))
    angles = torch.atan2(walk[:, 1], walk[:, 0])
    torch.testing.assert_close(angles, torch.linspace(0, torch.pi / 2, 4))


@pytest.mark.parametrize("end", [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_one_circle_the_walk_is_straight(end):
    start, end = torch.tensor([1.0, 0.0]), torch.tensor(end)
    walk = geometry.between(start, end, 5, "spherical")
    torch.testing.assert_close(walk, geometry.between(start, end, 5, "linear"))


@pytest.mark.parametrize("name", ["vae-mnist", "gan-imagenette"])
def test_interpolate_gives_the_decoded_steps(name):
    model: genmodels.models.LatentModel = build(recipes.named(name)).eval()  # pyright: ignore
    start, end = model.sample_latents(2, seed=3)
    frames = genmodels.interpolate(model, start, end, steps=4)
    assert frames.shape == (4, *model.image_shape)
    with torch.inference_mode():
        torch.testing.assert_close(frames[-1:], model.decode(end[None]), atol=1e-5, rtol=1e-4)


def test_unequal_latents_and_too_few_steps_are_refused():
    with pytest.raises(ValueError, match="latent_dim"):
        geometry.between(torch.zeros(3), torch.zeros(4), 5)
    with pytest.raises(ValueError, match="steps"):
        geometry.between(torch.zeros(3), torch.ones(3), 1)


def test_the_package_loads_no_torch_until_it_is_needed():
    import subprocess
    import sys

    code = (
        "import sys, genmodels, genmodels.runs, genmodels.ui.figures; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_latent_as_text_comes_back():
    z = torch.randn(100, generator=torch.Generator().manual_seed(0))
    text = geometry.to_text(z)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    torch.testing.assert_close(geometry.from_text(text, 100), z, atol=0, rtol=2**-10)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "0 numbers"),
        ("AAAA?", "is no latent"),
        ("<script>", "is no latent"),
        ("é", "is no latent"),
        ("AAAA", "is no latent"),  # Three bytes: one and a half numbers.
        (geometry.to_text(torch.zeros(3)), "has 3 numbers, and the model takes 2"),
        (geometry.to_text(torch.tensor([torch.inf, 0])), "is no latent"),
        (geometry.to_text(torch.tensor([60_000.0, 0])), "is no latent"),
        ("A" * 10_000, "is no latent|numbers"),
    ],
)
def test_nonsense_is_no_latent(text, sentence):
    with pytest.raises(geometry.LatentError, match=sentence):
        geometry.from_text(text, 2)


def test_a_two_dimensional_latent_space_is_its_own_plane():
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) + 3
    plane = geometry.principal_plane(points)
    assert torch.equal(plane.latents(points), points)
    torch.testing.assert_close(plane.points(points), points)


def test_the_principal_plane_holds_the_most_variance():
    rng = torch.Generator().manual_seed(0)
    scales = torch.tensor([0.1, 3.0, 0.2, 5.0, 0.1])
    latents = torch.randn(2000, 5, generator=rng) * scales + 1
    plane = geometry.principal_plane(latents)
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2))
    assert plane.axes[0].argmax() == 3 and plane.axes[1].argmax() == 1
    points = torch.randn(7, 2, generator=rng)
    torch.testing.assert_close(plane.points(plane.latents(points)), points)
    residual = latents - plane.latents(plane.points(latents))
    assert (residual @ plane.axes.T).abs().max() < 1e-4


def test_a_plane_through_three_latents():
    a, b, c = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    plane = geometry.plane_through(a, b, c)
    corners = torch.tensor([[0.0, 0], [1, 0], [0, 1]])
    torch.testing.assert_close(plane.latents(corners), torch.stack([a, b, c]))
    torch.testing.assert_close(plane.points(torch.stack([a, b, c])), corners, atol=1e-5, rtol=0)


def test_a_kept_latent_as_text_comes_back_with_its_model(make_run):
    run = make_run("mine")
    z = torch.randn(16, generator=torch.Generator().manual_seed(0))
    kept = geometry.Kept.of(run, z)
    assert re.fullmatch(r"mine~[0-9a-f]{8}~[A-Za-z0-9_-]+", kept.text)
    back = geometry.Kept.read(kept.text)
    assert back[1:] == kept[1:] and runs.fingerprint(run).startswith(back.fingerprint)
    torch.testing.assert_close(back.z, z, atol=0, rtol=2**-10)
    # Of an old link, which says no model.
    assert geometry.Kept.read(geometry.to_text(z)).run_id == ""


@pytest.mark.parametrize("text", ["~", "a~b", "a~b~c~AAAAAA", "../x~b~AAAAAA", "A B~c~AAAAAA"])
def test_nonsense_is_no_kept_latent(text):
    with pytest.raises(geometry.LatentError, match="is no latent"):
        geometry.Kept.read(text)
