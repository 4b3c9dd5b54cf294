"""Own pictures through a model: inputs, the search for a latent, the page and its canvas."""

import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import open_page, serving, settled
from conftest import write_mnist
from PIL import Image, ImageDraw, ImageFilter
from streamlit.testing.v1 import AppTest
from test_pages import wait_for_work

import genmodels
from genmodels import paths, runs
from genmodels.data import datasets, single_picture
from genmodels.data.single_picture import InputError
from genmodels.latents import geometry, inversion
from genmodels.models import losses, weights
from genmodels.ui import figures, navigation, picture_view, shell, work

SEVEN = [[[0.3, 0.2], [0.7, 0.2], [0.45, 0.8]]]


def png(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


# Inputs


def test_a_test_image_of_mnist_is_hardly_changed(data_folder):
    images = datasets.load("mnist", "val", data_folder).pixels[:300, 0].float().numpy() / 255
    changes = [abs(single_picture.like_mnist(image)[0] - image).mean() for image in images]
    assert np.mean(changes) < 1e-4
    assert np.median(changes) == 0


def test_a_digit_fills_the_box_and_its_mass_is_in_the_middle():
    ink = np.zeros((200, 120), np.float32)
    ink[10:190, 5:30] = 1  # A bar with a foot: the mass is left of the box's middle.
    ink[165:190, 5:95] = 1
    image = single_picture.like_mnist(ink)
    assert image.shape == (1, 28, 28)
    assert image.dtype == np.float32
    assert image.min() == 0 <= image.max() <= 1
    rows, columns = np.flatnonzero(image[0].any(1)), np.flatnonzero(image[0].any(0))
    assert len(rows) == 20
    assert len(columns) == 10  # 180 to 90, as in the drawing.
    places = np.indices((28, 28)).reshape(2, -1)
    centre = places @ image.ravel() / image.sum()
    assert (abs(centre - 14) <= 0.5).all()


def test_a_digit_far_from_its_middle_stays_whole():
    ink = np.zeros((100, 100), np.float32)
    ink[:, :4], ink[0, 99] = 1, 1
    columns = np.flatnonzero(single_picture.like_mnist(ink)[0].any(0))
    assert columns[-1] - columns[0] == 19


@pytest.mark.parametrize("value", [0, 1])
def test_no_ink_and_nothing_but_ink_are_refused(value):
    with pytest.raises(InputError, match="draw a digit"):
        single_picture.like_mnist(np.full((50, 50), value, np.float32))


def test_a_drawing_has_ink_where_the_pen_was():
    ink = single_picture.drawn([[[0.5, 0.5]], [[0.1, 0.9], [0.9, 0.9]]])
    assert ink.shape == (280, 280)
    assert ink[140, 140] == ink[252, 140] == 1
    assert ink[20, 20] == ink[200, 140] == 0
    width = (ink[:, 140] > 0.5)[200:].sum()
    assert abs(width - single_picture.PEN) <= 1


@pytest.mark.parametrize(
    "strokes",
    [
        "nonsense",
        {"a": 1},
        7,
        [7],
        [[[0.5]]],
        [[[0.5, float("nan")]]],
        [[[0.5, 1e9]]],
        [[[0.5, 10**400]]],
        [[["a", "b"]]],
        [[[0.1, 0.1]]] * (single_picture.STROKES + 1),
        [[[0.1, 0.1]] * (single_picture.POINTS + 1)],
    ],
)
def test_what_is_no_drawing_is_refused(strokes):
    with pytest.raises(InputError, match="draw again"):
        single_picture.drawn(strokes)


def test_dark_ink_on_uneven_paper_becomes_the_digit_itself():
    digit = single_picture.like_mnist(single_picture.drawn(SEVEN))
    x = np.linspace(0, 1, 280)
    paper = 0.9 - 0.3 * x[None] - 0.1 * x[:, None]
    grain = np.random.default_rng(0).normal(0, 0.02, paper.shape)
    photo = (paper * (1 - 0.8 * single_picture.drawn(SEVEN)) + grain).clip(0, 1)
    picture = Image.fromarray((photo * 255).astype(np.uint8))
    found = single_picture.like_mnist(single_picture.ink(picture))
    assert abs(found - digit).mean() < 0.03
    assert abs(digit).mean() > 0.08


HIGH, WIDE = 600, 800
INKS = {
    "black": (0.1, 0.1, 0.1),
    "blue": (0.12, 0.18, 0.55),
    "red": (0.75, 0.12, 0.15),
    "pencil": (0.38, 0.38, 0.4),
}


def photo(digit: np.ndarray, kind: str, rng: np.random.Generator) -> Image.Image:
    """A photo of a digit [28, 28] that a pen wrote on paper of some kind, or chalk on a board."""
    size = 300
    ink = np.zeros((HIGH, WIDE), np.float32)
    top, left = (int((side - size) / 2 + rng.integers(-25, 26)) for side in (HIGH, WIDE))
    large = np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC))
    ink[top : top + size, left : left + size] = ((large / 255 - 0.35) / 0.3).clip(0, 1)
    paper = np.full((HIGH, WIDE, 3), 0.9, np.float32)
    if kind in ("ruled", "squared", "ruled on a desk"):
        paper[20::36, :] = paper[21::36, :] = (0.62, 0.72, 0.85)
    if kind == "squared":
        paper[:, 10::36] = paper[:, 11::36] = (0.62, 0.72, 0.85)
    colour = INKS.get(kind, INKS["blue"])
    if kind == "chalk":
        paper[:], colour = (0.12, 0.25, 0.18), (0.9, 0.9, 0.85)
    scene = paper + ink[..., None] * (np.asarray(colour, np.float32) - paper)
    if "desk" in kind:
        sheet = Image.new("L", (WIDE, HIGH))
        corners = (120, 80, WIDE - 140, HIGH + 9 if kind == "over a desk" else HIGH - 70)
        ImageDraw.Draw(sheet).rectangle(corners, fill=255)
        turned = sheet.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC)
        on_sheet = np.asarray(turned, np.float32)[..., None] / 255
        desk = np.asarray((0.6, 0.5, 0.4) if kind == "light desk" else (0.22, 0.15, 0.1))
        scene = desk + on_sheet * (scene - desk)
    rows, columns = np.indices((HIGH, WIDE), np.float32)
    scene *= (1 - 0.3 * columns / WIDE - 0.1 * rows / HIGH)[..., None]
    if kind == "shadow":
        shade = Image.new("L", (WIDE, HIGH), 255)
        edge = rng.uniform(0.35, 0.55) * WIDE
        ImageDraw.Draw(shade).polygon([(edge, 0), (WIDE, 0), (WIDE, HIGH), (edge, HIGH)], 140)
        soft = shade.rotate(20).filter(ImageFilter.GaussianBlur(8))
        scene *= np.asarray(soft, np.float32)[..., None] / 255
    scene += rng.normal(0, 0.02, scene.shape)
    return Image.fromarray((scene.clip(0, 1) * 255).astype(np.uint8))


@pytest.mark.parametrize(
    "kind",
    [
        *(*INKS, "ruled", "squared", "shadow", "desk", "ruled on a desk"),
        *("over a desk", "light desk", "chalk", "file", "inverted file"),
    ],
)
def test_the_digit_comes_out_of_a_photo(kind, data_folder):
    images, count = datasets.load("mnist", "val", data_folder), 20
    rng = np.random.default_rng(0)
    found = []
    for digit in images.pixels[:count, 0].numpy():
        if "file" in kind:  # The data set's own picture.
            picture = Image.fromarray(255 - digit if "inverted" in kind else digit)
        else:
            picture = photo(digit, kind, rng)
        found.append(single_picture.like_mnist(single_picture.ink(picture)))
    with torch.inference_mode():
        answers = genmodels.load("classifier-mnist").classifier(torch.from_numpy(np.stack(found)))
    right = (answers.argmax(1) == images.labels[:count]).sum()
    assert right >= count - 1


@pytest.mark.parametrize("shade", [0.9, 0.5, 0.15])
@pytest.mark.parametrize("grain", [0, 0.01, 0.02, 0.04])
def test_an_empty_sheet_or_board_has_no_ink(shade, grain):
    light = shade * np.linspace(0.7, 1, 800)[None]
    noisy = (light + np.random.default_rng(0).normal(0, grain, (600, 800))).clip(0, 1)
    assert single_picture.ink(Image.fromarray((noisy * 255).astype(np.uint8))).max() == 0


def test_a_photo_without_a_drawing_is_told_from_an_empty_canvas():
    light = (
        np.linspace(0.6, 1, 400)[None, :, None] * np.array([90, 160, 240]) * np.ones((300, 1, 1))
    )
    sky = Image.fromarray(light.astype(np.uint8))
    with pytest.raises(InputError, match=r"no drawing was found.*Take a photo of one digit"):
        single_picture.digit(sky)
    with pytest.raises(InputError, match="the canvas is empty"):
        single_picture.like_mnist(single_picture.drawn([[[1.5, 1.5]]]))
    digit = Image.fromarray((255 * (1 - single_picture.drawn(SEVEN))).astype(np.uint8))
    assert np.array_equal(
        single_picture.digit(digit), single_picture.like_mnist(single_picture.ink(digit))
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7 a paper named .png", "PDF files can't be read: export the pages"),
        (png(Image.new("L", (30, 30)), "TIFF"), "TIFF files can't be read: save as JPEG"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "HEIC files can't be read: export as JPEG"),
        (b"BM is how this text begins", "isn't a picture"),
        (bytes(50 * single_picture.MB), "50 MB"),
        (bomb(10_000, 10_000), "50 million pixels"),
        (bomb(60_000, 60_000), "50 million pixels"),
        (png(Image.effect_noise((99, 99), 9))[:500], "damaged"),
        (b"", "isn't a picture"),
    ],
)
def test_what_is_no_picture_too_large_or_damaged_is_refused(content, words):
    with pytest.raises(InputError, match=words):
        single_picture.read(content)


@pytest.mark.filterwarnings("error")
def test_pictures_of_many_kinds_are_read_upright_and_on_white():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert single_picture.read(png(Image.new("L", (40, 20)), exif=exif)).size == (20, 40)
    clear = single_picture.read(png(Image.new("RGBA", (20, 20), (0, 0, 0, 0))))
    assert (single_picture.fitted(clear, (3, 64, 64)) == 1).all()
    for kind in ("JPEG", "WEBP", "GIF", "BMP"):
        assert single_picture.read(png(Image.new("L", (20, 20), 200), kind)).size == (20, 20)
    deep = Image.fromarray(np.full((20, 20), 0x8080, np.uint16))
    assert (
        abs(single_picture.fitted(single_picture.read(png(deep)), (1, 28, 28)) - 0.5).max() < 0.01
    )


def test_a_grey_picture_suits_a_model_of_colours():
    image = single_picture.fitted(Image.linear_gradient("L"), (3, 64, 64))
    assert image.shape == (3, 64, 64)
    assert image.dtype == np.float32
    assert (image[0] == image[2]).all()
    assert image.min() < 0.05
    assert 0.95 < image.max() <= 1


# From a picture to a latent


def test_the_posterior_has_the_elbos_two_terms():
    model = genmodels.load("vae-mnist")
    image = torch.from_numpy(single_picture.like_mnist(single_picture.drawn(SEVEN)))
    found = inversion.posterior(model, image)
    with torch.no_grad():
        mean, log_variance = model.encode(image[None])
        many = image.expand(512, 1, 28, 28)
        measured = model.measure(many, torch.zeros(512), torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.mean, mean[0])
    torch.testing.assert_close(found.image, model.decode(mean)[0])
    kl = losses.kl_divergence(mean, log_variance)[0]
    torch.testing.assert_close(found.kl.sum(), kl)
    assert found.reconstruction == pytest.approx(measured["reconstruction"].item(), rel=0.02)


def test_a_gans_own_picture_is_found_and_noise_is_not():
    model = genmodels.load("gan-mnist")
    own = model.sample(1, seed=5)[0]
    noise = torch.rand(own.shape, generator=torch.Generator().manual_seed(1))
    found = list(inversion.invert(model, own, 60, seed=0))
    errors = [step.error for step in found]
    assert [step.step for step in found] == list(range(0, 61, 5))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 20
    assert errors[-1] < 0.05 * list(inversion.invert(model, noise, 60, seed=0))[-1].error
    with torch.inference_mode():
        torch.testing.assert_close(model.decode(found[-1].latent[None])[0], found[-1].image)
    error = (found[-1].image - own).square().mean().item()
    assert error == pytest.approx(errors[-1])


def test_a_search_repeats_and_leaves_the_model_as_it_is():
    model = genmodels.load("gan-mnist")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    image = torch.zeros(1, 28, 28)
    first, again = (list(inversion.invert(model, image, 7, seed=3)) for _ in range(2))
    assert [step.step for step in first] == [0, 5, 7]
    assert torch.equal(first[-1].latent, again[-1].latent)
    assert not model.training
    for name, parameter in model.named_parameters():
        assert parameter.grad is None
        assert parameter.requires_grad
        assert torch.equal(parameter, before[name])


# Figures


def test_the_first_number_of_a_posterior_is_number_one():
    assert list(figures.posterior([0.5, -1.0], [1.0, 0.1]).to_dict()["data"][0]["x"]) == [1, 2]


def test_names_of_classes_in_a_figure_are_no_html():
    figure = figures.plane(np.zeros((3, 2)), [0, 1, 7], ["<b>cat</b>", *"bcdefgh"], ("yours", 1, 2))
    names = [trace["name"] for trace in figure.to_dict()["data"]]
    assert names == ["&lt;b&gt;cat&lt;/b&gt;", "b", "h", "yours"]
    markers = [(t["marker"]["color"], t["marker"]["symbol"]) for t in figure.to_dict()["data"]]
    assert len(set(markers)) == 4


# The page


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    return AppTest.from_file(str(Path(navigation.__file__)), default_timeout=180).run()


def visit(app: AppTest, **parameters: str) -> AppTest:
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(str(shell.page("picture"))).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.error, *app.info]
    return "\n".join(str(element.value) for element in elements).replace("\\", "")


def test_an_empty_canvas_asks_for_a_digit(app):
    visit(app, model="vae-mnist")
    assert app.segmented_control(key="source").options == ["Draw", "Upload", "Test image"]
    assert "Draw a digit first" in texts(app)
    assert not app.error


def test_a_drawing_goes_through_a_vae_and_can_be_kept(app):
    app.session_state["drawing strokes"] = SEVEN
    visit(app, model="vae-mnist")
    assert not app.error
    assert "−ELBO" in texts(app)
    assert "**7** (" in texts(app)  # Of the nearest latents.
    app.button(key="keep-b").click().run()
    assert app.session_state["b_from"] == "Kept"
    kept = geometry.Kept.read(app.session_state["b_latent"])
    assert kept.run_id == "vae-mnist"
    model = genmodels.load("vae-mnist")
    image = torch.from_numpy(single_picture.like_mnist(single_picture.drawn(SEVEN)))
    torch.testing.assert_close(kept.z, model.encode(image[None])[0][0], atol=0.01, rtol=0.01)


def test_a_search_is_made_shown_and_kept_for_its_picture_and_seed(app):
    app.session_state["drawing strokes"] = SEVEN
    visit(app, model="gan-mnist", steps="20")
    assert "A GAN has no encoder" in texts(app)
    assert "Of 500 generated pictures" in texts(app)
    assert "real test images **" not in texts(app)  # There is no data set here.
    next(button for button in app.button if button.label == "Search").click().run()
    wait_for_work(app)
    assert not app.exception
    assert "Mean squared error" in texts(app)
    search = list(work._tasks.values())[-1].key
    assert [step.step for step in search.found] == [0, 5, 10, 15, 20]
    app.number_input(key="seed").set_value(1).run()
    assert "Mean squared error" not in texts(app)


def test_the_discriminators_opinion_of_real_images(app, monkeypatch, tmp_path):
    write_mnist(tmp_path / "digits", train=20, val=60)
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "digits"))
    visit(app, model="gan-mnist", source="Test image", image="59")
    assert not app.error
    assert "of 60 real test images **" in texts(app)
    assert app.number_input(key="image").value == 59


@pytest.mark.parametrize("number", ["-1", "999", "nonsense"])
def test_a_number_that_there_is_not_becomes_one_that_is(app, monkeypatch, tmp_path, number):
    write_mnist(tmp_path / "digits", train=20, val=60)
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "digits"))
    visit(app, model="vae-mnist", source="Test image", image=number)
    assert not app.error
    assert "−ELBO" in texts(app)


def test_an_unknown_source_and_a_missing_data_set_are_no_faults(app):
    visit(app, model="vae-imagenette", source="Draw")
    assert app.segmented_control(key="source").value == "Upload"
    assert "Choose a picture first" in texts(app)
    app.segmented_control(key="source").set_value("Test image").run()
    assert not app.exception
    assert app.button(key="download-imagenette")


def test_a_nonsense_drawing_is_a_sentence(app):
    app.session_state["drawing strokes"] = [[["x", 1]]]
    visit(app, model="vae-mnist")
    assert "no drawing" in app.error[0].value


def test_a_grey_upload_suits_a_model_of_colours_and_a_paper_does_not(app):
    visit(app, model="vae-imagenette")
    picture = png(Image.linear_gradient("L"), "JPEG")
    app.file_uploader(key="upload").set_value(("grey.jpg", picture, "image/jpeg")).run()
    assert not app.exception
    assert "−ELBO" in texts(app)
    paper = ("paper.png", b"%PDF-1.7", "image/png")
    app.file_uploader(key="upload").set_value(paper).run()
    assert "PDF files can't be read" in app.error[0].value


def test_models_of_own_pictures_take_uploads_as_their_training_did(app, monkeypatch, make_run):
    run = make_run("cats", "vae-mnist", pictures="cats-12345678")
    assert weights.load_run(run)
    visit(app, model="cats", source="Upload")
    half = Image.new("L", (56, 56))
    half.paste(255, (0, 0, 28, 56))
    app.file_uploader(key="upload").set_value(("half.png", png(half), "image/png")).run()
    assert not app.exception
    assert "−ELBO" in texts(app)
    app.segmented_control(key="source").set_value("Test image").run()
    assert "it was deleted, or made elsewhere" in texts(app)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_held_out_pictures_are_no_fault(app, count):
    folder = paths.runs() / "few"
    shutil.copytree(paths.CHECKPOINTS / "vae-mnist", folder)
    latents = json.loads((folder / "latents.json").read_text())
    for name in ("posterior_means", "labels", "images"):
        latents[name] = latents[name][:count]
    runs.write_json(folder / "latents.json", latents)
    app.session_state["drawing strokes"] = SEVEN
    visit(app, model="few")
    assert ("too few held-out pictures" in texts(app)) == (count < 3)
    assert "−ELBO" in texts(app)


# The canvas in a real browser

SCRIPT = """
import streamlit as st

from genmodels.ui import routes
from genmodels.ui.widgets.drawing import drawing

app = st.App(__file__, routes=routes.ROUTES)

if __name__ == "__main__" and st.toggle("Canvas", True):
    strokes = drawing(label="Draw a digit", size=280, pen=24, key="digit")
    st.text(f"strokes {[len(points) > 1 for points in strokes]}")
"""


def test_one_draws_undoes_and_clears_with_mouse_and_keyboard(page, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    quiet = "--browser.gatherUsageStats=false"
    with serving(tmp_path, tmp_path / "script.py", {}, quiet) as address:
        open_page(page, address, ".genmodels-canvas")
        undo = page.get_by_role("button", name="Undo")
        assert undo.is_disabled()
        box = page.locator(".genmodels-canvas").bounding_box()

        def stroke(*points: tuple[float, float]) -> None:
            places = [
                (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points
            ]
            page.mouse.move(*places[0])
            page.mouse.down()
            for place in places[1:]:
                page.mouse.move(*place, steps=5)
            page.mouse.up()

        def bright(x: float, y: float) -> bool:
            get = "([node, x, y]) => node.getContext('2d').getImageData(x, y, 1, 1).data[0] > 127"
            node = page.locator(".genmodels-canvas").element_handle()
            return page.evaluate(get, [node, x * 280, y * 280])

        stroke((0.3, 0.3), (0.7, 0.3))
        stroke((0.5, 0.7))
        page.wait_for_selector("text=strokes [True, False]")
        assert bright(0.5, 0.3)
        assert bright(0.5, 0.7)
        page.get_by_role("img", name="Draw a digit: 2 strokes").wait_for()
        undo.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("text=strokes [True]")
        assert not bright(0.5, 0.7)
        # Away and back: the drawing is still there.
        page.get_by_text("Canvas").click()
        page.wait_for_selector(".genmodels-canvas", state="detached")
        page.get_by_text("Canvas").click()
        page.get_by_role("img", name="Draw a digit: 1 stroke").wait_for()
        assert bright(0.5, 0.3)
        page.get_by_role("button", name="Clear").focus()
        page.keyboard.press("Space")
        page.wait_for_selector("text=strokes []")
        assert not bright(0.5, 0.3)
        assert not page.traffic.trouble


def test_an_upload_is_seen_at_once_and_a_refused_one_says_why(page, tmp_path):
    from playwright.sync_api import expect

    sevens = [png(Image.new("RGB", (280, 280), "white"))]
    for turn in (0, 90):
        ink = Image.fromarray((255 * (1 - single_picture.drawn(SEVEN))).astype(np.uint8))
        sevens.append(png(ink.rotate(turn)))
    empty, first, second = [
        {"name": f"{number}.png", "mimeType": "image/png", "buffer": content}
        for number, content in enumerate(sevens)
    ]
    large = {"name": "large.bmp", "mimeType": "image/bmp", "buffer": bytes(21 * single_picture.MB)}
    places = {name: str(tmp_path / name) for name in ("runs", "data", "cache")}
    with serving(tmp_path, paths.REPOSITORY / "app.py", places) as address:
        open_page(
            page, f"{address}/picture?model=vae-mnist&source=Upload", "[data-testid=stFileUploader]"
        )
        uploader, busy = page.locator("input[type=file]"), page.locator("html[data-upload]")
        result = page.locator(":is(.st-key-result, .st-key-result-empty) > *").first
        error = page.get_by_text("Mean squared error")
        refused = page.locator(".genmodels-refused")
        uploader.set_input_files(first)
        expect(error).to_be_visible(timeout=60_000)
        expect(busy).to_have_count(0, timeout=60_000)
        shown = error.inner_text()
        # The result before is dimmed at once: the upload is held up until it was looked at.
        waiting = []
        page.route("**/_stcore/upload_file/**", lambda route: waiting.append(route))  # noqa: PLW0108
        settled(page)
        uploader.set_input_files(second)
        expect(result).to_have_css("opacity", "0.25")
        words = "result => getComputedStyle(result, '::before').content"
        place = page.locator(".st-key-result, .st-key-result-empty").first
        while "Working on your" not in place.evaluate(words):
            page.wait_for_timeout(50)
        while not waiting:
            page.wait_for_timeout(50)
        waiting.pop().continue_()
        expect(error).not_to_have_text(shown, timeout=60_000)
        expect(busy).to_have_count(0, timeout=60_000)
        expect(result).to_have_css("opacity", "1")
        assert page.traffic.trouble == []

        # A line that breaks, a server in between, the app's own refusal.
        answers = {
            "The connection broke during the upload": lambda route: route.abort(),
            "The server refuses files of this size": lambda route: route.fulfill(
                status=413, content_type="text/html", body="<h1>413</h1>"
            ),
            "This file has 300 MB, and 20 MB are": lambda route: route.fulfill(
                status=413, content_type="text/plain", body="This file has 300 MB, and 20 MB are."
            ),
            "refused the upload (status 502)": lambda route: route.fulfill(status=502, body=""),
        }
        for sentence, answer in answers.items():
            page.unroute("**/_stcore/upload_file/**")
            page.route("**/_stcore/upload_file/**", answer)
            uploader.set_input_files(first)
            expect(refused).to_contain_text(sentence)
            expect(refused).to_contain_text("1.png: ")
            expect(page.get_by_text("AxiosError")).to_have_count(0)
            expect(busy).to_have_count(0, timeout=60_000)
            page.get_by_role("button", name="Remove 1.png").click()
            expect(refused).to_have_count(0)
        page.unroute("**/_stcore/upload_file/**")
        uploader.set_input_files(large)
        expect(refused).to_have_text("large.bmp: File must be 20.0MB or smaller.")
        expect(busy).to_have_count(0, timeout=60_000)
        page.get_by_role("button", name="Remove large.bmp").click()
        uploader.set_input_files(empty)
        expect(page.get_by_text("No drawing was found in this picture")).to_be_visible()


def test_a_press_on_search_is_kept_when_the_page_begins_again_before_it_comes_so_far(
    app, monkeypatch
):
    app.session_state["drawing strokes"] = SEVEN
    visit(app, model="gan-mnist", steps="20")

    def interrupted(*_):
        raise shell.PageEnd

    before = list(work._tasks.values())

    with monkeypatch.context() as patch:
        patch.setattr(picture_view, "show_inversion", interrupted)
        next(button for button in app.button if button.label == "Search").click().run()
    assert list(work._tasks.values()) == before
    app.run()
    wait_for_work(app)
    assert "Mean squared error" in texts(app)
    (task,) = [task for task in work._tasks.values() if task not in before]
    app.run()
    assert work._tasks[task.owner, "inversion"] is task
