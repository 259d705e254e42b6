"""A promotion as a change of files that one can review: a document in its folder, a line of settings.

Belongs here: texts before and after, and their diff. Stays out: reading and writing files (`cli/promote.py`), what a
night then asks (`pipeline/trials/promoting.py`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff

from manga_enrichment.domain.models.specs import NIGHT_MODELS

LANE_MODELS = "MANGA_LANE_MODELS"
_LINE = re.compile(rf"^(?P<head>[ \t]*(?:export[ \t]+)?{LANE_MODELS}[ \t]*=).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """One file. before: "" where there is none yet; base: what it is compared with then, for example the packaged
    document that it replaces."""

    path: str
    before: str
    after: str
    base: str = ""

    @property
    def diff(self) -> str:
        """Unified; "" where nothing changes."""
        old, path = self.before or self.base, self.path.lstrip("/")
        lines = unified_diff(
            old.splitlines(keepends=True), self.after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def with_model(by_lane: Mapping[str, Mapping[str, str]], analysis: str, alias: str) -> dict[str, dict[str, str]]:
    """The models of lanes, with another for what an analysis is asked of at night."""
    changed = {lane: dict(chosen) for lane, chosen in by_lane.items()}
    changed.setdefault(NIGHT_MODELS, {})[analysis] = alias
    return changed


def settings_change(path: str, text: str, by_lane: Mapping[str, Mapping[str, str]]) -> Change:
    """An environment file (`NAME=value` lines) that gives these models; every other line stays as it is."""
    value = f"'{json.dumps(by_lane, separators=(',', ':'))}'"
    if _LINE.search(text):
        return Change(path, text, _LINE.sub(lambda line: f"{line['head']}{value}", text))
    gap = "" if not text or text.endswith("\n") else "\n"
    return Change(path, text, f"{text}{gap}{LANE_MODELS}={value}\n")
