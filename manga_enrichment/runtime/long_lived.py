"""Runs a module as a server that stays for months: `python -m manga_enrichment.runtime.long_lived MODULE [WORD ...]`.

Belongs here: what such a process does for itself, beside its program. Stays out: which servers there are
(`local/dagster_servers.py`, docs/aws.md).
"""

import runpy
import sys
import threading
from collections.abc import Sequence

from manga_enrichment.runtime.garbage import set_aside
from manga_enrichment.runtime.migration_scripts import look_up_once

SETTLED_SECONDS = 60.0
"""By then a server has loaded what it keeps."""


def main(words: Sequence[str], settled_seconds: float = SETTLED_SECONDS) -> None:
    """Be the program of the module that the first word names; the others are its arguments."""
    look_up_once()
    settled = threading.Timer(settled_seconds, set_aside)
    settled.daemon = True
    settled.start()
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
