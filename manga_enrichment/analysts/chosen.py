"""Titles that a query chooses.

Belongs here: from what a person says to ids. Stays out: asking (`session.py`), which queries may be asked
(`guarded_sql.py`).
"""

import re

from manga_enrichment.analysts.plain import QueryError
from manga_enrichment.analysts.session import SqlSession

_SELECT = re.compile(r"[\s(]*(?:select|with)\b", re.IGNORECASE)


def chosen_ids(session: SqlSession, where: str) -> list[str]:
    """In the query's order, each once. where: a condition on `enriched_catalog`, or a SELECT that gives `manga_id`.

    Raises QueryError, also when it chooses nothing; ConfigurationError.
    """
    is_whole = _SELECT.match(where) is not None
    condition = f"SELECT manga_id FROM enriched_catalog WHERE ({where}\n) ORDER BY manga_id"  # noqa: S608 (guarded)
    found = session.query(where if is_whole else condition)
    if "manga_id" not in found.column_names:
        raise QueryError(f"It gives {', '.join(found.column_names)}: it has to give manga_id.")
    ids = [str(each) for each in dict.fromkeys(found.column("manga_id").to_pylist()) if each is not None]
    if not ids:
        raise QueryError("No title fits, so nothing was asked.")
    return ids
