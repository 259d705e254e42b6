"""Input tokens by part and what they cost, of this tree and of an earlier commit over the same titles and lists.

    python -m benchmarks prompts [--titles 500] [--before f480ff3] [--analysis full_enrichment]

Tokens are this tree's estimate of both sides' texts. The fixed part counts as read from the cache, as all but the first
call of five minutes are billed where the model's cache takes so short a text; `plain` is without a cache.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.labels import SHIPPED, read_labels, read_titles, recalls
from benchmarks.report import Row, show
from benchmarks.retrieval import drawn, strange_titles
from benchmarks.support import REPOSITORY, checked_out
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.prompts.prompt_tokens import TOOL_USE_TOKENS
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.local.sample_catalog import generate

BEFORE = "f480ff3"
SAMPLE = REPOSITORY / "data" / "catalog" / "sample.jsonl"
PARTS = ("title", "ids", "names", "hints", "rest")
REAL_SYNOPSIS_CHARACTERS = (60, 150, 300, 500, 750, 1_000, 1_400, 2_000)
"""As published exports have them, Japanese ones at half: drawn with equal chance."""
_MORE_LABELS = ("Adventure", "Supernatural", "School", "Slice of Life", "Psychological", "Historical", "Workplace")
_MORE_LABELS_JA = ("冒険", "超自然", "学園", "日常", "心理", "歴史", "職場")


def main() -> None:
    """Print the tables and the JSON lines; exit code 1 when a list or a fingerprint is another one than before."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--titles", type=int, default=1_000, help="of the generated catalog of real lengths")
    parser.add_argument("--before", default=BEFORE, help="commit to compare with; none: this tree alone")
    parser.add_argument("--analysis", default="full_enrichment")
    given = parser.parse_args()
    catalogs = {"sample": _sample(), "real lengths": list(_of_real_lengths(given.titles)), "labelled": _labelled()}
    rows: list[Row] = []
    kept = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = nullcontext() if given.before == "none" else checked_out(given.before, folder / "tree")
        with tree as before:
            for catalog, records in catalogs.items():
                lists = drawn(records, [record.manga_id for record in records]).lists
                trees = {**({"before": before} if before else {}), "now": REPOSITORY}
                said = {tree: _prompts(path, records, lists, given.analysis, folder) for tree, path in trees.items()}
                rows += [row for tree in said for row in _rows(catalog, tree, said[tree], given.analysis)]
                kept &= len({_identity(each) for each in said.values()}) == 1
    show("prompts", rows)
    print(f"ids shown and fingerprints as before: {'yes' if kept else 'NO'}")
    sys.exit(0 if kept else 1)


def _sample() -> list[MangaRecord]:
    return _records(orjson.loads(line) for line in SAMPLE.read_bytes().splitlines())


def _labelled() -> list[MangaRecord]:
    return [*read_titles(SHIPPED / "titles.jsonl"), *strange_titles(2_000)]


def _records(rows: Iterator[Any]) -> list[MangaRecord]:
    cleaned = (clean_row(row, number) for number, row in enumerate(rows, 1))
    return list({each.manga_id: each for each in cleaned if isinstance(each, MangaRecord)}.values())


def _of_real_lengths(titles: int) -> Iterator[MangaRecord]:
    """Generated titles whose synopses, lists of labels and lists of authors are as long as real catalogs have them."""
    dice = random.Random(19)
    generated = _records(title.row for title in generate(titles * 3, seed=19))
    texts: dict[bool, list[str]] = {True: [], False: []}
    for each in generated:
        texts[_japanese(each)] += [each.synopsis] if each.synopsis else []
    for record in generated[:titles]:
        japanese = _japanese(record)
        wanted = dice.choice(REAL_SYNOPSIS_CHARACTERS) // (2 if japanese else 1)
        text = record.synopsis or ""
        while record.synopsis and len(text) < wanted:
            text += ("" if japanese else " ") + str(dice.choice(texts[japanese]))
        more = tuple(dice.sample(_MORE_LABELS_JA if japanese else _MORE_LABELS, dice.randint(1, 4)))
        yield replace(record, synopsis=text[:wanted] or None, themes=record.themes + more)


def _japanese(record: MangaRecord) -> bool:
    return not record.title.isascii()


def _prompts(
    tree: Path, records: Sequence[MangaRecord], lists: Mapping[str, Sequence[str]], analysis: str, folder: Path
) -> list[dict[str, Any]]:
    """What `parts.py` prints, by that tree's modules."""
    files = [folder / "catalog.jsonl", folder / "lists.json"]
    files[0].write_bytes(b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records))
    files[1].write_bytes(orjson.dumps(lists))
    script = Path(__file__).with_name("parts.py")
    command = [sys.executable, str(script), *map(str, files), analysis]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _rows(catalog: str, tree: str, said: Sequence[Mapping[str, Any]], analysis: str) -> Iterator[Row]:
    fixed = TOOL_USE_TOKENS + sum(map(estimate_tokens, said[0]["fixed"]))
    price = load_models().resolve(packaged_analyses().get(analysis).model_alias).price
    for kind, chosen in (("all", said[1:]), ("Japanese", [each for each in said[1:] if _is_japanese(each)])):
        tokens = Counter[str]()
        for each in chosen:
            tokens.update(_tokens(each))
        mean = {part: tokens[part] / max(1, len(chosen)) for part in PARTS}
        own = sum(mean.values())
        cached = fixed * (price.cache_read_micro_usd or 0) + own * price.input_micro_usd
        plain = (fixed + own) * price.input_micro_usd
        yield {
            "catalog": catalog,
            "titles": f"{kind}, {len(chosen)}",
            "tree": tree,
            "fixed": fixed,
            **{part: round(value) for part, value in mean.items()},
            "own": round(own),
            "usd_per_million_titles": round(cached / 1e6),
            "without_cache": round(plain / 1e6),
            "recall_at_20": _recall(chosen) if catalog == "labelled" and kind == "all" else None,
        }


def _is_japanese(prompt: Mapping[str, Any]) -> bool:
    title = next((line for line in prompt["title"].splitlines() if line.startswith("title: ")), "")
    return not title.isascii()


def _tokens(prompt: Mapping[str, Any]) -> dict[str, int]:
    cells = [[*line.split(" | ", 2), "", ""][:3] for line in prompt["candidates"].splitlines()]
    parts = {part: "\n".join(row[place] for row in cells) for place, part in enumerate(("ids", "names", "hints"))}
    parts |= {"title": prompt["title"], "rest": prompt["rest"]}
    return {part: estimate_tokens(text) for part, text in parts.items()}


def _ids(prompt: Mapping[str, Any]) -> list[str]:
    return [line.partition(" | ")[0] for line in prompt["candidates"].splitlines() if line.startswith("MNG-")]


def _recall(prompts: Sequence[Mapping[str, Any]]) -> float:
    lists = {each["id"]: _ids(each) for each in prompts}
    found = recalls(lists, read_labels(SHIPPED / "relations.jsonl"), frozenset(lists))
    return round(sum(found.values()) / len(found), 3)


def _identity(said: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([[each["id"], _ids(each), each["fingerprint"]] for each in said[1:]])


if __name__ == "__main__":
    main()
