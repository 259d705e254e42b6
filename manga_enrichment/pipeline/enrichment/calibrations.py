"""Calibrations as stored: one small JSON document per analysis and model, replaced by every run that asked enough."""

from collections.abc import Mapping
from dataclasses import asdict

from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import calibration_key


def read_calibration(tables: ObjectStore, analysis: str, model_id: str) -> Calibration | None:
    document = tables.read_json(calibration_key(analysis, model_id))
    return None if document is None else Calibration(**document)


def read_calibrations(tables: ObjectStore, models: Mapping[str, ModelSpec]) -> dict[str, Calibration]:
    """Analysis name -> calibration, for those that have one. models: analysis name -> model."""
    found = {name: read_calibration(tables, name, model.model_id) for name, model in models.items()}
    return {name: calibration for name, calibration in found.items() if calibration is not None}


def write_calibration(tables: ObjectStore, analysis: str, model_id: str, calibration: Calibration) -> None:
    tables.write_json(calibration_key(analysis, model_id), asdict(calibration))
