import dataclasses

import pytest

from genmodels import paths, recipes, runs
from genmodels.errors import RecipeError
from genmodels.training import ablation, loop


def entry(metric: str, value: float) -> dict:
    """A measurement as evaluation.json holds it."""
    texts = ("title", "features", "features_fingerprint", "weights_fingerprint", "created")
    part = {"split": "val", "images": 2, "fingerprint": ""}
    return {
        "metric": metric,
        "value": value,
        "error": None,
        "samples": 2,
        "seed": 0,
        "real": {"dataset": "mnist", **part},
        "floor": {"value": 0.0, "error": None, **part},
        **dict.fromkeys(texts, ""),
    }


@pytest.mark.parametrize("name", ablation.LADDERS)
def test_a_ladder_leads_from_the_reports_recipe_to_the_better_one(name):
    steps = [trial.recipe for trial in ablation.trials(name)]
    assert len(steps) == len(ablation.LADDERS[name])
    same = {"epochs": 1, "distance_every": None}
    plain = [recipes.to_json(step) | same for step in steps]
    assert plain[0] == recipes.to_json(recipes.named(name)) | same
    assert plain[-1] == recipes.to_json(recipes.named(f"{name}-plus")) | same
    assert len({step.epochs for step in steps}) == 1
    for step in steps:
        step.check()


def test_an_unknown_ladder_is_told_in_a_sentence(capsys):
    with pytest.raises(RecipeError, match="there is no ladder 'vae'"):
        ablation.trials("vae")
    assert ablation.main(["vae"]) == 2
    assert capsys.readouterr().err.startswith("genmodels ablation: there is no ladder")


def test_a_step_is_kept_without_its_weights(make_run, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "ABLATIONS", tmp_path)
    first = ablation.trials("vae-mnist")[0].recipe
    run = make_run("step", "vae-mnist", **dataclasses.asdict(first))
    (run.path / "samples").mkdir()
    for seen in (0, 100):
        (run.path / "samples" / f"{seen:09d}.webp").write_bytes(b"a picture")
    line = '{"epoch": 1, "split": "val", "images_seen": 100, "seconds": 90}\n'
    (run.path / "metrics.jsonl").write_text(line)
    runs.write_status(run.path, runs.Status("done"))
    runs.write_json(run.path / "evaluation.json", [entry("frechet", 1.25)])
    ablation.keep(run, tmp_path / "vae-mnist" / "2")
    assert ablation.kept("vae-mnist") == []  # It is the first step, not the second.
    ablation.keep(run, tmp_path / "vae-mnist" / "1")
    (kept,) = ablation.kept("vae-mnist")
    assert list(kept.samples()) == [100]
    assert not list(kept.path.glob("*.safetensors"))
    assert ablation.measured(kept, "frechet") == 1.25
    assert ablation.measured(kept, "recall") is None
    row = ablation.table("vae-mnist").splitlines()[2]
    assert (
        row == f"| {run.title}" + " | 541,472 + 538,128 | 2 | 1.25" + 3 * " | not computed" + " |"
    )


def test_kept_steps_are_in_no_gallery(runs_folder):
    assert not any("ablation" in run.id for run in runs.list_runs())


def test_seeds_are_told_by_their_mean_and_how_far_they_are_apart(make_run, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "ABLATIONS", tmp_path)
    trials = ablation.trials("seeds")
    assert [trial.recipe.seed for trial in trials] == [0, 0, 1, 1, 2, 2]
    for number, trial in enumerate(trials, 1):
        trial.recipe.check()
        if trial.recipe_name == "gan-mnist-plus":
            run = make_run(f"seed-{number}", "gan-mnist-plus", **dataclasses.asdict(trial.recipe))
            entries = [entry(metric, trial.recipe.seed + 1.0) for metric in ablation.METRICS]
            runs.write_json(run.path / "evaluation.json", entries)
            (tmp_path / "seeds").mkdir(exist_ok=True)
            run.path.rename(tmp_path / "seeds" / str(number))
    rows = ablation.table("seeds").splitlines()
    assert rows[2:] == ["| `gan-mnist-plus` | 3 | " + " | ".join(["2 ± 1"] * 4) + " |"]


def test_a_run_of_another_recipe_is_neither_taken_nor_touched(
    make_run, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(paths, "ABLATIONS", tmp_path)
    run = make_run("ablation-vae-mnist-1", "vae-mnist", seed=7)
    assert ablation.main(["vae-mnist"]) == 2
    assert "ablation-vae-mnist-1 is of another recipe" in capsys.readouterr().err
    assert runs.open_run(run.path).recipe == run.recipe


def test_a_training_that_was_interrupted_goes_on(make_run, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "ABLATIONS", tmp_path)
    begun = []

    def fit(name, recipe, folder, resume, title):
        begun.append((name, recipe, folder.name, resume))
        raise RecipeError("enough seen")

    monkeypatch.setattr(loop, "fit", fit)
    step = ablation.trials("vae-mnist")[0].recipe
    for resume in (False, True):
        assert ablation.main(["vae-mnist"]) == 2
        assert begun == [("vae-mnist", step, "ablation-vae-mnist-1", resume)]
        begun.clear()
        if not resume:
            run = make_run("ablation-vae-mnist-1", "vae-mnist", **dataclasses.asdict(step))
            runs.write_status(run.path, runs.Status("stopped"))
