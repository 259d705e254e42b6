"""Calibrations as stored: one small JSON document per analysis and model, replaced by every run that asked enough.

Release 0.2.0 refuses a document with keys that it does not know. What it wrote stays where it was, is read until there
is a newer one, and is all that it finds after a rollback.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields

from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import calibration_key, former_calibration_key

_KNOWN = frozenset(field.name for field in fields(Calibration))


def read_calibration(tables: ObjectStore, analysis: str, model_id: str) -> Calibration | None:
    keys = (calibration_key(analysis, model_id), former_calibration_key(analysis, model_id))
    document = next(filter(None, map(tables.read_json, keys)), None)
    return None if document is None else Calibration(**{name: document[name] for name in _KNOWN & document.keys()})


def read_calibrations(tables: ObjectStore, models: Mapping[str, ModelSpec]) -> dict[str, Calibration]:
    """Analysis name -> calibration, for those that have one. models: analysis name -> model."""
    found = {name: read_calibration(tables, name, model.model_id) for name, model in models.items()}
    return {name: calibration for name, calibration in found.items() if calibration is not None}


def write_calibration(tables: ObjectStore, analysis: str, model_id: str, calibration: Calibration) -> None:
    tables.write_json(calibration_key(analysis, model_id), asdict(calibration))
