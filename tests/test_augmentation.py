import pytest
import torch

from genmodels.models import augmentation


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_mirror_turns_about_half_of_the_images_and_changes_nothing_else():
    images = torch.rand(400, 3, 6, 6, generator=rng())
    changed = augmentation.mirror(images, rng())
    turned = (changed == images.flip(3)).flatten(1).all(1)
    kept = (changed == images).flatten(1).all(1)
    assert (turned ^ kept).all()
    assert 160 < turned.sum() < 240


def test_none_changes_nothing():
    images = torch.rand(4, 1, 28, 28)
    assert augmentation.for_discriminator(images, "none", rng()) is images


def test_shift_moves_by_up_to_an_eighth_and_fills_with_grey():
    images = torch.full((300, 1, 16, 16), 1.0)
    images[:, :, 8, 8] = 5.0
    changed = augmentation.for_discriminator(images, "shift", rng())
    assert changed.shape == images.shape
    places = [divmod(int(image.argmax()), 16) for image in changed]
    assert {row - 8 for row, _ in places} == {-2, -1, 0, 1, 2} == {col - 8 for _, col in places}
    for image, (row, column) in zip(changed, places, strict=True):
        assert (image == 0).sum() == 16 * 16 - (16 - abs(row - 8)) * (16 - abs(column - 8))


def test_cutout_hides_a_square_of_half_the_side_or_what_of_it_is_inside():
    changed = augmentation._cutout(torch.ones(300, 3, 16, 16), rng())
    hidden = (changed == 0).sum((1, 2, 3)) / 3
    assert hidden.max() == 64
    assert hidden.min() >= 16


@pytest.mark.parametrize("kind", ["shift", "shift, colour, cutout"])
def test_gradients_reach_the_images(kind):
    images = torch.rand(8, 3, 16, 16, generator=rng()).requires_grad_()
    changed = augmentation.for_discriminator(images, kind, rng())
    (gradients,) = torch.autograd.grad(changed.sum(), images)
    assert gradients.flatten(1).any(1).all()
    assert changed.isfinite().all()


def test_colour_keeps_the_shape_of_what_is_seen():
    """A change of brightness, saturation and contrast is linear in each image."""
    first, second = torch.rand(2, 8, 3, 4, 4, generator=rng())
    changes = [augmentation._colour(x, rng()) for x in (first, second, (first + second) / 2)]
    torch.testing.assert_close(changes[2], (changes[0] + changes[1]) / 2)
    assert not torch.allclose(changes[0], first)
