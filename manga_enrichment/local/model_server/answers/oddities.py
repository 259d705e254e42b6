"""Answers with the oddities that models are known for: wrapped, or lost.

Belongs here: the same reply in another shape. Stays out: which request gets which (`local/model_server/faults.py`),
answers that break their schema (`answering.py`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from manga_enrichment.local.model_server.protocol.model_request import Reply


def wrap(reply: Reply, *, as_one: bool) -> Reply:
    """as_one: the whole as a string of its JSON, else each list and object in it. A text gets words and a fence."""
    if reply.tool_input is None:
        fenced = f"Here is the answer:\n```json\n{reply.text}\n```"
        return reply if reply.text is None else dataclasses.replace(reply, text=fenced)
    if as_one or not isinstance(reply.tool_input, Mapping):
        return dataclasses.replace(reply, tool_input=_json(reply.tool_input))
    parts = reply.tool_input.items()
    wrapped = {name: _json(part) if isinstance(part, Mapping | list) else part for name, part in parts}
    return dataclasses.replace(reply, tool_input=wrapped)


def lose(reply: Reply, *, malformed: bool) -> Reply:
    """malformed: by the stop reason's own word, else a stop reason of success and nothing in it. Tokens are billed."""
    is_tool = reply.tool_input is not None
    successful, broken = ("tool_use", "malformed_tool_use") if is_tool else ("end_turn", "malformed_model_output")
    stop_reason: Any = broken if malformed else successful
    return dataclasses.replace(reply, stop_reason=stop_reason, text=None, tool_input=None)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
