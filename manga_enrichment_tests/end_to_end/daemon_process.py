"""A real `dagster-daemon` with its code server and the runs it launches, in a process group of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import dagster as dg

from manga_enrichment.defs.operations.killed_runs import pid_of
from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.local.dagster_home import prepare_dagster_home
from manga_enrichment.runtime.processes import process_exists
from manga_enrichment_tests.end_to_end import daemon_definitions

_SECONDS = 200
"""More than a message of the normal queue stays hidden that a dead poll has received for nothing."""
_SOONER = {
    "poll_interval_seconds: 30": "poll_interval_seconds: 2",
    "free_slots_after_run_end_seconds: 30": "free_slots_after_run_end_seconds: 1",
}
"""What the repository's dagster.yaml waits for, so that a test need not."""


class Daemon:
    """Start it, kill it, start it again: the instance under `home` stays."""

    def __init__(self, environment: Mapping[str, str], state_dir: Path) -> None:
        """The caller puts DAGSTER_HOME back: the home becomes this process' own, too."""
        self._home = prepare_dagster_home(state_dir)
        config = self._home / "dagster.yaml"
        text = config.read_text("utf-8")
        for slow, soon in _SOONER.items():
            assert slow in text
            text = text.replace(slow, soon)
        config.write_text(text, "utf-8")
        self._environment = {**environment, "DAGSTER_HOME": str(self._home)}
        self._log = self._home / "daemon.log"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log_began_at = 0

    def start(self) -> None:
        self._log_began_at = self._log.stat().st_size if self._log.exists() else 0
        command = [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-m", daemon_definitions.__name__]
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                command,
                cwd=self._home,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_daemon(self) -> None:
        """The daemon alone. Its code server and the runs go on, as orphans."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()

    def kill_all(self) -> None:
        """The daemon, its code server and every run, at once. Also what a test does in the end."""
        if self._daemon is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._daemon.pid, signal.SIGKILL)
            self._daemon.wait()

    def kill_run(self) -> None:
        """The process of the one run of a work unit that is going on, beside those that stay."""
        [pid] = [pid for pid in self._pids_of_runs(PARTNER_JOB) if process_exists(pid)]
        os.kill(pid, signal.SIGKILL)

    def has_looked_for(self, sensor: str) -> bool:
        """Whether a tick of this sensor has come to its end since the last start."""
        return f"Sensor {sensor} skipped" in self._log.read_text("utf-8")[self._log_began_at :]

    def wait_until(self, what: str, is_so: Callable[[], bool], seen: Callable[[], object] = str) -> None:
        """Raises TimeoutError with what is seen then, how runs fared and the end of the daemon's log."""
        deadline = time.monotonic() + _SECONDS
        while not is_so():
            if time.monotonic() > deadline:
                log = self._log.read_text("utf-8")[-6_000:]
                raise TimeoutError(f"not within {_SECONDS} s: {what}\n{seen()}\n{self._runs()}\n{log}")
            time.sleep(0.2)

    def _runs(self) -> str:
        with dg.DagsterInstance.from_config(str(self._home)) as instance:
            runs = [
                (run, instance.all_logs(run.run_id)) for run in instance.get_runs(dg.RunsFilter(job_name=PARTNER_JOB))
            ]
        lines = (
            f"{run.run_id} {run.status.value} {run.tags}\n  " + "\n  ".join(each.message for each in logs[-12:])
            for run, logs in runs
        )
        return "\n".join(lines)

    def _pids_of_runs(self, job: str | None = None) -> list[int]:
        with dg.DagsterInstance.from_config(str(self._home)) as instance:
            runs = instance.get_runs(dg.RunsFilter(job_name=job))
            pids = [pid_of(instance, run.run_id) for run in runs]
        return [pid for pid in pids if pid is not None]
