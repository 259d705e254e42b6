"""Offline stand-in for bedrock-runtime: the protocol for real, the answers by lexicon. Not a language model.

`create_app(state)` is the ASGI application, `answer(model, request)` one call without HTTP; see README.md.
"""

from manga_enrichment.local.model_server.answers.answering import answer
from manga_enrichment.local.model_server.app import create_app
from manga_enrichment.local.model_server.state import ServerState

__all__ = ["ServerState", "answer", "create_app"]
