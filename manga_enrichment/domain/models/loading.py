"""The models that count: the packaged rows, and a user's own on top of them.

Belongs here: which packaged files there are, and what comes on top. Stays out: what a row may hold (`rows.py`), the
environment (`settings/variables.py` reads MANGA_MODEL_ALIASES and MANGA_MODELS_FILE).

The rows are data, not code: a new model is one more table in a file.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from manga_enrichment.domain.models.rows import parse_rows
from manga_enrichment.domain.models.specs import FILE_SETTING, MODELS_FILE, ModelCatalog, ModelSpec

FAMILIES_FILE = "families.toml"


def load_models(
    overrides: Mapping[str, str] = MappingProxyType({}),
    own_rows: str = "",
    by_lane: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    tiers: Mapping[str, str] = MappingProxyType({}),
) -> ModelCatalog:
    """The packaged models with `own_rows` on top (the text of MANGA_MODELS_FILE), and then `overrides` of their aliases
    (alias -> model id, from MANGA_MODEL_ALIASES). by_lane: MANGA_LANE_MODELS. tiers: MANGA_LANE_TIERS.

    Raises UnknownModelError when an alias names a model without a row: a wrong setting should fail
    at the start, not when its alias is first used. Raises ModelRowsError and MissingPriceError.
    """
    catalog = _with_rows(packaged_models(), own_rows, FILE_SETTING)
    aliases = MappingProxyType({**catalog.aliases, **overrides})
    catalog = ModelCatalog(catalog.models, aliases, catalog.guardrail_prices, by_lane, tiers)
    for alias in (*catalog.aliases, *(each for chosen in by_lane.values() for each in chosen.values())):
        catalog.resolve(alias)
    return catalog


@cache
def packaged_models() -> ModelCatalog:
    folder = files("manga_enrichment.domain.models")
    catalog = ModelCatalog({}, {})
    for name in (MODELS_FILE, FAMILIES_FILE):
        catalog = _with_rows(catalog, folder.joinpath(name).read_text(encoding="utf-8"), name)
    return catalog


def _with_rows(catalog: ModelCatalog, text: str, name: str) -> ModelCatalog:
    rows = parse_rows(text, name, catalog.models)
    models: dict[str, ModelSpec] = {**catalog.models, **{spec.model_id: spec for spec in rows.specs}}
    return ModelCatalog(
        models=MappingProxyType(models),
        aliases=MappingProxyType({**catalog.aliases, **rows.aliases}),
        guardrail_prices=MappingProxyType({**catalog.guardrail_prices, **rows.guardrail}),
    )
