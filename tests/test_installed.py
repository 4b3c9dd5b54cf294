"""The package installed into a folder of its own, away from the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genmodels import paths


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """An environment in which the installed package is found, and not the checkout."""
    folder, copy = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("copy")
    # pip builds inside of what it is given.
    shutil.copytree(paths.REPOSITORY / "genmodels", copy / "genmodels")
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(paths.REPOSITORY / name, copy)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*command, str(copy)], capture_output=True, encoding="utf-8", check=False)
    if "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("needs a network, or setuptools")
    assert done.returncode == 0, done.stderr
    places = {name: str(folder / name.lower()) for name in ("GENMODELS_DATA", "GENMODELS_CACHE")}
    return os.environ | places | {"PYTHONPATH": str(folder)}


def said(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    return subprocess.check_output(
        [sys.executable, *arguments], cwd=folder, env=environment, encoding="utf-8"
    )


def test_the_command_and_the_api_are_there(installed, tmp_path):
    command = Path(installed["PYTHONPATH"]) / "bin" / "genmodels"
    assert "evaluate" in said(installed, tmp_path, str(command), "--help")
    script = "import genmodels, genmodels.paths as p; print(genmodels.load, p.runs(), p.__file__)"
    told = said(installed, tmp_path, "-c", script)
    assert str(tmp_path / "runs") in told and installed["PYTHONPATH"] in told


def test_what_browsers_get_is_installed_too(installed):
    there = {
        path.relative_to(paths.REPOSITORY)
        for ending in ("js", "css", "html", "png")
        for path in (paths.REPOSITORY / "genmodels").rglob(f"*.{ending}")
    }
    assert there
    assert not [path for path in there if not (Path(installed["PYTHONPATH"]) / path).exists()]
