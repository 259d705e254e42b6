"""After an edit, the definitions that `make dev` serves are loaded anew, and what is wrong with them is said.

Belongs here: which files count, asking the webserver, a sentence about what came of it. Stays out: the servers
(`dagster_servers.py`).
"""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SUFFIXES = frozenset({".py", ".toml"})
_LOOK_SECONDS = 1.0
_RELOAD_SECONDS = 120.0
_LOADED = "locationOrLoadError { __typename ... on PythonError { ...Fault } }"
_FAULT = "fragment Fault on PythonError { message stack errorChain { error { message stack } } }"
_RELOAD = f"""
mutation Reload($location: String!) {{
  reloadRepositoryLocation(repositoryLocationName: $location) {{
    __typename
    ... on WorkspaceLocationEntry {{ {_LOADED} }}
    ... on PythonError {{ ...Fault }}
  }}
}}
{_FAULT}"""
_STATUS = f"""
query Status($location: String!) {{
  entry: workspaceLocationEntryOrError(name: $location) {{ ... on WorkspaceLocationEntry {{ {_LOADED} }} }}
}}
{_FAULT}"""
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
# A configured proxy cannot reach our loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Post = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Sends a GraphQL document and returns the answer. Raises OSError."""


class Edits:
    """Which files below some folders were edited since the last look."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._seen = self._look()

    def newest(self) -> list[Path]:
        """Changed, new and removed ones, sorted; nothing twice."""
        before, self._seen = self._seen, self._look()
        return sorted(path for path in before.keys() | self._seen.keys() if before.get(path) != self._seen.get(path))

    def _look(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for path in (path for folder in self._folders for path in folder.rglob("*") if path.suffix in SUFFIXES):
            try:
                state = path.stat()
            except FileNotFoundError:  # an editor that replaces a file
                continue
            found[path] = (state.st_mtime_ns, state.st_size)
        return found


def fault_at_start(post: Post, location: str, folders: Iterable[Path]) -> str:
    """What is wrong with the definitions as they were first loaded, in a sentence; "" where nothing is.

    Raises OSError while the webserver does not answer yet.
    """
    entry = (post({"query": _STATUS, "variables": {"location": location}}).get("data") or {}).get("entry") or {}
    fault = entry.get("locationOrLoadError") or {}
    if "message" not in fault:
        return ""
    return f"The definitions cannot be loaded until this is mended: {_told(fault, folders)}"


def reload(post: Post, location: str, folders: Iterable[Path]) -> str:
    """Load the definitions anew; what came of it, in a sentence. folders: where a fault is looked for first."""
    try:
        answer = post({"query": _RELOAD, "variables": {"location": location}})
    except OSError as error:
        return f"The definitions could not be loaded anew: {error}."
    loaded = (answer.get("data") or {}).get("reloadRepositoryLocation") or {}
    fault = loaded.get("locationOrLoadError") or loaded
    if fault.get("__typename") == "RepositoryLocation":
        return "The definitions are loaded anew."
    if "message" not in fault:
        return f"The definitions could not be loaded anew: {json.dumps(answer)[:300]}"
    return f"The definitions cannot be loaded, the former ones are gone until this is mended: {_told(fault, folders)}"


def _told(fault: Mapping[str, Any], folders: Iterable[Path]) -> str:
    """File and line of our own that comes last, and the error's own words."""
    chain = [fault, *(each["error"] for each in fault.get("errorChain") or ())]
    text = "\n".join(line for each in chain for line in [*(each.get("stack") or ()), each["message"]])
    frames = _FRAME.findall(text)
    own = [frame for frame in frames if any(Path(frame[0]).is_relative_to(folder) for folder in folders)]
    words = chain[-1]["message"].strip().splitlines()
    where = f"{(own or frames)[-1][0]}:{(own or frames)[-1][1]}: " if frames else ""
    return where + (words[-1].strip() if words else "no reason was given")


def keep_loaded(url: str, location: str, folders: Iterable[Path], say: Callable[[str], None]) -> None:
    """For ever: after each edit, once the editor has been quiet for a look, load anew and say so. For a thread."""
    watched = tuple(folders)
    edits = Edits(watched)
    waiting, is_looked_at = False, False
    while True:
        time.sleep(_LOOK_SECONDS)
        if not is_looked_at:
            with suppress(OSError):  # the webserver is still starting
                fault = fault_at_start(lambda document: _post(url, document), location, watched)
                is_looked_at = True
                if fault:
                    say(fault)
        changed = edits.newest()
        if waiting and not changed:
            say(reload(lambda document: _post(url, document), location, watched))
        waiting = bool(changed)


def _post(url: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    body = json.dumps(document).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 (loopback)
    with _direct.open(request, timeout=_RELOAD_SECONDS) as response:
        answer: Mapping[str, Any] = json.load(response)
        return answer
