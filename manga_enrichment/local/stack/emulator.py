"""The AWS emulator as the local stack starts it: `python -m manga_enrichment.local.stack.emulator`.

Belongs here: starting ministack with `api_gateway.py` and, where data is kept, `table_folder.py` installed. Stays out:
its settings (`local_stack.py`).
"""

import os
from pathlib import Path

from ministack.app import main

from manga_enrichment.local.stack.api_gateway import install
from manga_enrichment.local.stack.state_folder import TABLES_VARIABLE
from manga_enrichment.local.stack.table_folder import install_table_folder

if __name__ == "__main__":
    install()
    if TABLES_VARIABLE in os.environ:
        install_table_folder(Path(os.environ[TABLES_VARIABLE]))
    main()
