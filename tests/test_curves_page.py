"""Learning curves: what is chosen, compared and saved, in a real browser and without one."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import open_page, serving
from PIL import Image
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from genmodels import figures, folders, pictures, runs
from genmodels.ui import curves_view, navigation, settings_view, shell

MOMENTS = 201
DRAWN = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    .data.some((value, index) => index % 4 < 3 && value > 0)"""


@pytest.fixture
def server(tmp_path, make_run) -> Iterator[str]:
    """The app with a run of many stored samples."""
    run = make_run("long")
    sheet = pictures.webp(Image.new("L", (224, 224), 90))
    (run.path / "samples").mkdir(exist_ok=True)
    for epoch in range(MOMENTS):
        (run.path / "samples" / f"{epoch * 100:09d}.webp").write_bytes(sheet)
    lines = [line(epoch, 100.0 / (1 + epoch)) for epoch in range(MOMENTS)]
    runs.append_metrics(run.path, lines)
    places = {"runs": str(run.path.parent), "data": "nowhere", "cache": str(tmp_path / "cache")}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as address:
        yield address


def line(epoch: int, loss: float) -> dict:
    return {"epoch": epoch, "split": "val", "images_seen": epoch * 100, "loss": loss}


def test_curves_are_chosen_saved_and_scrubbed(page, server):
    page.set_viewport_size({"width": 1280, "height": 800})
    # Its loss goes below 0: what a link asks for is refused with a reason, and the chart stays.
    open_page(page, f"{server}/curves?runs=vae-mnist-plus&log=true", ".main-svg")
    expect(page.get_by_text("A logarithmic axis shows values above 0 only")).to_be_visible()
    expect(page.get_by_role("switch", name="Logarithmic")).to_be_disabled()
    assert "M" in (page.locator(".scatterlayer path.js-line").first.get_attribute("d") or "")

    # Side by side it says in what they differ, and the chart is saved under what it shows.
    open_page(page, f"{server}/curves?runs=vae-mnist&runs=long&log=true", ".main-svg")
    expect(page.get_by_text("What differs")).to_be_visible()
    # The one that ended long before the other shows its last pictures.
    for number in (0, 1):
        canvas = page.locator(".genmodels-sample canvas").nth(number)
        for _ in range(100):
            if canvas.evaluate(DRAWN):
                break
            page.wait_for_timeout(100)
        assert canvas.evaluate(DRAWN), number
    for ending, begin in (("svg", b"<svg"), ("png", b"\x89PNG")):
        button = page.get_by_role("button", name=f"Save the chart as {ending.upper()}")
        with page.expect_download() as saved:
            button.click()
        assert saved.value.suggested_filename == f"vae-mnist-long-loss-log.{ending}"
        assert Path(saved.value.path()).read_bytes().startswith(begin)
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert saved.value.suggested_filename == "vae-mnist-long-curves.csv"

    # Of two hundred stored pictures those around the slider are loaded, wherever it goes.
    page.traffic.requests.clear()
    open_page(page, f"{server}/curves?runs=long", ".main-svg")
    slider = page.locator("input[type=range]").last
    canvas = page.locator(".genmodels-sample canvas")
    slider.scroll_into_view_if_needed()
    for key, seen in (("ArrowLeft", 19_900), ("Home", 0)):
        slider.press(key)
        expect(canvas).to_have_attribute("data-images-seen", str(seen))
        page.wait_for_load_state("networkidle")
    loaded = {url for url in page.traffic.requests if "/samples/" in url}
    assert any("/samples/0.webp" in url for url in loaded)
    assert 20 <= len(loaded) <= 60
    assert page.traffic.trouble == []


def test_a_page_without_curves_ends_with_its_lesson_link(monkeypatch, tmp_path):
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    app = AppTest.from_file(navigation.__file__, default_timeout=60).run()
    app.query_params["runs"] = ""
    for shipped in (True, False):
        if not shipped:
            monkeypatch.setattr(folders, "CHECKPOINTS", tmp_path / "none")
        app.switch_page(str(shell.page("curves"))).run()
        assert not app.exception and len(app.info) == 1
        assert app.button(key="lesson-link").label == "Lesson link"


@pytest.mark.parametrize(("low", "refused"), [(0.5, False), (0.0, True), (-3.0, True)])
def test_only_values_above_zero_have_a_logarithmic_axis(make_run, low, refused):
    good, other = make_run("good"), make_run("other")
    curves = [(good, [line(0, 2.0), line(1, 1.0)]), (other, [line(0, 2.0), line(1, low)])]
    reason = figures.not_logarithmic(curves, "loss")
    assert bool(reason) == refused
    assert not refused or (other.title in reason and f"{low:g}" in reason)
    assert figures.not_logarithmic(curves, "not measured") == ""


def test_the_table_of_curves_has_the_settings_and_no_formulas(make_run):
    gan = make_run("mine", "gan-mnist", epochs=3)
    runs.change_info(gan.path, title="=1+1")
    vae = make_run("other", kl_weight=2.0)
    shown = [(runs.find("mine"), [{"epoch": 0, "split": "val"}]), (vae, [line(1, 7.5)])]
    first, second = csv.DictReader(io.StringIO(curves_view.csv(shown).decode()))
    assert (first["run"], first["title"], first["setting_epochs"]) == ("mine", "'=1+1", "3")
    assert (first["setting_loss"], first["loss"]) == ("cross-entropy", "")
    assert (second["setting_kl_weight"], second["loss"]) == ("2.0", "7.5")
    counts = [first["setting_discriminator_parameters"], first["setting_encoder_parameters"]]
    assert [*counts, second["setting_encoder_parameters"]] == ["100609", "", "541472"]
    shown_counts = {row["Setting"]: row for row in settings_view.table([gan, vae], False)}
    assert shown_counts["Discriminator parameters"] == {
        "Setting": "Discriminator parameters",
        "mine": "100,609",
        "other": "–",
    }


def test_a_single_line_says_whose_it_is(make_run):
    figure = figures.learning_curves([(make_run("mine"), [line(0, 2.0)])], "loss")
    [trace] = figure.to_dict()["data"]
    assert trace["name"] == f"{runs.find('mine').title}, val"
    assert trace["showlegend"]


def test_runs_without_the_chosen_quantity_are_named(make_run, monkeypatch, tmp_path):
    """A new run has no curves at all; it is still beside another one."""
    for name in ("DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    named = []
    monkeypatch.setattr(curves_view, "curves_widget", lambda **shown: named.append(shown["name"]))
    app = AppTest.from_file(navigation.__file__, default_timeout=60).run()

    def said() -> bool:
        return any("not measured for VAE" in caption.value for caption in app.caption)

    app.query_params["runs"] = ["vae-mnist", "gan-mnist"]
    app.query_params["quantity"] = "generator_loss"
    app.switch_page(str(shell.page("curves"))).run()
    assert said() and named[-1] == "gan-mnist-generator_loss"
    app.selectbox(key="quantity").set_value("kl").run()
    assert not said() and named[-1] == "vae-mnist-kl"
    make_run("new")
    app.query_params["models"] = ["vae-mnist", "new"]
    app.query_params["view"] = "Epochs"
    app.switch_page(str(shell.page("together"))).run()
    assert not app.exception and said() and named[-1].startswith("vae-mnist-")
    app.multiselect(key="models").set_value(["new", "gan-mnist"]).run()
    assert not app.exception and named[-1].startswith("gan-mnist-")


def test_a_name_of_many_runs_is_one_that_file_systems_take():
    name = curves_view.file_name(*(f"run-{number}" + "x" * 60 for number in range(6)))
    assert len(name) < 120 and name.startswith("run-0")
    assert curves_view.file_name("a", "D(x)/loss") == "a-D-x-loss"
