"""One title of the catalog: identity, fields, bucket.

Belongs here: `MangaRecord`, its id rule, the bucket of a title. Stays out: the published columns
(`columns.py`), cleaning of raw rows (`rows.py`), the content hash (`domain/prompts/fingerprint.py`), reading files
(`pipeline/catalog/source_files.py`).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

MANGA_ID_PATTERN = r"^MNG-[A-Z0-9]{8}\Z"
MANGA_ID = re.compile(MANGA_ID_PATTERN)
MAX_CATALOG_BUCKETS = 1024


@dataclass(frozen=True, slots=True)
class Author:
    """A person and what they did ("story", "art", ...); names may contain commas."""

    name: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class MangaRecord:
    """A catalog row after normalisation: NFC text, no control characters, empty values as None or ()."""

    manga_id: str
    title: str
    title_ja: str | None = None
    title_kana: str | None = None
    title_en: str | None = None
    synonyms: tuple[str, ...] = ()
    authors: tuple[Author, ...] = ()
    publisher: str | None = None
    magazines: tuple[str, ...] = ()
    isbn13: str | None = None
    publisher_genres: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    demographics: tuple[str, ...] = ()
    content_rating: str | None = None
    type: str | None = None
    synopsis: str | None = None
    volumes: int | None = None
    chapters: int | None = None
    status: str | None = None
    start_year: int | None = None
    source: str | None = None
    source_id: str | None = None
    updated_at: datetime | None = None


def bucket_of(manga_id: str, bucket_count: int) -> str:
    """Bucket key of a title: a stable hash of its id, zero-padded to the width of the largest key.

    The result depends on nothing but the arguments, on any machine and in any Python version.
    """
    digest = hashlib.blake2b(manga_id.encode(), digest_size=8).digest()
    return bucket_key(int.from_bytes(digest, "big") % bucket_count, bucket_count)


def bucket_key(index: int, bucket_count: int) -> str:
    """Key of the bucket with this number, counted from 0."""
    return str(index).zfill(len(str(bucket_count - 1)))


def bucket_keys(bucket_count: int) -> list[str]:
    """All keys in order, for example 8 -> ["0", ..., "7"], 64 -> ["00", ..., "63"]."""
    return [bucket_key(index, bucket_count) for index in range(bucket_count)]
