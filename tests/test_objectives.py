import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from genmodels.models import losses


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_kl_is_that_of_the_distributions():
    mean = torch.randn(5, 7, generator=rng(1)) * 3
    log_variance = torch.randn(5, 7, generator=rng(2)) * 2
    posterior = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(losses.kl_divergence(mean, log_variance), expected)
    assert losses.kl_divergence(torch.zeros(2, 7), torch.zeros(2, 7)).tolist() == [0, 0]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_reconstruction_is_the_cross_entropy_of_probabilities(reduction):
    logits = torch.randn(4, 3, 5, 6, generator=rng(1)) * 3
    images = torch.rand(4, 3, 5, 6, generator=rng(2))
    expected = torch.stack(
        [
            F.binary_cross_entropy(probabilities, image, reduction=reduction)
            for probabilities, image in zip(logits.sigmoid(), images, strict=True)
        ]
    )
    errors = losses.reconstruction_error(logits, images, reduction)
    torch.testing.assert_close(errors, expected)


def test_adversarial_losses_are_the_cross_entropies_of_probabilities():
    real, fake = torch.randn(9, generator=rng(1)) * 3, torch.randn(9, generator=rng(2)) * 3
    ones, zeros = torch.ones(9), torch.zeros(9)
    expected = F.binary_cross_entropy(real.sigmoid(), ones)
    expected += F.binary_cross_entropy(fake.sigmoid(), zeros)
    torch.testing.assert_close(losses.discriminator_loss(real, fake), expected)
    expected = F.binary_cross_entropy(fake.sigmoid(), ones)
    torch.testing.assert_close(losses.generator_loss(fake), expected)


def test_hinge_losses_are_those_of_the_paper():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.0])
    expected = (0 + 0.5 + 2) / 3 + (0 + 1 + 2) / 3
    assert losses.discriminator_loss(real, fake, "hinge").item() == pytest.approx(expected)
    assert losses.generator_loss(fake, "hinge").item() == pytest.approx(2 / 3)


def test_mode_seeking_is_the_ratio_of_the_distances_of_neighbours():
    latents = torch.tensor([[0.0, 0.0], [1.0, 3.0], [5.0, 5.0], [5.0, 9.0], [7.0, 7.0]])
    images = torch.zeros(5, 1, 2, 2)
    images[1], images[3] = 0.5, -0.25
    images.requires_grad_()
    sameness = losses.mode_seeking(latents, images)
    assert sameness.item() == pytest.approx((2 / 0.5 + 2 / 0.25) / 2)
    sameness.backward()
    assert images.grad is not None
    assert (images.grad[1] < 0).all()  # Descending it takes them apart.
    assert (images.grad[4] == 0).all()
    assert losses.mode_seeking(latents[:1], images[:1]).item() == 0
    assert losses.mode_seeking(latents[:2], images[[0, 0]]).isfinite()


def test_the_gradient_penalty_is_half_the_squared_gradient_at_each_image():
    images = torch.randn(4, 1, 3, 3, generator=rng(1)).requires_grad_()
    logits = images.square().flatten(1).sum(1)  # Its gradient is 2x.
    penalty = losses.gradient_penalty(logits, images)
    torch.testing.assert_close(penalty, 2 * images.square().sum() / 4)
    penalty.backward()
    torch.testing.assert_close(images.grad, images.detach())


def test_the_gaussian_error_is_the_density_at_the_variance_that_fits_best():
    means, images = (torch.rand(6, 1, 5, 5, generator=rng(seed)) for seed in (1, 2))

    def error(variance: torch.Tensor) -> torch.Tensor:
        return -Normal(means, variance.sqrt()).log_prob(images).flatten(1).sum(1)

    best = (means - images).square().mean()
    torch.testing.assert_close(losses.gaussian_error(means, images), error(best))
    for factor in (0.8, 1.25):
        assert error(best * factor).mean() > error(best).mean()
    same = losses.gaussian_error(images, images)
    assert same.isfinite().all()
    mean = losses.gaussian_error(means, images).mean().item()
    assert losses.variance_behind(mean, 25) == pytest.approx(best.item())
    given = losses.gaussian_error(means, images, variance=best.item())
    torch.testing.assert_close(given, error(best))


def test_the_feature_distance_is_of_directions_place_by_place_and_stage_by_stage():
    one, other = torch.zeros(2, 2, 3, 2, 2)
    one[:, 0], other[:, 0] = 2.0, 5.0  # The same direction.
    assert losses.feature_distance([one], [other]).tolist() == pytest.approx([0, 0])
    other[1, :, 0, 0] = torch.tensor([0.0, 1.0, 0.0])  # A right angle in one place of four.
    found = losses.feature_distance([one, one], [other, other])
    assert found.tolist() == pytest.approx([0, 2 * 2 / 4])


def test_logits_of_ten_thousand_overflow_nowhere():
    large = torch.tensor([[1e4, -1e4]], requires_grad=True)
    images = torch.tensor([[0.0, 1.0]])
    values = [
        losses.reconstruction_error(large, images).mean(),
        losses.discriminator_loss(-large, large),
        losses.generator_loss(large),
    ]
    assert [loss.item() for loss in values] == [2e4, 1e4, 5e3]
    for loss in values:
        (gradient,) = torch.autograd.grad(loss, large)
        assert gradient.isfinite().all()
        assert gradient.any()


def test_losses_of_bfloat16_logits_are_computed_in_float32():
    logits = torch.randn(64, generator=rng()).bfloat16()
    for loss in (
        losses.generator_loss(logits),
        losses.discriminator_loss(logits, logits),
        losses.reconstruction_error(logits[None], torch.zeros(1, 64)),
    ):
        assert loss.dtype == torch.float32


def test_a_reparametrised_draw_has_the_posteriors_moments_and_passes_gradients():
    mean = torch.full((20_000, 1), 2.0, requires_grad=True)
    log_variance = torch.full((20_000, 1), -1.0, requires_grad=True)
    draws = losses.reparametrise(mean, log_variance, rng())
    assert draws.mean().item() == pytest.approx(2.0, abs=0.02)
    assert draws.var().item() == pytest.approx(torch.tensor(-1.0).exp().item(), abs=0.02)
    draws.sum().backward()
    assert mean.grad is not None
    assert log_variance.grad is not None
    assert torch.equal(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(log_variance.grad, (draws - mean).detach() / 2)
    assert torch.equal(losses.reparametrise(mean, log_variance, rng()), draws)


def test_the_kl_is_the_sum_of_what_its_numbers_add():
    mean, log_variance = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    terms = losses.kl_terms(mean, log_variance)
    assert terms.shape == (5, 3)
    torch.testing.assert_close(terms.sum(1), losses.kl_divergence(mean, log_variance))
