"""A candidate's document: what it says otherwise than the analysis of today.

Belongs here: reading a TOML file of a candidate. Stays out: whether it may take the other's place (`contenders.py`).
"""

import hashlib
import json
import tomllib
from dataclasses import replace
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.trials.contenders import TrialError

_TEXTS = ("name", "version", "instructions", "request", "model")
_KEYS = (*_TEXTS, "max_tokens", "temperature", "answer")
_VERSION_CHARACTERS = 12


def candidate_analysis(text: str, file: str, today: AnalysisType) -> AnalysisType:
    """Today's analysis with what the document says. Its version is the hash of what reaches the model, unless it has
    one. Raises TrialError."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrialError(f"{file} is not TOML: {error}") from error
    _check(said, file, today)
    changed: dict[str, Any] = {key: said[key] for key in ("instructions", "request", "max_tokens") if key in said}
    if "temperature" in said:
        changed["temperature"] = float(said["temperature"])
    if "answer" in said:
        changed["output_schema"] = said["answer"]
    if "model" in said:
        changed["model_alias"] = said["model"]
    candidate = replace(today, **changed)
    version = said.get("version") or _hash(candidate)
    if version == today.version and _hash(candidate) != _hash(today):
        raise TrialError(f"{file} says another thing under today's version {version!r}: leave version out, or raise it")
    return replace(candidate, version=version)


def _check(said: dict[str, Any], file: str, today: AnalysisType) -> None:
    unknown = [key for key in said if key not in _KEYS]
    if unknown:
        raise TrialError(f"{file}: {', '.join(unknown)} is no key of a candidate; the keys are {', '.join(_KEYS)}")
    for key in _TEXTS:
        if key in said and (not isinstance(said[key], str) or not said[key].strip()):
            raise TrialError(f"{file}: {key} must be a text in quotes that says something")
    if said.get("name") != today.name:
        raise TrialError(
            f"{file} is of the analysis {said.get('name')!r}, and {today.name!r} is tried; correct its name"
        )
    if not isinstance(said.get("answer", {}), dict) or not isinstance(said.get("max_tokens", 1), int):
        raise TrialError(f"{file}: answer must be a JSON Schema as a table, and max_tokens a whole number")
    if not isinstance(said.get("temperature", 0), int | float):
        raise TrialError(f"{file}: temperature must be a number")


def _hash(analysis: AnalysisType) -> str:
    content = [analysis.instructions, analysis.request, analysis.description, dict(analysis.output_schema)]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_CHARACTERS]
