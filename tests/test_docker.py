"""The Dockerfile without an engine: what it copies, runs and asks, done here."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from browser import serving

from genmodels import paths

DOCKERFILE = (paths.REPOSITORY / "Dockerfile").read_text()


def test_the_files_it_needs_are_there_and_are_not_ignored():
    ignored = (paths.REPOSITORY / ".dockerignore").read_text().split()
    for name in ("app.py", "requirements.txt", "genmodels", "pages", "checkpoints", ".streamlit"):
        assert (paths.REPOSITORY / name).exists()
        assert name not in ignored


def test_it_serves_as_user_1000_where_the_readme_says():
    readme = (paths.REPOSITORY / "README.md").read_text()
    front = readme.split("---")[1]
    port = re.search(r"app_port: (\d+)", front)
    assert "sdk: docker" in front and port
    assert f"EXPOSE {port[1]}" in DOCKERFILE
    assert "--uid 1000" in DOCKERFILE and "\nUSER user\n" in DOCKERFILE


def test_its_command_and_its_health_check_work_on_a_copy_that_is_read_only(tmp_path):
    copy = tmp_path / "app"
    left_out = (paths.REPOSITORY / ".dockerignore").read_text().split()
    # Docker means those at the top.
    shutil.copytree(
        paths.REPOSITORY,
        copy,
        ignore=lambda place, names: left_out if Path(place) == paths.REPOSITORY else [],
    )
    subprocess.run(["chmod", "-R", "a-w", copy], check=True)
    words = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    health = re.search(r"^HEALTHCHECK CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert words and health
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    with serving(tmp_path, copy / "app.py", places) as address:
        check = shlex.split(health[1].replace("http://localhost:8501", address))
        subprocess.run([sys.executable, *check[1:]], check=True, timeout=30)
    subprocess.run(["chmod", "-R", "u+w", copy], check=True)


def test_other_wheels_are_an_argument_of_the_build_and_no_registry_is_named():
    """An argument stands in the environment of the commands after it, where pip looks."""
    image = DOCKERFILE.split("\nFROM python")[1]
    argument = "PIP_EXTRA_INDEX_URL"
    assert f"\nARG {argument}\nRUN pip install " in image
    environment = {**os.environ, argument: "file:///wheels"}
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    option = argument.removeprefix("PIP_").lower().replace("_", "-")
    assert f":env:.{option}='file:///wheels'" in said.stdout
    assert re.findall(r"https?://[^\s'/:]+", DOCKERFILE) == [
        "https://huggingface.co",  # Who may embed the app.
        "http://localhost",
    ]
