"""Incidents: what fails is told once, and once more when it works again.

Belongs here: when an incident begins and ends, what an alert says. Pure; the state is a plain document. Stays out:
where signals come from (`defs/operations/finished_runs.py`), sending (`defs/operations/alert_sensor.py`).

A *signal* says that a subject works or fails, for a scope of it: run `nightly_enrichment` for buckets 0 to 7, check
`rows_are_valid` for bucket 3. Failures of one subject for one reason are one incident, however many scopes they hit: an
expired credential is one message, not sixty-four. It is over when every scope that failed has worked again; a signal
without a scope covers all. After 20 quiet hours a failure is a new incident: who forgot the first message gets another.

An alert carries names, numbers, a link and sentences of ours; no texts of partners or models.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS

QUIET = timedelta(hours=20)
MOST_INCIDENTS = 200
MOST_SCOPES = 256
"""Bounds of the state; beyond them the oldest incidents are forgotten, and further scopes are not told apart."""

RUN_DIED = "run_died"
CHECK_FAILED = "check_failed"

ADVICE: Mapping[str, str] = {
    **{error_class.value: step for error_class, step in NEXT_STEPS.items()},
    "ConfigurationError": "mend the setting that the explanation names",
    RUN_DIED: "look at the machine (memory, disk, deploys); nothing needs cleaning up",
    CHECK_FAILED: "open the check: its description has examples, docs/runbook.md says what to do about it",
}
"""By reason what operators do about it: in alerts, and in the failure of a run (`defs/shared/policies.py`)."""
_ADVICE_OTHERWISE = "open the run: the failed op shows its error"
_NOTHING_TO_LAUNCH = frozenset({CHECK_FAILED, ErrorClass.BRAKE.value})
_AGAIN = "Then launch the run again: what was paid for is in the ledger."


@dataclass(frozen=True, slots=True)
class Signal:
    """One subject works or fails.

    subject       the same for the same thing: "run of nightly_enrichment", "check rows_are_valid of reading_level"
    scope         the part of it: a range of partitions; "" for all of it
    where         scope for people, and what else helps to find it
    run_id        "" for what is no run's doing
    reason        error class; "" when it works
    lasts         it is a state, looked at again and again: seen once more it is the same failure
    advice        what to do about it, where that is known better than from the reason
    """

    subject: str
    scope: str
    works: bool
    at: datetime
    run_id: str
    reason: str = ""
    where: str = ""
    explanation: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    lasts: bool = False
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """One open incident. scopes: those that have not worked since they failed."""

    incident_id: str
    subject: str
    reason: str
    opened_at: datetime
    failed_at: datetime
    failures: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. event_id is the same if it is sent twice."""

    event_id: str
    subject: str
    message: str


class Incidents:
    """Open incidents. Feed it signals in the order in which they happened."""

    def __init__(self, base_url: str, open_incidents: Mapping[str, Incident] | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self.open: dict[str, Incident] = dict(open_incidents or {})

    def after(self, signal: Signal) -> list[Alert]:
        """What is to be told because of it: mostly nothing."""
        self.open = {key: each for key, each in self.open.items() if signal.at - each.failed_at < QUIET}
        return self._recoveries(signal) if signal.works else self._failure(signal)

    def _failure(self, signal: Signal) -> list[Alert]:
        key = f"{signal.subject}\n{signal.reason}"
        known = self.open.get(key)
        if known is not None:
            scopes = tuple(dict.fromkeys((*known.scopes, signal.scope)))[:MOST_SCOPES]
            failures = known.failures + (not signal.lasts)
            self.open[key] = replace(known, failed_at=signal.at, failures=failures, scopes=scopes)
            return []
        identity = hashlib.sha256(f"{key}\n{signal.at.isoformat()}".encode()).hexdigest()[:16]
        incident = Incident(identity, signal.subject, signal.reason, signal.at, signal.at, 1, (signal.scope,))
        self.open[key] = incident
        while len(self.open) > MOST_INCIDENTS:
            del self.open[min(self.open, key=lambda each: self.open[each].failed_at)]
        return [self._failed_alert(incident, signal)]

    def _recoveries(self, signal: Signal) -> list[Alert]:
        alerts = []
        for key, incident in list(self.open.items()):
            if incident.subject != signal.subject:
                continue
            left = tuple(scope for scope in incident.scopes if signal.scope and scope != signal.scope)
            if left:
                self.open[key] = replace(incident, scopes=left)
            else:
                del self.open[key]
                alerts.append(self._recovered_alert(incident, signal))
        return alerts

    def _failed_alert(self, incident: Incident, signal: Signal) -> Alert:
        advice = signal.advice or ADVICE.get(signal.reason, _ADVICE_OTHERWISE)
        advice = f"{advice[0].upper()}{advice[1:]}."
        document = {
            "alert": "failed",
            "incident": incident.incident_id,
            "what": signal.subject,
            "where": signal.where or signal.scope,
            "error_class": signal.reason,
            "explanation": signal.explanation,
            "numbers": dict(signal.numbers),
            "what_to_do": advice if signal.reason in _NOTHING_TO_LAUNCH else f"{advice} {_AGAIN}",
            "link": self._link(signal),
            "at": _moment(signal.at),
            "note": "Told once; further failures of the same kind add to this incident. You hear when it works again.",
        }
        return _alert(incident, "failed", f"{signal.subject} failed: {signal.reason}", document)

    def _recovered_alert(self, incident: Incident, signal: Signal) -> Alert:
        document = {
            "alert": "recovered",
            "incident": incident.incident_id,
            "what": incident.subject,
            "where": signal.where or signal.scope,
            "error_class": incident.reason,
            "failures": incident.failures,
            "since": _moment(incident.opened_at),
            "link": self._link(signal),
            "at": _moment(signal.at),
        }
        return _alert(incident, "recovered", f"{incident.subject} works again", document)

    def _link(self, signal: Signal) -> str:
        return f"{self._base_url}/runs/{signal.run_id}" if signal.run_id else self._base_url

    def as_document(self) -> list[dict[str, Any]]:
        """For a cursor."""
        return [
            {**asdict(each), "opened_at": each.opened_at.isoformat(), "failed_at": each.failed_at.isoformat()}
            for each in self.open.values()
        ]

    @classmethod
    def from_document(cls, base_url: str, document: list[dict[str, Any]]) -> "Incidents":
        found = {}
        for each in document:
            moments = {name: datetime.fromisoformat(each[name]) for name in ("opened_at", "failed_at")}
            incident = Incident(**{**each, **moments, "scopes": tuple(each["scopes"])})
            found[f"{incident.subject}\n{incident.reason}"] = incident
        return cls(base_url, found)


def _alert(incident: Incident, kind: str, subject: str, document: Mapping[str, Any]) -> Alert:
    shown = {name: value for name, value in document.items() if value not in ("", {})}
    message = json.dumps(shown, ensure_ascii=False, indent=2)
    return Alert(f"{incident.incident_id}.{kind}", f"[manga] {subject}", message)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
