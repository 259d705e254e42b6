"""Titles and their answers as pages on this machine: `manga-enrichment browse`, read-only but for `edit/`.

    local_copy ─► tables ─► title_index ─► search, title_page ─► pages ─► app ─► server
                     └────► sql_worker (a process of its own) ◄─ sql_box ◄─ analysts/guarded_sql

Belongs here: the copy of the published tables on this disk, questions to it, pages. Stays out: which tables there are
(`pipeline/publish/tables.py`), settings and clients (`cli/browse.py`).
"""
