"""The README says what benchmarks/results.json holds; what makes the app quick stays so."""

import copy
import subprocess
import sys

import pytest

from benchmarks import results, table
from genmodels import paths

README = (paths.REPOSITORY / "README.md").read_text()


def test_the_readme_has_the_figures_that_were_measured():
    assert table.updated(README, results.read()) == README


def test_another_measurement_would_change_the_readme():
    found = copy.deepcopy(results.read())
    if not found:
        pytest.skip("nothing was measured yet")
    for part in found.values():
        part["machine"]["date"] = "1999-12-31"
    assert table.updated(README, found).count("1999-12-31") == len(found)


def test_a_part_that_is_measured_again_replaces_no_other(tmp_path):
    path = tmp_path / "results.json"
    for part, figure in (("app", 1), ("load", 2), ("app", 3)):
        options = results.options(part, "").parse_args([f"--json={path}"])
        results.keep(part, options, {"figure": figure})
    assert {name: part["figure"] for name, part in results.read(path).items()} == {
        "app": 3,
        "load": 2,
    }


def test_a_trial_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    results.keep("app", results.options("app", "").parse_args(["--short"]), {"figure": 1})
    assert results.read(results.FILE) == {}


def test_ratios_are_of_the_same_round():
    found = results.ratios([2.0, 30.0, 8.0], [1.0, 10.0, 2.0])
    assert found == {"median": 3.0, "min": 2.0, "max": 4.0, "values": [2.0, 3.0, 4.0]}
    assert results.text(found, ".1f") == "3.0 (2.0–4.0)"


def test_the_app_starts_without_what_only_some_pages_need():
    late = {"torch", "torchvision", "redis", "huey", "segno", "sklearn", "scipy", "onnx"}
    script = (
        "import sys; from genmodels.ui import navigation, routes, shell; "
        f"print(*({late} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(
        command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
