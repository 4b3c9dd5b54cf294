"""Every page through Streamlit's own test runner, on the shipped checkpoints."""

import errno
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from conftest import write_mnist
from streamlit.testing.v1 import AppTest
from test_own_pictures import many, zipped

from benchmarks.fid import random_weights
from genmodels import evaluation, jobs, paths, recipes, runs
from genmodels.data import datasets, formats, own_pictures
from genmodels.errors import GenmodelsError
from genmodels.jobs import limits
from genmodels.latents import geometry
from genmodels.models import weights
from genmodels.ui import evaluation_view, figures, navigation, shared, shell, work
from genmodels.ui.widgets import grid

APP = Path(navigation.__file__)
PAGES = [name for _, name, *_ in navigation.PAGES]
SHIPPED = (
    "gan-imagenette",
    "gan-imagenette-plus",
    "gan-mnist",
    "gan-mnist-plus",
    "vae-imagenette",
    "vae-imagenette-plus",
    "vae-mnist",
    "vae-mnist-2d",
    "vae-mnist-plus",
)


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    """The app on the shipped runs alone, with no data set and training switched off."""
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    monkeypatch.delenv("GENMODELS_TRAINING", raising=False)
    limits._wrong.clear()
    return AppTest.from_file(str(APP), default_timeout=60).run()


def open_page(app: AppTest, page: str) -> AppTest:
    app.switch_page(str(shell.page(page))).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    elements = [*app.markdown, *app.caption, *app.error, *app.warning, *app.info, *app.success]
    return "\n".join(str(element.value) for element in elements)


def wait_for_work(app: AppTest) -> None:
    """Until all that pages have started is over, and shown."""
    for task in list(work._tasks.values()):
        assert task.over.wait(180)
    app.run()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_and_says_what_it_is(app, page):
    open_page(app, page)
    assert app.header[0].value
    assert len(app.markdown[0].value) > 40
    assert not app.error


@pytest.mark.parametrize("page", ["sample", "interpolate", "evaluate"])
@pytest.mark.parametrize("run", SHIPPED)
def test_every_shipped_run_works_on_every_page(app, page, run):
    app.query_params["model"] = run
    open_page(app, page)
    assert not app.error
    assert app.selectbox(key="model").value == run


def test_the_home_page_has_a_card_for_each_shipped_run_and_hides_the_classifiers(app):
    cards = {heading.value for heading in app.subheader}
    assert {runs.find(name).title for name in SHIPPED} <= cards
    assert not any("lassifier" in card for card in cards)


def test_the_home_page_does_not_import_torch():
    code = (
        "from streamlit.testing.v1 import AppTest; import sys; "
        f"app = AppTest.from_file({str(APP)!r}, default_timeout=60).run(); "
        "assert app.subheader and not app.exception; print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=paths.REPOSITORY)
    assert done.stdout.split()[-1] == "False"


def test_reconstruct_without_the_data_set_shows_the_models_own_samples(app):
    open_page(app, "reconstruct")
    assert "own samples" in texts(app)
    assert app.button(key="download-mnist").label == "Download MNIST"


def test_training_is_off_unless_it_is_switched_on(app):
    open_page(app, "train")
    assert "switched off" in texts(app)
    assert next(button for button in app.button if button.label == "Start training").disabled


def test_an_impossible_setting_is_refused_beside_its_field(app, monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    open_page(app, "train")
    app.number_input(key="vae-mnist-batch_size").set_value(0).run()
    assert "whole number from 1 to 4,096" in app.error[0].value.replace("\\", "")
    start = next(button for button in app.button if button.label == "Start training")
    assert start.disabled


@pytest.mark.parametrize(
    ("recipe", "changes", "words"),
    [
        ("vae-mnist-plus", {"batch_size": 4096, "feature_maps": 512}, "GB of memory, and"),
        ("vae-mnist", {"train_limit": 65, "encoder_norm": "batch"}, "holds one image"),
    ],
)
def test_a_training_that_cannot_end_well_is_refused_in_the_form(
    app, monkeypatch, recipe, changes, words
):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    app.query_params["recipe"] = recipe
    for field, value in changes.items():
        app.query_params[f"{recipe}-{field}"] = str(value)
    open_page(app, "train")
    assert words in app.error[0].value.replace("\\", "")
    start = next(button for button in app.button if button.label == "Start training")
    assert start.disabled and "see above" in start.help
    app.selectbox(key="recipe").set_value("gan-mnist").run()
    start = next(button for button in app.button if button.label == "Start training")
    assert not start.disabled and not app.error


def test_a_wrong_passcode_opens_nothing(app, monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "passcode")
    monkeypatch.setenv("GENMODELS_PASSCODE", "four words are better")
    open_page(app, "train")
    app.text_input(key="class-passcode").set_value("four").run()
    start = next(button for button in app.button if button.label == "Start training")
    assert "Wrong passcode" in texts(app)
    assert start.disabled
    app.text_input(key="class-passcode").set_value("four words are better").run()
    start = next(button for button in app.button if button.label == "Start training")
    assert not start.disabled


def test_what_may_not_be_resumed_is_said_in_place_and_the_other_buttons_stay(app, monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    run = jobs.submit("vae-mnist", recipes.named("vae-mnist"))
    jobs.stop(run)
    open_page(app, "train")
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "0")
    next(button for button in app.button if button.label == "Resume").click().run()
    assert not app.exception
    assert "The queue is full" in app.error[0].value
    assert "Duplicate with changes" in [button.label for button in app.button]


@pytest.mark.parametrize(
    ("error", "words"),
    [(GenmodelsError("a mistake."), "A mistake"), (ValueError("x"), "our fault")],
)
def test_in_a_fragment_too_a_mistake_is_no_fault(monkeypatch, error, words):
    said = []
    monkeypatch.setattr(shell.st, "error", lambda text, icon: said.append(text))
    assert shell.on_fault(error)
    assert words in said[0]


def test_a_word_for_training_that_means_nothing_is_said(app, monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "yes")
    open_page(app, "train")
    assert "off, open or passcode" in app.error[0].value.replace("\\", "")


def test_fid_is_not_computed_rather_than_invented(app):
    open_page(app, "evaluate")
    assert [metric.value for metric in app.metric if metric.label == "FID"] == ["not computed yet"]


def test_fid_is_computed_on_the_page_into_the_cache(app, monkeypatch, tmp_path):
    random_weights(tmp_path / "random.pth")
    monkeypatch.setenv("GENMODELS_INCEPTION", str(tmp_path / "random.pth"))
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    write_mnist(paths.data(), train=12, val=12)
    open_page(app, "evaluate")
    app.number_input(key="samples").set_value(12)
    app.segmented_control(key="features").set_value("inception").run()
    compute = next(button for button in app.button if button.label == "Compute")
    compute.click().run(timeout=120)
    open_page(app, "home")  # The work goes on meanwhile.
    wait_for_work(open_page(app, "evaluate"))
    assert not app.exception and not app.error
    assert "is measured" in texts(app)
    [fid] = [metric for metric in app.metric if metric.label == "FID"]
    assert float(fid.value) > 0
    assert (
        not (paths.CHECKPOINTS / "vae-mnist" / "evaluation.json").stat().st_mtime
        > (tmp_path / "random.pth").stat().st_mtime
    )
    assert list((paths.cache() / "evaluation").glob("*.json"))


@pytest.fixture
def measuring(app, monkeypatch) -> AppTest:
    """The page that measures, switched on, with a data set of a few digits."""
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    write_mnist(paths.data(), train=20, val=12)
    app.query_params["samples"] = "20"
    app.query_params["model"] = "vae-mnist"
    return open_page(app, "evaluate")


def compute(app: AppTest):
    return next(button for button in app.button if button.label == "Compute")


def test_the_page_that_measures_opens_with_our_classifier_and_tells_the_time(measuring):
    assert measuring.segmented_control(key="features").value == "classifier"
    quick = re.search(r"Takes roughly \*\*(.+)\*\* on two free CPU cores", texts(measuring))
    assert quick
    measuring.segmented_control(key="features").set_value("inception").run()
    slow = re.search(r"Takes roughly \*\*(.+)\*\* on two free CPU cores", texts(measuring))
    assert slow and slow[1] != quick[1]
    measuring.selectbox(key="model").set_value("gan-mnist").run()
    assert set(measuring.dataframe[0].value["run"].head(3)) == {"gan-mnist"}


def test_what_was_measured_is_kept_at_hand_where_it_cannot_be_stored(measuring, monkeypatch):
    def full(entries):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(evaluation, "save_to_cache", full)
    compute(measuring).click().run()
    wait_for_work(measuring)
    assert "could not be stored (No space left on device)" in texts(measuring).replace("\\", "")
    assert set(measuring.dataframe[0].value["samples"]) == {20}
    assert any(button.label == "These values as CSV" for button in measuring.get("download_button"))


def test_a_place_that_cannot_be_written_is_told_before_measuring(measuring, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENMODELS_CACHE", str(tmp_path / "file"))
    compute(measuring).click().run()
    wait_for_work(measuring)
    assert "cannot be written" in measuring.error[0].value.replace("\\", "")
    assert list(work._tasks.values())[-1].progress is None
    assert len(measuring.dataframe)  # The rest of the page is there.


def test_too_few_pictures_are_told_before_the_button_is_pressed(app, monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    images = {"images": 18, "fingerprint": ""}
    runs.change_info(own_run(), data={"train": images, "val": images | {"images": 2}})
    app.query_params["model"] = "mine"
    open_page(app, "evaluate")
    assert compute(app).disabled
    assert "it has 18 and 2" in texts(app)


@pytest.mark.parametrize("where", ["run", "cache"])
def test_a_damaged_measurement_spoils_no_other_and_not_the_page(app, where, monkeypatch):
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    path = own_run() / "evaluation.json"
    if where == "cache":
        path.unlink()
        path = paths.cache() / "evaluation" / f"{runs.fingerprint(runs.find('mine'))}.json"
        path.parent.mkdir(parents=True)
    path.write_text("[{")
    app.query_params["model"] = "gan-mnist"
    open_page(app, "evaluate")
    assert not app.error
    frame = app.dataframe[0].value
    assert "is damaged" in " ".join(frame[frame["run"] == "mine"]["note"])
    assert frame[frame["run"] == "gan-mnist"]["value"].notna().any()
    app.selectbox(key="model").set_value("mine").run()
    assert "is damaged" in app.error[0].value
    assert compute(app) and len(app.dataframe)


def test_measurements_say_in_a_file_what_they_are(app):
    frame = evaluation_view.table([runs.find("vae-mnist")])
    line = frame[(frame["run"] == "vae-mnist") & frame["value"].notna()].iloc[0]
    assert (line["samples"], line["seed"]) == (10_000, 0)
    assert line["features"] == "classifier-mnist"
    assert line["real"] == "mnist val"


def test_a_distance_is_drawn_against_the_number_of_samples(app):
    app.query_params["view"] = "Why the number of samples matters"
    open_page(app, "evaluate")
    charts = app.get("plotly_chart")
    assert len(charts) == 2
    traces = json.loads(charts[0].proto.spec)["data"]
    assert [trace["name"] for trace in traces] == ["samples", "real training images"]
    # Fewer samples, a larger distance of the same model.
    figure = figures.by_count(
        next(
            entry
            for entry in evaluation.results(runs.find("vae-mnist"))
            if entry["metric"] == "frechet"
        )
    )
    values = figure.to_dict()["data"][0]["y"]
    assert values[0] > values[2] > values[-1]
    app.selectbox(key="model").set_value("gan-mnist").run()
    assert not app.exception


def test_a_run_without_measurements_says_how_to_get_some(app):
    shutil.copytree(paths.CHECKPOINTS / "vae-mnist", paths.runs() / "mine")
    (paths.runs() / "mine" / "evaluation.json").unlink()
    app.query_params["view"] = "Why the number of samples matters"
    app.query_params["model"] = "mine"
    open_page(app, "evaluate")
    assert "press Compute" in texts(app)


@pytest.mark.parametrize("by", ["Pixels", "Features"])
def test_samples_stand_beside_their_nearest_training_images(app, by):
    write_mnist(paths.data(), train=60, val=30)
    app.query_params["view"] = "Nearest training images"
    app.query_params["by"] = by
    wait_for_work(open_page(app, "evaluate"))
    assert not app.error
    assert len(app.image) == 10
    assert "Median distance" in texts(app)
    assert f"image ({by.lower()})" in app.get("plotly_chart")[0].proto.spec


def test_without_training_images_there_is_a_button_to_download_them(app):
    app.query_params["view"] = "Nearest training images"
    open_page(app, "evaluate")
    assert "repeats its training images" in texts(app)
    assert app.button(key="download-mnist").label == "Download MNIST"


def test_a_download_goes_on_wherever_one_is_and_is_offered_once(app, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()

    def load(dataset, split, folder, progress):
        begun.set()
        while not let_go.wait(0.01):
            progress("Downloading MNIST (MB)", 3, 11)
        write_mnist(folder, train=12, val=12)

    app.query_params["a_from"] = app.query_params["b_from"] = "Test image"
    open_page(app, "interpolate")
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "load", load)
        app.button(key="download-mnist").click().run()
        assert begun.wait(60)
        open_page(app, "reconstruct")  # Which would have ended it.
        assert any(button.label == "Stop" for button in app.button)
        let_go.set()
        wait_for_work(app)
    app.run()
    assert datasets.available("mnist") and "which the model never saw" in texts(app)


def own_run(name: str = "mine") -> Path:
    """A copy of a shipped run among the user's own."""
    folder = paths.runs() / name
    shutil.copytree(paths.CHECKPOINTS / "vae-mnist", folder)
    return folder


def not_json(folder: Path) -> None:
    (folder / "recipe.json").write_text("{")


def unknown_format(folder: Path) -> None:
    info = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**info, "format": 99}))


def half_written(folder: Path) -> None:
    (folder / "recipe.json").write_text('{"format": 1}')


def no_status(folder: Path) -> None:
    (folder / "status.json").write_text("[]")


def no_metrics(folder: Path) -> None:
    (folder / "metrics.jsonl").write_text("what\n")


@pytest.mark.parametrize("spoil", [not_json, unknown_format, half_written, no_status, no_metrics])
@pytest.mark.parametrize("page", ["home", "sample", "curves", "evaluate", "train"])
def test_a_damaged_run_is_said_and_spoils_no_other(app, page, spoil):
    spoil(own_run("mine"))
    open_page(app, page)
    if page == "home":
        assert "mine" in texts(app)
        assert len([heading for heading in app.subheader if "on" in heading.value]) >= len(SHIPPED)
    if page == "train":
        assert "mine" in texts(app)
    assert not app.exception
    assert [error.value for error in app.error if "mine" not in error.value] == []


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def pickled(path: Path) -> None:
    path.write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.")


@pytest.mark.parametrize("spoil", [truncated, pickled])
def test_damaged_weights_are_said_in_place(app, spoil):
    spoil(own_run() / "decoder.safetensors")
    app.query_params["model"] = "mine"
    open_page(app, "sample")
    assert "mine" in app.error[0].value
    app.selectbox(key="model").set_value("vae-mnist").run()
    assert not app.error


@pytest.mark.parametrize("model", ["../../etc", "no-such-run", "<b>x</b>", "x" * 5000])
def test_nonsense_in_the_address_falls_back_to_a_model(app, model):
    app.query_params["model"] = model
    open_page(app, "sample")
    assert app.selectbox(key="model").value in SHIPPED


@pytest.mark.parametrize("page", ["sample", "interpolate", "map", "evaluate", "picture"])
def test_a_model_that_is_not_here_is_said_until_another_is_chosen(app, page):
    app.query_params["model"] = "mine"
    open_page(app, page)

    def said() -> bool:
        return any("mine isn't here" in warning.value for warning in app.warning)

    assert said()
    app.run()
    assert said()
    app.selectbox(key="model").set_value("gan-mnist").run()
    assert not said()
    # Deleted while it was chosen; and on another page it is over.
    folder = own_run()
    app.run()
    app.selectbox(key="model").set_value("mine").run()
    assert not said()
    shutil.rmtree(folder)
    app.run()
    assert said()
    open_page(app, "dimensions")
    assert not said()


@pytest.mark.parametrize(
    ("page", "query", "words"),
    [
        ("together", {"models": ["vae-mnist", "gone", "gan-mnist"]}, "gone"),
        ("curves", {"runs": ["gone", "vae-mnist"]}, "gone"),
        ("sample", {"model": "vae-mnist-plus", "class": "eleven"}, "no class eleven"),
        ("interpolate", {"a_class": "eleven"}, "no class eleven"),
        ("interpolate", {"model": "gan-mnist", "a_from": "Class mean"}, "no Class mean for A"),
        ("arithmetic", {"model": "gan-mnist", "c_from": "Test image"}, "no Test image for C"),
    ],
)
def test_what_a_link_asks_for_and_there_is_not_is_said(app, page, query, words):
    for name, value in query.items():
        app.query_params[name] = value
    open_page(app, page)
    assert len(app.warning) == 1 and words in app.warning[0].value
    app.run()
    assert len(app.warning) == 1


def test_a_title_is_shown_as_text(app):
    folder = own_run()
    info = json.loads((folder / "recipe.json").read_text())
    runs.write_json(folder / "recipe.json", {**info, "title": "**x** <img src=a> $y$ :smile:"})
    open_page(app, "home")
    title = next(heading.value for heading in app.subheader if "img" in heading.value)
    assert title == r"\*\*x\*\* \<img src\=a\> \$y\$ \:smile\:".replace(r"\=", "=")


@pytest.mark.parametrize("recipe_name", ["vae-mnist", "gan-mnist"])
def test_a_class_is_offered_where_the_model_draws_latents_of_classes(
    recipe_name, make_run, monkeypatch
):
    run = make_run("classes", recipe_name, prior="classes")
    monkeypatch.setattr(grid, "picture_grid", lambda **shown: seen.append(shown) and None)
    seen: list[dict] = []
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.query_params["model"] = run.id
    open_page(app, "sample")
    assert app.selectbox(key="class").options == list("0123456789")
    app.selectbox(key="class").set_value("7").run()
    expected = shared.as_pictures(weights.load_run(run).sample(64, seed=0, label=7))
    assert seen[-1]["sprite"].tobytes() == formats.sprite(expected).tobytes()
    open_page(app, "interpolate")
    # A VAE's are those of its posteriors, of which a run that never trained stores none.
    ways = app.segmented_control(key="b_from").options
    assert ("Class mean" in ways) == (recipe_name == "gan-mnist")
    app.segmented_control(key="a_from").set_value("Random").run()
    app.selectbox(key="a_label").set_value("3").run()
    assert not app.exception
    assert not app.error


def test_a_class_that_is_none_in_a_link_leaves_all(make_run, app):
    run = make_run("classes", "gan-mnist", prior="classes")
    app.query_params["model"] = run.id
    app.query_params["class"] = "<b>11</b>"
    open_page(app, "sample")
    assert app.selectbox(key="class").value is None


NASTY = "=x **b** <img src=a> :smile:"


def test_titles_and_names_of_classes_are_text_on_every_page(app):
    folder, names = own_run(), [f"{NASTY}{number}" for number in range(2)]
    files = many(10, f"{names[0]}/") | many(10, f"{names[1]}/")
    made = own_pictures.from_zip(zipped(files), f"{NASTY}.zip")
    assert list(made.classes) == names and made.title == NASTY
    recipe = runs.open_run(folder).info["recipe"]
    runs.change_info(folder, title=NASTY, recipe={**recipe, "pictures": made.id})
    latents = json.loads((folder / "latents.json").read_text())
    latents["labels"] = [label % 2 for label in latents["labels"]]
    latents["class_means"] = dict(zip(names, latents["class_means"].values(), strict=False))
    runs.write_json(folder / "latents.json", latents)
    app.query_params["pictures"] = made.id
    app.query_params["model"] = app.query_params["run"] = "mine"
    app.query_params["runs"] = app.query_params["models"] = ["mine", "vae-mnist"]
    shown = set()
    for page in PAGES:
        open_page(app, page)
        elements = [*app.header, *app.subheader, *app.markdown, *app.caption, *app.metric]
        elements += [*app.error, *app.warning, *app.info, *app.success]
        for element in elements:
            # What Streamlit reads as Markdown; with a backslash before it, a sign is only a sign.
            assert "**b**" not in str(element.value), page
            assert "<img" not in str(element.value).replace(r"\<", ""), page
            shown |= {page} if "img" in str(element.value) else set()
        assert not any(markdown.allow_html for markdown in app.markdown)
    assert {"home", "train", "sample", "map"} <= shown


def test_a_fault_is_told_by_its_reference(monkeypatch, caplog):
    said = []
    monkeypatch.setattr(shell.st, "error", lambda text, icon: said.append(text))
    assert shell.on_fault(ValueError("a secret place"))
    [reference] = re.findall(r"reference (\w{8})", said[0])
    assert "secret" not in said[0]
    assert reference in caplog.text and "a secret place" in caplog.text


def test_a_link_to_a_page_that_cannot_show_its_model_says_so(app):
    app.query_params["model"] = "gan-mnist"
    open_page(app, "reconstruct")
    assert "gan-mnist has no encoder" in texts(app).replace("\\", "")


def test_a_page_that_offers_fewer_models_changes_no_choice(app):
    app.query_params["model"] = "gan-mnist"
    open_page(app, "sample")
    open_page(app, "reconstruct")
    assert app.selectbox(key="model").value.startswith("vae-")
    assert "gan-mnist has no encoder" in texts(app).replace("\\", "")
    app.run()
    assert "gan-mnist has no encoder" in texts(app).replace("\\", "")
    for page in ("map", "sample"):  # The map opens with another model where none was chosen.
        open_page(app, page)
        assert app.selectbox(key="model").value == "gan-mnist"
        assert not app.warning
    open_page(app, "reconstruct")
    app.selectbox(key="model").set_value("vae-imagenette").run()
    assert "has no encoder" not in texts(app)
    open_page(app, "sample")
    assert app.selectbox(key="model").value == "vae-imagenette"


def test_a_value_that_stands_by_itself_is_not_shown():
    page = AppTest.from_string('LIMIT = 3\n"""What a programmer wants to know of it."""\nLIMIT\n')
    assert not page.run().main.children


@pytest.mark.parametrize(
    ("page", "settings", "names"),
    [
        ("sample", {"seed": "3", "spread": "0.8"}, {"gan-mnist-seed-3-spread-0.8.png"}),
        (
            "interpolate",
            {"path": "Great circle", "b_spread": "0.5"},
            {
                "gan-mnist-interpolation-spherical-a-seed-2-picture-1"
                "-b-seed-8-picture-1-spread-0.5.png"
            },
        ),
        (
            "arithmetic",
            {"model": "vae-mnist", "b_from": "Random", "c_class": "3"},
            {"vae-mnist-arithmetic-a-class-7-b-seed-1-picture-1-c-class-3.csv"},
        ),
        (
            "dimensions",
            {"model": "vae-mnist", "rows": "3"},
            {"vae-mnist-dimensions-a-class-2-3-rows.png", "vae-mnist-picture-a-class-2.png"},
        ),
        (
            "dimensions",
            {"model": "vae-mnist", "z": f"vae-mnist~~{geometry.to_text(torch.zeros(16))}"},
            {"vae-mnist-dimensions-changed-301d103e.csv"},
        ),
        ("map", {"A": "4"}, {"gan-mnist-seeds-4-1-2-map.png"}),
        (
            "reconstruct",
            {"model": "vae-mnist"},
            {"vae-mnist-samples-seed-0-1-to-12-posteriors.csv"},
        ),
    ],
)
def test_a_file_says_in_its_name_what_it_is(app, page, settings, names, monkeypatch):
    told = set()
    real = shared.downloads
    monkeypatch.setattr(
        shared,
        "downloads",
        lambda *files: (told.update(name for _, name, _ in files), real(*files)),
    )
    for name, value in {"model": "gan-mnist", **settings}.items():
        app.query_params[name] = value
    wait_for_work(open_page(app, page))
    assert names <= told
