"""The variational autoencoder in four steps."""

from genmodels.ui import lessons, shared
from genmodels.ui.lessons import Step

STEPS = (
    Step(
        "Posterior",
        "posterior",
        "A VAE has two networks. The **encoder** looks at a picture x and says where it belongs "
        "on a map of codes. The **decoder** draws a picture from any place z of that map. The "
        "encoder does not give one place but a small region: a bell with a middle μ and a width "
        "σ. This region is the **posterior**. Choose a picture, then drag z.",
        lessons.typical,
    ),
    Step(
        "ELBO",
        "elbo",
        "Training weighs two wishes. The picture drawn from z should look like x: this is the "
        "**reconstruction**. And each posterior should stay close to one fixed bell, the **prior** "
        "N(0, 1), so that we can draw from it later: the distance is the **KL divergence**. Their "
        "sum is minus the **ELBO** (evidence lower bound). Drag the bell and watch its price.",
        lessons.losses,
    ),
    Step(
        "Reparametrisation",
        "trick",
        "Training needs slopes: how does the loss L change if μ or σ change a little? But between "
        "them and the loss there is a random draw, and a draw has no slope. The trick: draw the "
        "noise ε elsewhere, and compute z from it. Try both ways, and drag ε. (Here L is simply "
        "(z − 2)².)",
    ),
    Step(
        "Sampling",
        "sampling",
        "After training the encoder can rest. Draw z from the prior, and the decoder makes a "
        "picture of it. These pictures are a little **soft**: pictures that share a place on the "
        "map share one answer, and the best single answer is their mean. Drag z, then find the "
        "best answer below.",
        lessons.plane,
    ),
)

shared.heading(
    "VAE, step by step",
    "How a variational autoencoder works, in four steps. Everything here can be moved: by hand, "
    "by finger, or with the arrow keys.",
)
lessons.show("vae", STEPS)
