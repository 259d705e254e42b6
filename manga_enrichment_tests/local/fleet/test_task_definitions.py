"""What the loopback ECS takes as a task definition, and which one a name means."""

from typing import Any

import pytest

from manga_enrichment.local.fleet.ecs.definitions import TaskDefinitions
from manga_enrichment.local.fleet.ecs.shapes import EcsError

CONTAINER: dict[str, Any] = {"name": "run", "image": "manga-enrichment"}


def definition(family: str = "run", **container: Any) -> dict[str, Any]:
    return {"family": family, "containerDefinitions": [{**CONTAINER, **container}]}


def test_a_family_has_revisions_and_its_name_means_the_latest() -> None:
    definitions = TaskDefinitions()
    first = definitions.register({**definition(command=["a"]), "tags": [{"key": "k", "value": "v"}]})
    second = definitions.register(definition(command=["b"]))
    described = definitions.describe({"taskDefinition": "run"})
    assert described == second
    assert described["taskDefinition"]["containerDefinitions"][0]["command"] == ["b"]
    arn = first["taskDefinition"]["taskDefinitionArn"]
    assert arn.endswith(":task-definition/run:1")
    assert definitions.describe({"taskDefinition": arn}) == definitions.describe({"taskDefinition": "run:1"}) == first
    assert first["tags"] == [{"key": "k", "value": "v"}]


@pytest.mark.parametrize("name", ["run:2", "run:0", "walk", ""])
def test_what_was_never_registered_cannot_be_described(name: str) -> None:
    definitions = TaskDefinitions()
    definitions.register(definition())
    with pytest.raises(EcsError, match="Unable to describe"):
        definitions.describe({"taskDefinition": name})


BOTH = {"environment": [{"name": "A", "value": "1"}], "secrets": [{"name": "A", "valueFrom": "arn"}]}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (definition("no spaces"), "Family"),
        (definition(""), "Family"),
        ({"family": "run", "containerDefinitions": []}, "empty"),
        (definition(image=""), "image"),
        (definition(name=""), "name"),
        (definition(**BOTH), "unique"),
    ],
)
def test_what_ecs_refuses_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(EcsError, match=why):
        TaskDefinitions().register(wrong)
