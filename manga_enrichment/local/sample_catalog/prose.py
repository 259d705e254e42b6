"""Titles and synopses from the vocabulary, and the dirt that real catalogs have in them.

Belongs here: sentence skeletons are filled, joined and soiled. Stays out: the words (`vocabulary_*.toml`) and all other
fields (`generator.py`).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from manga_enrichment.local.sample_catalog.dice import Dice
from manga_enrichment.local.sample_catalog.vocabulary import GenreWords, Language

_LONG_SHARE = 0.06
_LONG_CHAPTERS = (6, 24)


@dataclass(frozen=True, slots=True)
class Title:
    """A title and its reading in kana ("" in English)."""

    text: str
    reading: str


def make_title(dice: Dice, language: Language) -> Title:
    """One title; forms and words are few enough for titles to repeat, as they do in real catalogs."""
    form = dice.pick(language.title_forms)
    first, adjective = dice.pick(language.first_names), dice.pick(language.adjectives)
    word, word2 = dice.sample(language.words, 2)
    number = str(dice.between(2, 9))
    parts = {"first": first, "adjective": adjective, "word": word, "word2": word2, "noun": word, "noun2": word2}
    return Title(
        form.format(number=number, **{name: part[0] for name, part in parts.items()}),
        _kana(form).format(**{name: part[1] for name, part in parts.items()}) if first[1] else "",
    )


def _kana(form: str) -> str:
    """The fixed words of the Japanese title forms as read."""
    return form.replace("の", "ノ").replace("と", "ト").replace("くん", "クン").replace("編", "ヘン")


def make_synopsis(dice: Dice, language: Language, genres: Sequence[str], people: tuple[str, str]) -> str:
    """Readable prose of which the first genre carries most; people are the hero and the rival."""
    words = language.genres[genres[0]]
    hero, rival = people if dice.chance(0.5) else (people[0].split(" ")[0], people[1])
    slots = {
        "hero": hero,
        "rival": rival,
        "role": dice.pick(words.roles),
        "place": dice.pick(words.places),
        "thing": dice.pick(words.things),
    }
    sentences = [dice.pick(language.openings), *dice.sample(words.hooks, dice.between(1, 2))]
    if dice.chance(0.6):
        sentences.append(dice.pick(language.links))
    sentences += dice.sample(words.turns, dice.between(1, 2))
    if len(genres) > 1:
        sentences.append(dice.pick(language.genres[genres[1]].turns))
    sentences.append(dice.pick(language.closings))
    gap = " " if language.first_names[0][1] == "" else ""
    text = gap.join(sentence for sentence in sentences if sentence).format(**slots)
    if dice.chance(_LONG_SHARE):
        text += _further_chapters(dice, words, slots, gap)
    return text


def _further_chapters(dice: Dice, words: GenreWords, slots: dict[str, str], gap: str) -> str:
    """Paragraphs as publishers append for long series."""
    paragraphs = []
    for _ in range(dice.between(*_LONG_CHAPTERS)):
        slots = {**slots, "place": dice.pick(words.places), "thing": dice.pick(words.things)}
        paragraphs.append(gap.join((dice.pick(words.hooks), dice.pick(words.turns))).format(**slots))
    return "\n\n" + "\n\n".join(paragraphs)


def soil(dice: Dice, text: str, language: Language) -> str:
    """The text as a source would deliver it: nearly always with an attribution, at times with worse."""
    if dice.chance(0.82):
        text += dice.pick(("\n\n", "\n", " ")) + dice.pick(language.attributions)
    if dice.chance(0.05):
        text = text.replace("'", "&#39;").replace('"', "&quot;").replace("—", "&mdash;").replace("。", "。&nbsp;")
    if dice.chance(0.04):
        text = f"<p><i>{text.replace(chr(10), '<br />')}</i></p>"
    if dice.chance(0.03):
        place = dice.between(0, len(text))
        text = text[:place] + dice.pick(("\x07", "\u200b", "\x00", "\ufeff", "\r\n", "\u3000\u3000")) + text[place:]
    if dice.chance(0.02):
        text = unicodedata.normalize("NFD", text)
    return text
