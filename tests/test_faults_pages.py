"""Addresses full of nonsense: every page opens, with a sentence or with what it begins with."""

import asyncio
import random

import pytest
from browser import apart
from fuzz import EXAMPLES
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest
from test_pages import PAGES, app, open_page  # noqa: F401  a fixture

from genmodels.ui import routes

NAMES = (
    *("model", "class", "count", "spread", "seed", "a_from", "a_seed", "a_picture", "a_spread"),
    *("a_label", "a_class", "a_image", "a_latent", "b_from", "b_latent", "c_from", "c_latent"),
    *(
        "path",
        "first",
        "rows",
        "z",
        "at",
        "look",
        "picture",
        "tour",
        "as",
        "A",
        "B",
        "C",
        "source",
        "image",
        "steps",
        "models",
    ),
    *("view", "seed_b", "runs", "quantity", "log", "ladder", "features", "samples", "by", "step"),
    *("run", "recipe", "pictures", "vae-mnist-epochs", "vae-mnist-learning_rate", "task", "hide"),
    *("networks", "points", "loss", "rate_d", "rate", "variance", "kl_weight", "latents"),
)
"""What the pages read of an address."""
NONSENSE = (
    *("1e999", "nan", "-1", "9" * 400, "<script>alert(1)</script>", "x" * 3000, "\0", "", "𝟘", "²"),
    *("../../etc/passwd", "1,2,3;4", "inf,nan", "**b** $x$ :smile:", "None", "true", "0x10", "1_0"),
    *("\u202e", "é" * 50, "1.5", "A" * 44, "!", "vae-mnist", "0"),
)
CHOSEN = {"a_from": "Kept", "b_from": "Kept", "c_from": "Kept", "source": "Test image"}
"""Choices behind which more of an address is read."""
VIEWS = ("Walk", "Nearest training images", "Why the number of samples matters", "Epochs")


def test_nonsense_in_the_address_breaks_no_page(app: AppTest):  # noqa: F811
    for at in range(len(PAGES) * (EXAMPLES or 1)):
        chance = random.Random(at)
        query = {name: chance.choices(NONSENSE, k=1 + at % 2) for name in NAMES}
        if at % 3:
            query |= {name: [text] for name, text in CHOSEN.items()} | {"model": ["vae-mnist"]}
            query["view"] = [chance.choice(VIEWS)]
            query["models"] = query["runs"] = ["vae-mnist", "gan-mnist"]
        app.query_params.clear()
        for name, some in query.items():
            app.query_params[name] = some
        open_page(app, PAGES[at % len(PAGES)])
        assert app.header[0].value
        assert not any("our fault" in error.value for error in app.error)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "inf", "nan", "9" * 400])
@pytest.mark.parametrize("page", ["sample", "points", "together"])
def test_a_number_beyond_all_numbers_in_the_address_is_left_out(app: AppTest, page, text):  # noqa: F811
    app.query_params.clear()
    app.query_params["seed"] = text
    open_page(app, page)
    assert app.header[0].value
    assert not app.error and not app.exception


@pytest.mark.parametrize(
    ("page", "name", "others"),
    [
        ("together", "view", {"models": ["vae-mnist", "gan-mnist"]}),
        ("together", "path", {"models": ["vae-mnist", "gan-mnist"], "view": "Walk"}),
        ("interpolate", "path", {}),
        ("interpolate", "a_from", {}),
        ("evaluate", "by", {"view": "Nearest training images"}),
        ("picture", "source", {}),
        ("points", "networks", {}),
        ("points", "latents", {"networks": "VAE"}),
        ("vae", "step", {}),
    ],
)
def test_a_choice_of_nothing_in_the_address_is_left_out(app: AppTest, page, name, others):  # noqa: F811
    app.query_params.clear()
    for each, value in others.items():
        app.query_params[each] = value
    app.query_params[name] = ""
    open_page(app, page)
    assert not app.error and not app.exception
    assert app.session_state[name] is not None


@pytest.mark.parametrize("text", ["9" * 5000, "-1", "²", "1e9", "\0", "..", "a/b", "x" * 300])
def test_nonsense_in_the_address_of_a_file_is_not_found(text):
    for address in (
        f"/genmodels/runs/vae-mnist/samples/{text}.webp",
        f"/genmodels/runs/{text}/samples/0.webp",
        f"/genmodels/runs/{text}/decoder.onnx",
        f"/genmodels/onnxruntime/{text}/x",
    ):
        assert apart(asyncio.run, answer(address)) == 404


async def answer(path: str) -> int:
    """The status of a GET of a path, its escapes resolved already."""
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    said = []

    async def send(message: dict) -> None:
        said.append(message)

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    await Starlette(routes=routes.ROUTES)(scope, receive, send)  # pyright: ignore
    return said[0]["status"]


def test_a_file_that_cannot_be_read_is_not_found_until_it_can(make_run):
    samples = make_run("first").path / "samples"
    (samples / "000000000.webp").mkdir(parents=True)
    address = "/genmodels/runs/first/samples/0.webp"
    assert apart(asyncio.run, answer(address)) == 404
    (samples / "000000000.webp").rmdir()
    (samples / "000000000.webp").write_bytes(b"a picture")
    assert apart(asyncio.run, answer(address)) == 200
