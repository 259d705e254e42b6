"""For whom a title is: by its rating, its demographic, its magazine, its words, in this order.

Belongs here: what ratings, demographics and magazine names say about readers. Stays out: the schema.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from manga_enrichment.local.model_server.answers.genres import Reading, plain_text
from manga_enrichment.local.model_server.answers.summaries import content_warnings
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt

_YOUNGEST = {"kids": 6, "teen": 12, "adult": 16, "mature": 18}


def _rules(*rules: tuple[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((level, re.compile(pattern)) for level, pattern in rules)


# The first rule that finds something decides, so the strict ones stand first.
_RATINGS = _rules(
    ("mature", r"r ?-?18|18\+|x rated|adults? only|mature|explicit|erotica|pornographic|hentai|成人|アダルト"),
    ("adult", r"r ?-?1[567]|1[67]\+|suggestive|older teen|questionable|青年"),
    ("teen", r"teen|1[2345]\+|pg ?-?1[23]|youth"),
    ("kids", r"all ages|everyone|general|kids|children|safe|全年齢|\bg\b|[67]\+|児童"),
)
_DEMOGRAPHICS = _rules(
    ("mature", r"hentai|成人|adults? only|erotic"),
    ("kids", r"kodomo|kids|children|児童|幼年|子供|子ども"),
    ("adult", r"seinen|josei|青年|女性|大人|ladies"),
    ("teen", r"sh[oō]u?nen|sh[oō]u?jo|少年|少女|teen|boys|girls"),
)
_MAGAZINES = _rules(
    ("mature", r"快楽天|comic ?x|ペンギンクラブ|失楽天|成人"),
    ("kids", r"コロコロ|corocoro|ボンボン|comic bom|ちゃお|ciao|なかよし|nakayoshi|りぼん|ribon|小学|幼稚園|児童"),
    (
        "adult",
        r"ヤング|young|モーニング|morning|アフタヌーン|afternoon|イブニング|evening|ビーム|ハルタ|harta|ultra",
    ),
    (
        "adult",
        r"ビッグコミック|big comic|スピリッツ|spirits|ゴラク|goraku|グランドジャンプ|grand jump|青年|seinen",
    ),
    (
        "adult",
        r"フィール|feel|\bkiss\b|be.?love|ココハナ|cocohana|プチコミック|office you|レディ|女性|josei|漫画アクション",
    ),
    ("teen", r"少年|少女|sh[oō]u?nen|sh[oō]u?jo|jump|ジャンプ|マガジン|magazine|サンデー|sunday|チャンピオン|champion"),
    (
        "teen",
        r"ガンガン|gangan|エース|\bace\b|マーガレット|margaret|花とゆめ|フレンド|friend|ララ|lala|シリウス",
    ),
)
_EXPLICIT = {"sexual_content", "sexual_violence"}
_HARSH = {"gore", "self_harm", "abuse", "nudity", "substance_use", "disturbing_imagery"}
_GROWN_UP_GENRES = {"psychological", "crime", "workplace", "horror", "war", "thriller"}
_WARNINGS = ("violence", *sorted(_EXPLICIT | _HARSH))


@dataclass(frozen=True, slots=True)
class Audience:
    """level is kids, teen, adult or mature; min_age in years; basis names the evidence; confidence is 0 to 1."""

    level: str
    min_age: int
    basis: str
    confidence: float


def read_audience(title: TitlePrompt, reading: Reading) -> Audience:
    """The reading level by the strongest evidence that the title has."""
    for basis, text, rules, confidence in (
        ("content_rating", title.text("content_rating"), _RATINGS, 0.95),
        ("demographics", title.text("demographics"), _DEMOGRAPHICS, 0.85),
        ("magazine", title.text("magazines", "publisher"), _MAGAZINES, 0.8),
    ):
        level = _first(rules, plain_text(text)) if text else None
        if level is not None:
            return Audience(level, _YOUNGEST[level], basis, confidence)
    if title.synopsis:
        return _by_synopsis(title, reading)
    basis = next((name for name, fields in _FIELDS.items() if title.text(*fields)), "genres")
    level = _by_genres(reading)
    return Audience(level, _YOUNGEST[level], basis, 0.4)


_FIELDS = {
    "genres": ("publisher_genres", "themes"),
    "magazine": ("magazines", "publisher"),
    "demographics": ("demographics",),
    "content_rating": ("content_rating",),
}


def _first(rules: Sequence[tuple[str, re.Pattern[str]]], text: str) -> str | None:
    return next((level for level, pattern in rules if pattern.search(text)), None)


def _by_synopsis(title: TitlePrompt, reading: Reading) -> Audience:
    warnings = content_warnings(title, _WARNINGS, len(_WARNINGS))
    if _EXPLICIT.intersection(warnings):
        return Audience("mature", 18, "synopsis", 0.7)
    if _HARSH.intersection(warnings):
        return Audience("adult", 16, "synopsis", 0.65)
    level = _by_genres(reading)
    return Audience(level, _YOUNGEST[level], "synopsis", 0.5)


def _by_genres(reading: Reading) -> str:
    strongest = next(iter(reading.scores), "")
    return "adult" if strongest in _GROWN_UP_GENRES else "teen"
