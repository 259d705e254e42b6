#!/usr/bin/env bash
# One would guess: a search engine finds a document by the very word that it consists of, however long the word is.
# True: tantivy's default tokenizer drops, without a word, what has 40 *bytes* or more. Japanese has no spaces and three
#   bytes a letter, so a title of 13 letters is found and one of 14 is not: it is stored and counted, and no term leads
#   to it. The query is cut by the same rule, so a search for it asks for nothing and is no error either.
# Why it matters here: many titles are longer than that. Our index is given ready-made terms (words and
#   n-grams) in a field with the tokenizer `raw`, never a title as text.
# Seen with tantivy 0.27.0:
#   13 letters, 39 bytes: default finds 1, raw finds 1;  14 letters, 42 bytes: default finds 0, raw finds 1
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tantivy==0.27.0

"$folder/venv/bin/python" - <<'EOF'
from importlib.metadata import version

import tantivy

TITLES = ("あ" * 13, "い" * 14, "a" * 39, "b" * 40)


def found(tokenizer):
    """For each title how many documents a search for it finds, how many hold it as a term, and the parsed query."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("title", stored=True, tokenizer_name=tokenizer)
    index = tantivy.Index(builder.build())
    writer = index.writer()
    for title in TITLES:
        writer.add_document(tantivy.Document(title=title))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    assert searcher.num_docs == len(TITLES)
    queries = [index.parse_query(title, ["title"]) for title in TITLES]
    return [
        (searcher.search(query).count, searcher.doc_freq("title", title), "EmptyQuery" in repr(query))
        for title, query in zip(TITLES, queries, strict=True)
    ]


default, raw = found("default"), found("raw")
print(f"tantivy {version('tantivy')}: (found, documents with the term, nothing was asked)")
for title, by_default, by_raw in zip(TITLES, default, raw, strict=True):
    print(f"{len(title)} letters, {len(title.encode())} bytes: default {by_default}, raw {by_raw}")
assert default == [(1, 1, False), (0, 0, True), (1, 1, False), (0, 0, True)], default
assert raw == [(1, 1, False)] * 4, raw
EOF
