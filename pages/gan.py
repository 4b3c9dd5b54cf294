"""The generative adversarial network in four steps."""

from genmodels.ui import lessons
from genmodels.ui.lessons import Step

STEPS = (
    Step(
        "The game",
        "game",
        "In a generative adversarial network (GAN) two networks play against each other. The "
        "**generator** G turns random noise z into values; they fall often where the curve g is "
        "high. Real values fall often where p is high. The **discriminator** D looks at a value x "
        "and says how likely it is real, from 0 to 1. Drag the bell of G, by hand or with the "
        "arrow keys, or let the two take turns.",
    ),
    Step(
        "Losses",
        "losses",
        "Early in training D sees through every fake: D(G(z)) is close to 0. What does G learn "
        "then? A network learns from the **slope** of its loss. The loss of the game, log(1 − D), "
        "is flat there. G hears next to nothing: the loss **saturates**. So G is trained on "
        "−log D instead. Drag D and compare the slopes.",
        lessons.chances,
    ),
    Step(
        "Mode collapse",
        "collapse",
        "Real data has many kinds: ten digits, say. G may draw one kind well and forget the "
        "rest. This is **mode collapse**. Here are two kinds of real value, and a G that has one "
        "bump to give. D does its best all the time. Drag g, and see where it would come to rest.",
        lessons.shares,
    ),
    Step(
        "Fréchet distance",
        "frechet",
        "How good are the pictures? A classifier describes each picture by numbers, its features. "
        "Real pictures make one cloud of them, generated pictures another. Put a Gaussian, a bell, "
        "around each cloud, and measure how far the two are apart. With the features of the "
        "network Inception this is called FID. Drag the Gaussians.",
        lessons.distances,
    ),
)

lessons.show("gan", "GAN, step by step", STEPS)
