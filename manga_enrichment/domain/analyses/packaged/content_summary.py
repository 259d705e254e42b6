"""Rules of `content_summary.toml`: the language of a summary is that of its synopsis."""

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs
from manga_enrichment.domain.analyses.text import japanese_share

MOSTLY_JAPANESE = 0.5
"""From this share of kana and kanji on, a text is Japanese; a single Japanese name does not make it so."""


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    """Only texts that are clearly Japanese or clearly not are judged; mixed ones may go either way."""
    problems = []
    source_share = japanese_share(str(inputs.fields.get("synopsis", "")))
    summary_ja = answer["summary_ja"]
    if japanese_share(answer["summary_en"]) >= MOSTLY_JAPANESE:
        problems.append("summary_en: is written in Japanese")
    if summary_ja is None and source_share >= MOSTLY_JAPANESE:
        problems.append("summary_ja: missing although the synopsis is Japanese")
    if summary_ja is not None and source_share == 0.0:
        problems.append("summary_ja: must be null, the synopsis is not Japanese")
    if summary_ja is not None and japanese_share(summary_ja) < MOSTLY_JAPANESE:
        problems.append("summary_ja: is not written in Japanese")
    return problems


RULES = Rules(check=_check)
