"""The tables as analysts want them: a frame of pandas each, and SQL that reads nothing else.

Belongs here: asking in SQL, shipped questions, frames. Stays out: commands (`manga_enrichment/cli/sql`), pages.
"""

from manga_enrichment.analysts.frames import load

__all__ = ["load"]
