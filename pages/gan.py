"""The generative adversarial network in four steps."""

from genmodels.ui import lessons, shared
from genmodels.ui.lessons import Step

STEPS = (
    Step(
        "The game",
        "game",
        "Two networks play. The **generator** G makes values out of noise z; they fall where the "
        "density g is high. The **discriminator** D looks at a value x and says how likely it is "
        "real, from 0 to 1. Real values follow the density p. Drag the bell of G, or let the two "
        "take turns.",
    ),
    Step(
        "Losses",
        "losses",
        "Early in training D sees through every fake: D(G(z)) is close to 0. What does G learn "
        "then? A network learns from the **slope** of its loss. The loss of the game, log(1 − D), "
        "is flat there, so G hears next to nothing: it **saturates**. Hence G is trained on "
        "−log D instead. Drag D and compare the slopes.",
    ),
    Step(
        "Mode collapse",
        "collapse",
        "Real data has many kinds: ten digits, say. G may draw one kind well and forget the "
        "rest. This is **mode collapse**. Here are two kinds and a G that has one bump to give. "
        "D does its best all the time. Drag g, and see where it would come to rest.",
        lessons.shares,
    ),
    Step(
        "Fréchet distance",
        "frechet",
        "How good are the pictures? Describe each by features of a classifier, real ones and "
        "generated ones. Put a Gaussian around each of the two clouds, and measure how far the "
        "Gaussians are apart. With features of the Inception network this is called FID. Drag the "
        "Gaussians.",
        lessons.distances,
    ),
)

shared.heading(
    "GAN, step by step",
    "How a generative adversarial network works, in four steps. Everything here can be moved: by "
    "hand, by finger, or with the arrow keys.",
)
lessons.show("gan", STEPS)
