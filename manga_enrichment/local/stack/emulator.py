"""The AWS emulator as the local stack starts it: `python -m manga_enrichment.local.stack.emulator`.

Belongs here: starting ministack with `api_gateway.py` installed. Stays out: its settings (`local_stack.py`).
"""

from ministack.app import main

from manga_enrichment.local.stack.api_gateway import install

if __name__ == "__main__":
    install()
    main()
