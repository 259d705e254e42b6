"""Reading CloudFormation templates."""

from collections.abc import Mapping
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


def read_template(name: str, stage: str = "") -> dict[str, Any]:
    """As it stands in the file, but with the stage put into the names: "" as when nobody says `MangaStage`."""
    loaded = yaml.load((INFRA / name).read_text("utf-8"), Loader=_Loader)  # noqa: S506 - SafeLoader
    resolved: dict[str, Any] = with_stage(loaded, stage)
    return resolved


def with_stage(value: Any, stage: str = "") -> Any:
    """A template, or a part of one, with the stage put into the names."""
    if isinstance(value, list | tuple):
        return type(value)(with_stage(each, stage) for each in value)
    if not isinstance(value, dict):
        return value
    for function in ("!Sub", "Fn::Sub"):
        match value.get(function):
            case [text, {"Prefix": prefix, **others}]:
                return _substituted(function, text.replace("${Prefix}", _prefix(prefix, stage)), others)
    return {key: with_stage(each, stage) for key, each in value.items()}


def _prefix(value: Any, stage: str) -> str:
    """What the templates' own Fn::If comes to."""
    (arguments,) = (value[name] for name in ("!If", "Fn::If") if name in value)
    condition, with_stage, without = arguments
    (sentence,) = with_stage.values()
    assert (condition, without) == ("HasStage", "")
    return str(sentence).replace("${MangaStage}", stage) if stage else without


def _substituted(function: str, text: str, others: Mapping[str, Any]) -> Any:
    if others:
        return {function: [text, dict(others)]}
    return {function: text} if "${" in text else text
