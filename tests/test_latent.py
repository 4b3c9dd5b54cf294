import pytest
import torch

import genmodels
from genmodels import latent, recipes
from genmodels.models import build


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_walk_begins_and_ends_at_its_latents(path):
    start, end = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    walk = latent.between(start, end, 7, path)
    assert walk.shape == (7, 16)
    torch.testing.assert_close(walk[0], start)
    torch.testing.assert_close(walk[-1], end)


def test_a_straight_line_has_equal_steps():
    walk = latent.between(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), 5)
    torch.testing.assert_close(walk.diff(dim=0), torch.tensor([[0.25, 0.5, 0.75]]).expand(4, 3))


def test_a_great_circle_keeps_the_radius_and_has_equal_angles():
    start, end = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    walk = latent.between(start, end, 4, "spherical")
    torch.testing.assert_close(walk.norm(dim=1), torch.full((4,), 2.0))
    angles = torch.atan2(walk[:, 1], walk[:, 0])
    torch.testing.assert_close(angles, torch.linspace(0, torch.pi / 2, 4))


@pytest.mark.parametrize("end", [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_one_circle_the_walk_is_straight(end):
    start, end = torch.tensor([1.0, 0.0]), torch.tensor(end)
    walk = latent.between(start, end, 5, "spherical")
    torch.testing.assert_close(walk, latent.between(start, end, 5, "linear"))


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
        latent.between(torch.zeros(3), torch.zeros(4), 5)
    with pytest.raises(ValueError, match="steps"):
        latent.between(torch.zeros(3), torch.ones(3), 1)


def test_the_package_loads_no_torch_until_it_is_needed():
    import subprocess
    import sys

    code = "import sys, genmodels, genmodels.runs, genmodels.figures; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
