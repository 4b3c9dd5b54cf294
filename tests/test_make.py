"""The Makefile's environment, in a folder of its own and without packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genmodels import paths

TOO_OLD = "#!/bin/sh\nexit 1\n"
"""What a Python says that is asked whether it is new enough, and is not."""


@pytest.fixture
def place(tmp_path) -> Path:
    if not shutil.which("make"):
        pytest.skip("needs make")
    shutil.copy(paths.REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    return tmp_path


def make(place: Path, python: Path | str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    ended = subprocess.run(
        ["make", ".venv/app", f"PYTHON={python}"],
        cwd=place,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def old_python(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TOO_OLD, "utf-8")
    path.chmod(0o755)
    return path


def test_a_python_that_is_too_old_is_refused_and_leaves_nothing_behind(place):
    for python in (old_python(place / "bin" / "python3"), "python-not-here"):
        status, _, said = make(place, python)
        assert status != 0
        assert f"genmodels needs Python 3.11 or newer, and {python} isn't" in said
        assert "make PYTHON=" in said
        assert not (place / ".venv").exists()


@pytest.mark.parametrize("kind", ["of an old Python", "of a Python that is gone"])
def test_an_environment_that_serves_no_more_is_made_again(kind, place):
    inside = place / ".venv" / "bin" / "python"
    if kind == "of an old Python":
        old_python(inside)
    else:
        inside.parent.mkdir(parents=True)
        inside.symlink_to(place / "gone")
    (place / ".venv" / "app").touch()  # It had its packages.
    status, said, wrong = make(place, sys.executable)
    assert status == 0, wrong
    assert "pip install -r requirements.txt" in said
    version = subprocess.check_output([inside, "--version"], encoding="utf-8")
    assert version.split()[1] == sys.version.split()[0]
    status, said, _ = make(place, sys.executable)
    assert (status, "pip install" in said) == (0, False)
