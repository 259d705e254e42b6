"""Installed from a wheel, in a folder that has nothing of a checkout: the demo runs, and bills once.

The wheel is built from this tree and installed into an environment of its own, which finds the dependencies where this
one has them, so that nothing is fetched.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SECONDS = 240
OWN_VARIABLES = ("MANGA_", "DAGSTER_", "AWS_", "PYTHONPATH")
TITLES = 40

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`manga-enrichment` of the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY)]
    subprocess.run([*pip, *build], check=True, timeout=SECONDS)
    [wheel] = folder.glob("*.whl")
    home = folder / "environment"
    venv.create(home)
    python = home / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True, timeout=SECONDS)
    [own] = home.glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return home / "bin" / "manga-enrichment"


def run(program: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    return subprocess.run(
        [program, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    where = "import manga_enrichment; print(manga_enrichment.__file__)"
    said = run(installed.parent / "python", tmp_path, "-c", where)
    assert said.stdout.startswith(str(installed.parents[1])), said.stderr


def test_the_demo_runs_in_any_folder(installed: Path, tmp_path: Path) -> None:
    first, second = (run(installed, tmp_path, "demo", "--json") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    reports = [json.loads(said.stdout.splitlines()[-1]) for said in (first, second)]
    assert [each["success"] for each in reports] == [True, True]
    assert reports[0]["calls_billed"] > reports[0]["titles"] > TITLES
    assert reports[1]["calls_billed"] == 0
    assert {each.name for each in tmp_path.iterdir()} == {".local"}
