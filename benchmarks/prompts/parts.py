"""The prompts that the checkout in PYTHONPATH makes of a catalog and its candidate lists.

Belongs here: what runs in an earlier commit's tree as well, so nothing of `benchmarks`. Stays out: counting, comparing.

Run: PYTHONPATH=CHECKOUT python benchmarks/prompts/parts.py CATALOG LISTS ANALYSIS. CATALOG has JSON lines of rows,
LISTS is JSON {id: [ids]}. Prints JSON lines: first the fixed texts, then of each title its id and its blocks' texts.
"""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.prompts.candidates import candidate_of
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs

_BLOCK = re.compile(r"<(\w+)>\n(.*?)\n?</\1>", re.DOTALL)


def main(catalog: Path, lists_file: Path, name: str) -> None:
    analysis = packaged_analyses().get(name)
    model = _loader()().resolve(analysis.model_alias)
    rows = (clean_row(json.loads(line), number) for number, line in enumerate(catalog.open(encoding="utf-8"), 1))
    records = {each.manga_id: each for each in rows if isinstance(each, MangaRecord)}
    shown = {manga_id: candidate_of(record) for manga_id, record in records.items()}
    lists: dict[str, list[str]] = json.loads(lists_file.read_text("utf-8"))
    for number, (manga_id, candidates) in enumerate(lists.items()):
        inputs = title_inputs(analysis, records[manga_id], [shown[each] for each in candidates])
        prompt = build_prompt(analysis, inputs, model)
        if not number:
            schema = json.dumps(prompt.tool_schema, separators=(",", ":"), ensure_ascii=False)
            print(json.dumps({"fixed": [prompt.system, prompt.tool_description, schema], "model": model.model_id}))
        blocks = dict(_BLOCK.findall(prompt.user))
        rest = _BLOCK.sub("", prompt.user)
        print(json.dumps({"id": manga_id, **blocks, "rest": rest, "fingerprint": fingerprint(analysis, model, inputs)}))


def _loader() -> Any:
    """Where the versions since f480ff3 keep it."""
    try:
        return import_module("manga_enrichment.domain.models.loading").load_models
    except ModuleNotFoundError:
        return import_module("manga_enrichment.domain.models.specs").load_models


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
