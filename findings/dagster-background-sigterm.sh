#!/usr/bin/env bash
# One would guess: `kill PID` ends a Dagster code server, however it was started; SIGTERM has nothing to do with Ctrl-C.
# True: its start gives SIGTERM whatever SIGINT does in that process. A shell without job control starts what stands
#   before a "&" with SIGINT ignored, so a server that a script put in the background ignores SIGTERM as well and serves
#   on. Started by a process in which SIGINT is not ignored, it ends in about two seconds.
# Why it matters here: an image was tried from a script and seemed to ignore the signal with which ECS and Compose end a
#   container; nothing was wrong with it. Whoever starts these servers from a script gives SIGINT back its default first,
#   as `manga-enrichment dev` does (a handler of one's own is reset to the default when a program is started).
# Seen with dagster 1.13.27 on Linux: 20 s after SIGTERM
#   SIGINT ignored    SigIgn of the server has SIGTERM: True     still serving
#   SIGINT default    SigIgn of the server has SIGTERM: False    ended with 0
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dagster==1.13.27
export DAGSTER_HOME="$folder/home"
mkdir "$folder/home"
cd "$folder"
printf 'telemetry: {enabled: false}\nnux: {enabled: false}\n' >home/dagster.yaml
printf 'import dagster as dg\n\ndefs = dg.Definitions()\n' >shop.py

venv/bin/python - <<'EOF'
import os
import signal
import socket
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

GRACE_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ignores_sigterm(pid):
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1)


def seen(disposition):
    """Whether a server that was started with this SIGINT ignores SIGTERM, and what is of it some time after one."""
    port = str(free_port())
    before = signal.signal(signal.SIGINT, disposition)
    words = ["venv/bin/dagster", "code-server", "start", "--host", "127.0.0.1", "--port", port, "-m", "shop"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    try:
        health = ["venv/bin/dagster", "api", "grpc-health-check", "--port", port]
        for _ in range(60):
            if subprocess.run(health, capture_output=True).returncode == 0:
                break
        assert server.poll() is None
        ignored = ignores_sigterm(server.pid)
        server.terminate()
        return ignored, server.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return ignored, "still serving" if subprocess.run(health, capture_output=True).returncode == 0 else "stuck"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


print("dagster", version("dagster"))
in_background, in_foreground = seen(signal.SIG_IGN), seen(signal.SIG_DFL)
print("SIGINT ignored:", *in_background)
print("SIGINT default:", *in_foreground)
assert in_background == (True, "still serving")
assert in_foreground == (False, 0)
EOF
