"""MemoryTables that keep every version, as our bucket does, and age by the rules of infra/storage.yaml."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq

from manga_enrichment.gateways.clock import Clock
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.infra.templates import read_template


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """body: None for a delete marker."""

    version_id: str
    body: bytes | None
    kept_as: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Expiry:
    """One lifecycle rule that ends objects."""

    prefix: str
    kept_as: str
    days: int

    def takes(self, key: str, kept_as: str) -> bool:
        return key.startswith(self.prefix) and self.kept_as in ("", kept_as)


def expiries() -> list[Expiry]:
    """Those of the bucket, with the defaults of the template's parameters."""
    template = read_template("storage.yaml")
    rules = template["Resources"]["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    return [
        Expiry(rule["Prefix"], _tag(rule), default(template, rule["ExpirationInDays"]))
        for rule in rules
        if "ExpirationInDays" in rule
    ]


def noncurrent_days() -> int:
    template = read_template("storage.yaml")
    rules = template["Resources"]["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (rule,) = (each for each in rules if "NoncurrentVersionExpiration" in each)
    return default(template, rule["NoncurrentVersionExpiration"]["NoncurrentDays"])


def default(template: dict[str, Any], value: Any) -> int:
    """Of a number, or of a parameter that is referred to."""
    return int(template["Parameters"][value["!Ref"]]["Default"] if isinstance(value, dict) else value)


def _tag(rule: dict[str, Any]) -> str:
    return "".join(tag["Value"] for tag in rule.get("TagFilters", ()))


class VersionedTables(MemoryTables):
    """versions: by key, oldest first; the last one is current."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.versions: dict[str, list[KeptVersion]] = {}
        self._clock = clock
        self._ids = itertools.count(1)

    def _put(
        self, key: str, body: bytes, *, expected_etag: str | None = None, new: bool = False, kept_as: str = ""
    ) -> str:
        etag = super()._put(key, body, expected_etag=expected_etag, new=new)
        self._add(key, body, kept_as)
        return etag

    def hide(self, key: str) -> None:
        """Put a delete marker over an object."""
        del self.objects[key]
        self._add(key, None, "")

    def delete(self, key: str) -> None:
        if key in self.objects:
            self.hide(key)

    def drop(self, key: str, version_id: str) -> None:
        """Remove one version for good; what stood under the last one shows again."""
        left = [each for each in self.versions.get(key, []) if each.version_id != version_id]
        self.versions[key] = left
        self.objects.pop(key, None)
        if left and left[-1].body is not None:
            self.objects[key] = left[-1].body

    def age(self) -> None:
        """Do what the bucket's lifecycle rules have done by now."""
        now, rules, rest = self._clock.now(), expiries(), timedelta(days=noncurrent_days())
        for key, versions in list(self.versions.items()):
            kept = []
            for each, following in itertools.zip_longest(versions, versions[1:]):
                days = [rule.days for rule in rules if rule.takes(key, each.kept_as)]
                ends = [each.written_at + timedelta(days=min(days))] if days else []
                hidden_at = min([*ends, *([following.written_at] if following else [])], default=None)
                if hidden_at is None or hidden_at + rest > now:
                    kept.append(each)
                if following is None and hidden_at is not None and hidden_at <= now:
                    self.objects.pop(key, None)
            self.versions[key] = kept

    def holding(self, text: str) -> list[str]:
        """Keys of objects of which any version holds a text, in its key or in what it says."""
        return sorted({key for key, said in self._said() if text in key or text in said})

    def _said(self) -> Iterator[tuple[str, str]]:
        for key, versions in self.versions.items():
            yield from ((key, readable(key, each.body)) for each in versions if each.body is not None)

    def _add(self, key: str, body: bytes | None, kept_as: str) -> None:
        version = KeptVersion(f"v{next(self._ids)}", body, kept_as, self._clock.now())
        self.versions.setdefault(key, []).append(version)


def readable(key: str, body: bytes) -> str:
    """What an object says, Parquet as text."""
    if key.endswith(".parquet"):
        return str(pq.read_table(io.BytesIO(body)).to_pylist())
    return body.decode()
