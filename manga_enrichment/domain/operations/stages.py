"""Stages (staging, production) that share an AWS account and region: the stage stands before every name.

In the code names are without it (`manga-fm-normal`), and so they are in rows, messages and logs. Gateways put it before
what they send to AWS and take it from what they read. Templates do the same with their parameter `MangaStage`.

Belongs here: the form, in Python and in templates. Stays out: who sends which name (`aws/`), the templates themselves.
"""

from typing import Any

STAGE_PATTERN = "^([a-z][a-z0-9]{0,11})?$"
"""Short, since names of buckets and topics have limits; "" is none."""


def staged(stage: str, name: str) -> str:
    """The name that AWS knows. Without a stage it is the name."""
    return f"{stage}-{name}" if stage else name


def unstaged(stage: str, name: str) -> str:
    """Back again; a name of another stage stays as it is."""
    return name.removeprefix(f"{stage}-") if stage else name


STAGE = "MangaStage"
STAGE_PARAMETER: dict[str, Any] = {
    "Type": "String",
    "Default": "",
    "Description": "Value of MANGA_STAGE, which stands before every name; empty means none",
    "AllowedPattern": STAGE_PATTERN,
}


def staged_in_template(text: str, separator: str = "-", **variables: Any) -> dict[str, Any]:
    """`Fn::Sub` of a text with ${Prefix} in it, else before it; for templates that take `MangaStage`."""
    sentence = text if "${Prefix}" in text else f"${{Prefix}}{text}"
    prefix = {"Fn::If": ["HasStage", {"Fn::Sub": f"${{{STAGE}}}{separator}"}, ""]}
    return {"Fn::Sub": [sentence, {"Prefix": prefix, **variables}]}


def stage_condition() -> dict[str, Any]:
    return {"HasStage": is_given(STAGE)}


def is_given(parameter: str) -> dict[str, Any]:
    """A condition: the parameter is not empty."""
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def named_in_template(parameter: str, default: str) -> dict[str, Any]:
    """What a parameter says, else the default name of this stage; with a condition `Has<parameter>`."""
    return {"Fn::If": [f"Has{parameter}", {"Ref": parameter}, staged_in_template(default)]}
