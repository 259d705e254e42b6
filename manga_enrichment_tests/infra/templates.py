"""Reading CloudFormation templates."""

from pathlib import Path
from typing import Any

import yaml

INFRA = Path(__file__).resolve().parents[2] / "infra"


class _Loader(yaml.SafeLoader):
    """Reads !Ref, !GetAtt and the like as {"!Ref": ...}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    return {f"!{suffix}": node.value}


_Loader.add_multi_constructor("!", _short_form)


def read_template(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((INFRA / name).read_text("utf-8"), Loader=_Loader)  # noqa: S506 - SafeLoader
    return loaded
