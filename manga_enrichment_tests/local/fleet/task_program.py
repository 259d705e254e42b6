"""What a task of the tests runs: `python -m ...task_program WHAT`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def tell() -> None:
    """Everything it can find out about its machine, as one line."""
    Path("left_behind").touch()
    tmp = os.environ["TMPDIR"]
    said = {
        "environment": dict(os.environ),
        "cwd": str(Path.cwd()),
        "tmp": [each.name for each in Path(tmp).iterdir()],
        "arguments": sys.argv[2:],
        "path": sys.path,
    }
    say(json.dumps(said))


def be_polite() -> None:
    """End with code 3 when asked to."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    stay()


def be_stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stay()


def leave_a_child() -> None:
    """Start a process that would outlive this one."""
    say(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid))


def stay() -> None:
    say("ready")
    time.sleep(600)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {each.__name__: each for each in (tell, be_polite, be_stubborn, leave_a_child)}[sys.argv[1]]()
