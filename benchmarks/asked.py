"""Questions in words: how often the title that was meant is found, and the CPU of an answer.

Run: python -m benchmarks.asked --rows 200000. The titles are those that retrieval is measured on (`related_titles.py`);
each kind of question spoils some of them in its way. Beside them stands the sample catalog, which the questions of
`data/labels/questions.jsonl` are about: what of that a conversation is shown.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from benchmarks.related_titles import strangers
from benchmarks.report import Row, show
from benchmarks.window import peak_rss_bytes
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.pipeline.candidates.asking import Asking
from manga_enrichment.pipeline.candidates.building import MatrixWriter
from manga_enrichment.pipeline.candidates.folding import kana_of
from manga_enrichment.pipeline.candidates.lists import empty_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE
from manga_enrichment.pipeline.partner.shelf import Shelf

ASKED = 200
DATA = Path(__file__).resolve().parents[1] / "data"
Spoil = Callable[[MangaRecord, random.Random], str | None]
"""A question for a title; None where it has none of this kind."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="titles in the catalog")
    options = parser.parse_args()
    kept: list[MangaRecord] = []
    with tempfile.TemporaryDirectory() as folder:
        with MatrixWriter(Path(folder)) as writer:
            writer.add((record, 0) for record in chain(_sampled(options.rows, kept), _sample_catalog()))
            matrix = writer.finish({})
        lists = empty_lists(matrix)
        lists.members[:] = NO_TITLE  # lists are not asked for here
        started = time.process_time()
        asking = Asking(lists)
        opened = time.process_time() - started
        asking.find("the first question maps the files")
        rows = [_measured(asking, kind, spoil, kept) for kind, spoil in KINDS.items()]
        conversations = _conversations(asking)
    show(f"asked in words, {options.rows} titles", rows)
    show("questions of conversations", conversations)
    print(f"lists by term: {opened:.1f} s of CPU, once a machine; peak memory {peak_rss_bytes() / 1e6:.0f} MB")


def _sample_catalog() -> Iterator[MangaRecord]:
    lines = (DATA / "catalog" / "sample.jsonl").read_text("utf-8").splitlines()
    records = (clean_row(json.loads(line), number) for number, line in enumerate(lines))
    return (record for record in records if isinstance(record, MangaRecord))


class _NoTables:
    """Nothing was asked of a model yet."""

    def read(self, _key: str, _columns: Sequence[str] | None = None) -> None:
        return None


def _conversations(asking: Asking) -> list[Row]:
    """Of the titles that questions are about, the share that is shown; of questions about none, those shown none."""
    shelf, found, wanted, quiet, about_nothing = Shelf(_NoTables(), lambda: asking, 1), 0, 0, 0, 0
    for line in (DATA / "labels" / "questions.jsonl").read_text("utf-8").splitlines():
        question = json.loads(line)
        titles = shelf.titles("manga_query", {"query": question["question"], "model": "haiku"}, ())
        shown = {title.manga_id for title in titles or ()}
        found += len(shown & set(question["manga_ids"]))
        wanted += len(question["manga_ids"])
        about_nothing += not question["manga_ids"]
        quiet += not question["manga_ids"] and not shown
    return [
        {"titles": "asked about", "of": wanted, "share": round(found / wanted, 3)},
        {"titles": "none, and none shown", "of": about_nothing, "share": round(quiet / about_nothing, 3)},
    ]


def _sampled(rows: int, kept: list[MangaRecord]) -> Iterator[MangaRecord]:
    """All titles; every so many-th is kept to be asked for."""
    step = max(1, rows // (10 * ASKED))
    step += step % 3 == 0  # every third title is of one language
    for number, row in enumerate(strangers(rows)):
        record = clean_row(row, number)
        if isinstance(record, MangaRecord):
            if number % step == 0:
                kept.append(record)
            yield record


def _measured(
    asking: Asking, kind: str, spoil: Callable[[MangaRecord, random.Random], str | None], kept: list[MangaRecord]
) -> Row:
    rng = random.Random(7)
    places, cpu_ms = [], []
    for record in kept:
        question = spoil(record, rng)
        if question is None or len(places) == ASKED:
            continue
        started = time.process_time()
        found = [each.manga_id for each in asking.find(question)]
        cpu_ms.append(1_000 * (time.process_time() - started))
        places.append(found.index(record.manga_id) if record.manga_id in found else -1)
    return {
        "question": kind,
        "asked": len(places),
        "hit_at_1": round(sum(place == 0 for place in places) / len(places), 3),
        "hit_at_10": round(sum(place >= 0 for place in places) / len(places), 3),
        "median_cpu_ms": round(statistics.median(cpu_ms), 1),
        "p95_cpu_ms": round(statistics.quantiles(cpu_ms, n=20)[-1], 1),
    }


def _reading(record: MangaRecord, _rng: random.Random) -> str | None:
    return record.title_kana


def _romaji(record: MangaRecord, _rng: random.Random) -> str | None:
    """Of titles that have it nowhere."""
    typed = None if record.synonyms else latin_of(record.title_kana or "")
    return typed if typed and kana_of(typed) else None


def latin_of(kana: str) -> str | None:
    """Hepburn for plain hiragana; None for what it does not know."""
    letters = [_LATIN.get(sign) for sign in kana]
    return "".join(letter for letter in letters if letter) if all(letters) else None


_LATIN = {
    kana: f"{start}{vowel}"
    for start, row in zip(
        ("", "k", "s", "t", "n", "h", "m", "r", "g", "z", "d", "b", "p"),
        (
            "あいうえお",
            "かきくけこ",
            "さしすせそ",
            "たちつてと",
            "なにぬねの",
            "はひふへほ",
            "まみむめも",
            "らりるれろ",
            "がぎぐげご",
            "ざじずぜぞ",
            "だぢづでど",
            "ばびぶべぼ",
            "ぱぴぷぺぽ",
        ),
        strict=True,
    )
    for vowel, kana in zip("aiueo", row, strict=True)
} | {
    "し": "shi",
    "ち": "chi",
    "つ": "tsu",
    "ふ": "fu",
    "じ": "ji",
    "や": "ya",
    "ゆ": "yu",
    "よ": "yo",
    "わ": "wa",
    "ん": "n",
}


def _cut(record: MangaRecord, _rng: random.Random) -> str | None:
    title = record.title_ja or ""
    return title[: -(-len(title) * 3 // 5)] if len(title) >= 4 else None


def _letter_missing(record: MangaRecord, rng: random.Random) -> str | None:
    title = record.title_en or ""
    at = rng.randrange(1, max(2, len(title) - 1))
    return title[:at] + title[at + 1 :] if len(title) >= 8 else None


def _word_missing(record: MangaRecord, rng: random.Random) -> str | None:
    words = (record.title_en or "").split()
    words.pop(rng.randrange(len(words))) if len(words) > 2 else words.clear()
    return " ".join(words) or None


def _with_author(record: MangaRecord, _rng: random.Random) -> str | None:
    return f"{record.title} {record.authors[0].name}" if record.authors else None


KINDS: Mapping[str, Spoil] = {
    "whole reading": _reading,
    "reading in romaji": _romaji,
    "Japanese title, first 60 %": _cut,
    "English title, a letter missing": _letter_missing,
    "English title, a word missing": _word_missing,
    "title and author": _with_author,
}


if __name__ == "__main__":
    main()
