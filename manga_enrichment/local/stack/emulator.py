"""The AWS emulator as the local stack starts it: `python -m manga_enrichment.local.stack.emulator`.

Belongs here: starting ministack with `api_gateway.py` and, where data is kept, `table_folder.py` installed. Stays out:
its settings (`local_stack.py`).

It waits on uvloop, where that exists: a seventh less of its CPU a call (`docs/benchmarks.md`).
"""

import asyncio
import os
from pathlib import Path

from ministack.app import main

try:
    from uvloop import EventLoopPolicy
except ImportError:
    from asyncio import DefaultEventLoopPolicy as EventLoopPolicy

from manga_enrichment.local.stack.api_gateway import install
from manga_enrichment.local.stack.state_folder import TABLES_VARIABLE
from manga_enrichment.local.stack.table_folder import install_table_folder

if __name__ == "__main__":
    asyncio.set_event_loop_policy(EventLoopPolicy())
    install()
    if TABLES_VARIABLE in os.environ:
        install_table_folder(Path(os.environ[TABLES_VARIABLE]))
    main()
