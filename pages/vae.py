"""The variational autoencoder in five steps."""

from genmodels.ui import lessons
from genmodels.ui.lessons import Step

STEPS = (
    Step(
        "Posterior",
        "posterior",
        "A variational autoencoder (VAE) has two networks. The **encoder** looks at a picture x "
        "and says where it belongs on a map. The **decoder** draws a picture from any place z of "
        "the map. Here a place is two numbers. The encoder gives no single place but a small "
        "region, a bell with a middle μ and a width σ: the **posterior**. Choose a picture, then "
        "drag z, by hand or with the arrow keys.",
        lessons.typical,
    ),
    Step(
        "ELBO",
        "elbo",
        "Training weighs two wishes. First, the picture drawn from z should look like x; the "
        "**reconstruction** loss says how badly it does. Second, each posterior should stay close "
        "to one fixed bell, with middle 0 and width 1, from which we draw later: the **prior**. "
        "The **KL divergence** says how far it strays, in nats (one nat is 1.44 bits). The sum of "
        "both is minus the **ELBO**, the evidence lower bound. Drag the bell and watch its price.",
        lessons.losses,
    ),
    Step(
        "Reparametrisation",
        "trick",
        "Training needs slopes: how does the loss L change if μ or σ change a little? But between "
        "them and the loss there is a random draw, and a draw has no slope. The trick: draw the "
        "noise ε elsewhere, and compute z from it. Try both ways: drag μ and σ, then ε as well. "
        "(Here L is simply (z − 2)².)",
    ),
    Step(
        "Sampling",
        "sampling",
        "After training the encoder can rest. Draw z from the prior, and the decoder makes a "
        "picture of it. Drag z slowly from one digit to another. Between them the picture is "
        "neither: it is **soft**, like two pictures laid over each other.",
        lessons.plane,
    ),
    Step(
        "Blur",
        "blur",
        "Why are the pictures soft? Several pictures share a place on the map, but the decoder "
        "has one answer for the place. The error counts the **squares** of what it misses, and so "
        "the best single answer is the mean. Here is one pixel that is dark, grey or bright: drag "
        "how often it is each, and find the best answer.",
    ),
)

lessons.show("vae", "VAE, step by step", STEPS)
