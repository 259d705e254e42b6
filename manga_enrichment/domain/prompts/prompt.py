"""From a catalog record to the text a model sees.

Belongs here: which fields of a record go in, how they are cleaned, cut, escaped and laid out, which
inference parameters go with them. Stays out: what an analysis asks (`analyses/`), the body of the request
(`aws/bedrock/converse.py`).

The user part quotes untrusted text inside blocks. Angle brackets in that text are replaced, so nothing a
publisher or partner writes can open or close a block: each block tag occurs exactly once. Further lines of a
field are indented, so a line of a synopsis cannot pass for a field of its own.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.analyses.text import joined, without_brackets
from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.domain.models.specs import AnswersBy, ModelSpec
from manga_enrichment.domain.prompts.candidate_block import LABEL_FIELDS, candidate_lines
from manga_enrichment.domain.prompts.quoting import cut_at_sentence, folded, one_line

TITLE_FIELDS = frozenset(each.name for each in fields(MangaRecord)) - {"manga_id", "updated_at", "source_id"}
"""What a prompt may show of a title. Not what changes though nothing about the title does: that would be paid again."""

MAX_SYNOPSIS_CHARACTERS = 6_000
"""A longer synopsis is cut: what it is about has long been said, and every character is paid for."""

_MULTILINE = frozenset({"synopsis"})
_LINE_BREAK = re.compile(r"[^\S\n]*(?:\r\n|[\n\r\u0085\u2028\u2029])\s*")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a call says to a model, before any wire format.

    max_tokens bounds the answer. guarded: the part of `user` that a guardrail is to look at, should there be one.
    """

    system: str
    user: str
    tool_name: str
    tool_description: str
    tool_schema: Mapping[str, Any]
    max_tokens: int
    temperature: float | None
    guarded: str = ""


def title_inputs(
    analysis: AnalysisType,
    record: MangaRecord,
    candidates: Sequence[Candidate] = (),
    additional_context: str = "",
    again: int = 0,
) -> TitleInputs:
    """What one prompt of this analysis may depend on: the record's non-empty fields, cleaned, and no others.

    Candidates are kept only by an analysis that needs them, and never the title itself. again: the question's number.
    """
    shown = candidates if analysis.needs_candidates else ()
    return TitleInputs(
        manga_id=record.manga_id,
        fields=prompt_fields(record, analysis.fields),
        candidates=tuple(candidate for candidate in shown if candidate.manga_id != record.manga_id),
        additional_context=_clean_text(additional_context),
        again=again,
    )


def prompt_fields(record: MangaRecord, names: Sequence[str], *, remember: bool = True) -> dict[str, Any]:
    """The named fields as cleaned strings or tuples of strings, empty ones left out.

    remember: five analyses in turn look at the same fields of a title; nobody looks again at those of an import.
    """
    clean = _remembered if remember else _clean
    shown = {}
    for name in names:
        value = getattr(record, name)
        if value is not None and value != () and (cleaned := clean(name, value)):
            shown[name] = cleaned
    return shown


def inference_parameters(analysis: AnalysisType, model: ModelSpec) -> dict[str, Any]:
    """What is sent beside the text; None stands for a parameter that the model does not take."""
    return {
        "max_tokens": min(analysis.max_tokens + model.thinking_tokens, model.max_output_tokens),
        "temperature": analysis.temperature if model.takes_temperature else None,
        "thinking": model.thinking_off,
    }


def build_prompt(analysis: AnalysisType, inputs: TitleInputs, model: ModelSpec) -> Prompt:
    """The prompt for one title."""
    parameters = inference_parameters(analysis, model)
    return Prompt(
        system=_system(analysis, model),
        user=_user(analysis, inputs),
        tool_name=analysis.tool_name,
        tool_description=analysis.description,
        tool_schema=analysis.output_schema,
        max_tokens=parameters["max_tokens"],
        temperature=parameters["temperature"],
    )


def _system(analysis: AnalysisType, model: ModelSpec) -> str:
    if model.answers_by is not AnswersBy.AUTO_TOOL:
        return analysis.instructions
    return (
        f"{analysis.instructions}\n- Call the tool {analysis.tool_name} right away, without text before it; "
        "if you cannot call it, answer with nothing but one JSON object that fits its input schema."
    )


def _user(analysis: AnalysisType, inputs: TitleInputs) -> str:
    lines = [f"manga_id: {without_brackets(inputs.manga_id)}"]
    lines += [f"{name}: {_field(value)}" for name, value in _said_once(inputs.fields).items()]
    blocks = [_block("title", "\n".join(lines))]
    if analysis.needs_candidates:
        blocks.append(_block("candidates", candidate_lines(inputs.candidates, inputs.fields)))
    if inputs.additional_context:
        blocks.append(_block("additional_context", without_brackets(inputs.additional_context)))
    return "\n".join((*blocks, analysis.request))


def _said_once(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the prompt says before: a Japanese title that is the title, labels of two lists.

    The fingerprint has all fields: what is left out here is there already, so no answer depends on it.
    """
    once = dict(fields)
    if "title_ja" in fields and folded(fields["title_ja"]) == folded(fields.get("title", "")):
        del once["title_ja"]
    said: set[str] = set()
    for name in LABEL_FIELDS:
        new = [label for label in fields.get(name, ()) if folded(label) not in said]
        said.update(map(folded, new))
        once = {key: tuple(new) if key == name else value for key, value in once.items() if key != name or new}
    return once


def _block(tag: str, text: str) -> str:
    return f"<{tag}>\n{text}\n</{tag}>"


def _field(value: Any) -> str:
    return without_brackets(joined(value)).replace("\n", "\n  ")


def _clean(name: str, value: Any) -> str | tuple[str, ...]:
    if isinstance(value, tuple):
        items = [one_line(item if isinstance(item, str) else _author(item)) for item in value]
        return tuple(filter(None, items))
    if name in _MULTILINE:
        return cut_at_sentence(_clean_text(value), MAX_SYNOPSIS_CHARACTERS)
    return one_line(value if isinstance(value, str) else str(value))


_remembered = lru_cache(maxsize=1024)(_clean)


def _author(author: object) -> str:
    if not isinstance(author, Author):
        return str(author)
    return f"{author.name} ({author.role})" if author.role else author.name


def _clean_text(text: str) -> str:
    """NFC, no white space at either end, single line breaks."""
    text = unicodedata.normalize("NFC", text).strip()
    if len(text.splitlines()) <= 1:
        return text
    lines = text.split("\n")
    if all(map(str.isprintable, lines)):  # the only white space is " "; the pattern would try each
        return "\n".join(filter(None, map(str.strip, lines)))
    return _LINE_BREAK.sub("\n", text)
