"""Templates that name the analyses, made for those of MANGA_ANALYSES_DIR; shipped ones know the packaged ones.

Belongs here: writing them into the state folder. Stays out: deploying them (`provision.py`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

from manga_enrichment.api.cloudformation import template_yaml
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.runtime.shipped import shipped
from manga_enrichment.settings import known_analyses, load_settings

_API = "api.yaml"


def own_templates(folder: Path) -> Mapping[str, Path]:
    """Files by the name of the shipped one that each stands for; none without analyses of one's own.

    Raises ConfigurationError.
    """
    analyses = known_analyses(load_settings())
    if analyses is packaged_analyses():
        return {}
    partners = json.loads(shipped("infra/partners.json").read_text("utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / _API
    written.write_text(template_yaml(partners, analyses.for_partners), "utf-8")
    return {_API: written}
