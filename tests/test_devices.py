import os
import subprocess
import sys
from pathlib import Path

import pytest

from genmodels import paths
from genmodels.models import devices


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/\n", {}, None),
        # As of a service: the strictest group on the way.
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "100000 100000", "a.slice/b/cpu.max": "max 9"}, 1),
        # A container sees its own group as the top.
        ("0::/docker/1234\n", {"cpu.max": "150000 100000"}, 1.5),
        (
            "9:pids:/x\n3:cpu,cpuacct:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "25000", "cpu/x/cpu.cfs_period_us": "100000"},
            0.25,
        ),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("4:cpuset:/\n", {"cpu.max": "50000 100000"}, None),
    ],
)
def test_the_quota_is_that_of_the_strictest_group(groups, files, expected, tmp_path):
    (tmp_path / "groups").write_text(groups, "utf-8")
    for name, content in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n", "utf-8")
    assert devices.quota(tmp_path / "groups", tmp_path / "root") == expected


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert devices.quota(tmp_path / "none", tmp_path / "none") is None


@pytest.mark.parametrize(("cores", "threads"), [(0.5, 1), (1.0, 1), (1.5, 1), (None, 2), (64.0, 2)])
def test_models_compute_on_as_many_threads_as_the_quota_keeps_busy(cores, threads):
    script = f"""
import torch
from genmodels import models, recipes
from genmodels.models import devices
devices.quota = lambda: {cores}
torch.set_num_threads(2)
models.build(recipes.named("gan-mnist"))
print(torch.get_num_threads())
"""
    said = subprocess.check_output(
        [sys.executable, "-c", script], cwd=paths.REPOSITORY, encoding="utf-8"
    )
    assert int(said) == threads


def test_a_real_quota_is_seen():
    """Where this machine lets a test make a control group."""
    group = Path("/sys/fs/cgroup/cpu/genmodels-test")
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("50000", "utf-8")
    except OSError:
        pytest.skip("needs the right to make a control group of version 1")
    try:
        script = """
import os
from pathlib import Path
Path("/sys/fs/cgroup/cpu/genmodels-test/cgroup.procs").write_text(str(os.getpid()), "utf-8")
from genmodels.models import devices
print(devices.quota())
"""
        said = subprocess.check_output(
            [sys.executable, "-c", script],
            cwd=paths.REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": "2"},
            encoding="utf-8",
        )
        assert float(said) == 0.5
    finally:
        group.rmdir()
