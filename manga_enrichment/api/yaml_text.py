"""CloudFormation templates as YAML text that people can read.

Belongs here: how it is written. Stays out: what is in it (`cloudformation.py`, `workflow/stack.py`).
"""

from collections.abc import Mapping
from typing import Any

import yaml


def yaml_text(header: str, document: Mapping[str, Any]) -> str:
    """header: comment lines."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return header + text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
