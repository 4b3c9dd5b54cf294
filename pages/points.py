"""A GAN and a VAE that learn points of the plane, live in the browser."""

import streamlit as st

from genmodels.ui import shared
from genmodels.ui.widgets.playground import playground

MODELS = {"GAN": "gan", "VAE": "vae", "Both": "both"}
POINTS = {
    "Ring of eight": "ring",
    "Two moons": "moons",
    "Line": "line",
    "Grid of nine": "grid",
    "Spiral": "spiral",
    "One blob": "one",
    "Drawn by hand": "drawn",
}
NORMAL, SATURATING = "−log D(G(z))", "log(1 − D(G(z)))"
RATES = ["0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01"]
VARIANCES = ["0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1"]
WEIGHTS = ["0", "0.1", "0.3", "1", "3", "10", "30"]
HEALTHY = {"loss": NORMAL, "rate_d": "0.001", "rate_g": "0.001"}
# Found by trying: with seeds 0 to 2, three of the eight modes or fewer in the first 4,000 steps.
COLLAPSE = {"loss": NORMAL, "rate_d": "0.0002", "rate_g": "0.005"}


def begin(networks: str, points: str, changes: dict[str, str]) -> None:
    """Other settings, and untrained networks."""
    turn = st.session_state.get("turn", 0) + 1
    st.session_state.update(networks=networks, points=points, turn=turn, **changes)


def choose_gan() -> tuple[bool, float, float]:
    """Whether G's loss saturates, and the learning rates of D and G."""
    st.markdown("**GAN**")
    loss = st.selectbox(
        "Loss of G",
        [NORMAL, SATURATING],
        key="loss",
        bind="query-params",
        help="Both say: get a high D(G(z)). The second one hardly pushes where D is sure.",
    )
    rates = [
        st.select_slider(f"Learning rate of {name}", RATES, "0.001", key=key, bind="query-params")
        for name, key in (("D", "rate_d"), ("G", "rate_g"))
    ]
    return loss == SATURATING, float(rates[0]), float(rates[1])


def choose_vae() -> tuple[int, float, float, float]:
    """Latent numbers, learning rate, variance of the decoder, weight of the KL term."""
    st.markdown("**VAE**")
    latents = st.segmented_control(
        "Latent numbers", [1, 2], default=2, required=True, key="latents", bind="query-params"
    )
    rate = st.select_slider("Learning rate", RATES, "0.002", key="rate", bind="query-params")
    variance = st.select_slider(
        "Decoder variance",
        VARIANCES,
        "0.03",
        key="variance",
        bind="query-params",
        help="How far from its reconstruction a point may lie. Small: exact reconstructions.",
    )
    weight = st.select_slider(
        "KL weight",
        WEIGHTS,
        "1",
        key="kl_weight",
        bind="query-params",
        help="1 is the VAE of the books (the ELBO). Higher: posteriors like the prior.",
    )
    return latents, float(rate), float(variance), float(weight)


shared.heading(
    "Live training",
    "Two small networks learn to make points like the **real** ones. Press **Play**. It is no "
    "film: the training runs in your browser. Learning rates and losses act on it at once.",
)
stage, side = st.columns([7, 2], gap="large")
with side:
    networks = st.segmented_control(
        "Model", list(MODELS), default="GAN", required=True, key="networks", bind="query-params"
    )
    points = st.selectbox(
        "Real points",
        list(POINTS),
        key="points",
        bind="query-params",
        help="To draw your own with a mouse or a finger, choose “Drawn by hand” and "
        "paint on the picture.",
    )
    seed = st.number_input(
        "Seed",
        0,
        2**31 - 1,
        0,
        key="seed",
        bind="query-params",
        help="The same seed begins with the same networks and points.",
    )
    saturating, rate_d, rate_g = False, 0.001, 0.001
    latents, rate, variance, weight = 2, 0.002, 0.03, 1.0
    if networks != "VAE":
        saturating, rate_d, rate_g = choose_gan()
    if networks != "GAN":
        latents, rate, variance, weight = choose_vae()
    st.button(
        "Mode collapse",
        on_click=begin,
        args=("GAN", "Ring of eight", COLLAPSE),
        help="G learns 25 times as fast as D: watch it make few of the eight modes.",
        width="stretch",
    )
    st.button(
        "Healthy GAN", on_click=begin, args=("GAN", "Ring of eight", HEALTHY), width="stretch"
    )
with stage:
    playground(
        {
            "model": MODELS[networks],
            "points": POINTS[points],
            "seed": seed,
            "saturating": saturating,
            "rate_d": rate_d,
            "rate_g": rate_g,
            "rate": rate,
            "latents": latents,
            "variance": variance,
            "kl_weight": weight,
            "turn": st.session_state.get("turn", 0),
        },
        key="playground",
    )

left, right = st.columns(2, gap="large")
with left:
    st.subheader("What you see", anchor=False)
    if networks != "VAE":
        st.markdown(
            "**GAN.** The generator **G** turns random numbers z into points. The discriminator "
            "**D** says how likely a point is real: 0 to 1. In a step D learns first, then G. "
            "An arrow shows where a point would go to look more real to D. At the end D can only "
            "guess: 0.5 everywhere that points are."
        )
    if networks != "GAN":
        st.markdown(
            "**VAE.** The encoder gives each point a **posterior**: a small cloud of latents z. "
            "The decoder turns z back into a point, the **reconstruction**. The **KL** says how "
            "far posteriors are from the **prior**, N(0, 1), from which samples are drawn. The "
            "reconstruction loss is −log of a density, so it may be below 0."
        )
    st.caption(
        "A mode is a blob of the real points. It counts as covered when it has a quarter or more "
        "of its fair share of 200 made points. Near means within 0.3, three standard deviations "
        "of a mode; the picture is 6 wide."
    )
with right:
    st.subheader("What to try", anchor=False)
    st.markdown(
        "1. **Go slowly.** Press D’s turn ten times, then G’s turn ten times. Watch the colours "
        "move, then the points.\n"
        "2. **Break it.** Press Mode collapse, then Play. G crowds into a few places and misses "
        "the other modes. Then turn the rate of D up: does G find them?\n"
        "3. **Compare.** Choose Both and Two moons. What does a VAE put between the moons, and "
        "what a GAN?"
    )
