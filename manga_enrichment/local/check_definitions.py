"""Load every Dagster definition with warnings as errors."""

import warnings

import dagster as dg

DAGSTERS_OWN = ("The `__fields__` attribute is deprecated",)
"""Warnings that Dagster 1.13's own code raises with pydantic 2.11 and newer; nothing here can mend them."""


def check() -> str:
    """One line that counts what was loaded. Raises on any warning, or when a definition does not fit the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in DAGSTERS_OWN:
            warnings.filterwarnings("ignore", message=message)
        from manga_enrichment.assembly import build_definitions  # noqa: PLC0415 (inside, to see its warnings)

        definitions = build_definitions()
        dg.Definitions.validate_loadable(definitions)
        repository = definitions.get_repository_def()
    assets = len(list(repository.asset_graph.get_all_asset_keys()))
    checks = len(list(repository.asset_graph.asset_check_keys))
    return f"{assets} assets, {checks} asset checks, {len(repository.job_names)} jobs: no warnings"
