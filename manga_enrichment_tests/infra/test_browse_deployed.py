"""The pages of titles on ECS: behind the same door as the UI, with rights of their own, and known editors."""

import re
from fnmatch import fnmatch
from typing import Any

from click.testing import CliRunner

from manga_enrichment.browse.edit.who_asks import OPEN
from manga_enrichment.cli import main
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.labels.store import read_labels
from manga_enrichment.settings import Settings, door_of
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.browse_world import NAMES, eventful_world
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import FakeClock, MemoryTables
from manga_enrichment_tests.infra.dagster_stack import COMPOSE, RESOURCES, TEMPLATE, container, environment, properties
from manga_enrichment_tests.infra.templates import read_template

POLICIES: dict[str, Any] = {
    name: read_template("rights.yaml")["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
    for name in ("BrowsingPolicy", "EditingPolicy")
}
OF_BROWSE = [name for name in RESOURCES if name.startswith("Browse")]


def allowed(policy: str, action: str, key: str) -> bool:
    for statement in POLICIES[policy]:
        actions = statement.get("Action", [])
        resources = statement.get("Resource", [])
        for resource in resources if isinstance(resources, list) else [resources]:
            pattern = str(resource.get("!Sub", "")).partition(":::${ResultsBucketName}/")[2]
            if action in ([actions] if isinstance(actions, str) else actions) and fnmatch(key, pattern):
                return True
    return False


class RecordingTables(MemoryTables):
    """Remembers what was asked of which object."""

    def __init__(self) -> None:
        super().__init__()
        self.made: set[tuple[str, str]] = set()

    def read(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.made.add(("s3:GetObject", key))
        return super().read(key, *args, **kwargs)

    def open(self, key: str) -> Any:
        self.made.add(("s3:GetObject", key))
        return super().open(key)

    def write(self, key: str, *args: Any, **kwargs: Any) -> str:
        self.made.add(("s3:PutObject", key))
        return super().write(key, *args, **kwargs)

    def delete(self, key: str) -> None:
        self.made.add(("s3:DeleteObject", key))
        super().delete(key)


def test_all_of_it_is_there_on_request_alone() -> None:
    assert len(OF_BROWSE) >= 8
    assert {RESOURCES[name].get("Condition") for name in OF_BROWSE} == {"HasBrowse"}
    assert TEMPLATE["Conditions"]["HasBrowse"] == {"!Not": [{"!Equals": [{"!Ref": "BrowseHost"}, ""]}]}
    assert TEMPLATE["Parameters"]["BrowseEdit"]["Default"] == "off"


def test_the_same_door_asks_who_somebody_is() -> None:
    asks, shows = properties("BrowseRule")["Actions"]
    condition, oidc, _ = asks["!If"]
    of_ui = properties("WebserverListener")["DefaultActions"][0]["!If"][1]["AuthenticateOidcConfig"]
    assert (condition, oidc["Type"], oidc["Order"], shows["Order"]) == ("HasOidc", "authenticate-oidc", 1, 2)
    own = dict(oidc["AuthenticateOidcConfig"])
    assert own.pop("Scope") == "openid email"  # the name beside a correction
    assert own == of_ui
    assert properties("BrowseRule")["ListenerArn"] == {"!Ref": "WebserverListener"}


def test_editors_are_known_or_the_stack_is_refused() -> None:
    rule = TEMPLATE["Rules"]["EditorsAreKnown"]
    assert rule["RuleCondition"] == {"!Equals": [{"!Ref": "BrowseEdit"}, "on"]}
    needed = {each["Assert"]["!Not"][0]["!Equals"][0]["!Ref"] for each in rule["Assertions"]}
    assert needed == {"BrowseHost", "OidcIssuer"}


def test_the_pages_are_told_what_makes_a_token_genuine() -> None:
    told = environment("BrowseTask")
    assert told["MANGA_DOOR_ARN"] == {"!Ref": "LoadBalancer"}
    assert told["MANGA_DOOR_ISSUER"] == {"!Ref": "OidcIssuer"}
    assert told["MANGA_DOOR_CLIENT_ID"] == {"!Ref": "OidcClientId"}
    settings = {name for name in told if name.startswith("MANGA_")}
    assert settings <= {f"MANGA_{name.upper()}" for name in Settings.model_fields}
    arn = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/x/1"
    assert door_of(Settings(door_arn=arn, door_issuer="https://i", door_client_id="c")) is not None
    assert "Secrets" not in container("BrowseTask")


def test_it_starts_with_words_that_the_command_knows() -> None:
    words = [str(each["!If"][1] if isinstance(each, dict) and "!If" in each else each) for each in words_of_task()]
    options = {word for word in words if word.startswith("--")}
    assert "--edit" in options
    assert "--as" not in options
    known = CliRunner().invoke(main, ["browse", "--help"]).output
    assert [option for option in options if option not in known] == []
    of_compose = [word for word in COMPOSE["services"]["browse"]["command"] if word.startswith("--")]
    assert set(of_compose) < options


def words_of_task() -> list[Any]:
    return list(container("BrowseTask")["Command"])


def test_ports_and_health_are_those_of_the_pages() -> None:
    port = int(words_of_task()[words_of_task().index("--port") + 1])
    assert container("BrowseTask")["PortMappings"] == [{"ContainerPort": port}]
    assert properties("BrowseTargets")["Port"] == port
    assert {each["FromPort"] for each in properties("BrowseGroup")["SecurityGroupIngress"]} == {port}
    assert properties("BrowseTargets")["HealthCheckPath"] in OPEN


def test_there_is_one_since_another_would_refuse_its_forms() -> None:
    deployment = properties("BrowseService")["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert properties("BrowseService")["DesiredCount"] == {"!If": ["IsOn", 1, 0]}


def test_the_role_reads_and_writes_only_where_answers_are_corrected() -> None:
    policies = properties("BrowseRole")["ManagedPolicyArns"]
    assert policies[0] == {"!Ref": "BrowsingPolicyArn"}
    assert policies[1]["!If"] == ["CanEdit", {"!Ref": "EditingPolicyArn"}, {"!Ref": "AWS::NoValue"}]
    assert "Policies" not in properties("BrowseRole")
    assert "Put" not in str(POLICIES["BrowsingPolicy"])
    for key in ("fm-results/acme/r.json", "fm-conversations/s/1.json", "runs/r/x.json", "batch/x"):
        assert not any(allowed(policy, "s3:GetObject", key) for policy in POLICIES), key


def test_correcting_and_taking_back_needs_the_rights_that_are_given_and_no_other() -> None:
    tables = RecordingTables()
    tables.objects.update(eventful_world().tables.objects)
    editing = Editing(tables, {name: ANALYSES[name] for name in NAMES}, 1, FakeClock())
    at = (title_id(1), "reading_level", "min_age")
    editing.correct(*at, 16, by="naoko", because="The cover says so.")
    editing.take_back(*at, by="naoko", because="Another edition.")
    assert [each.value for each in read_labels(tables, "reading_level")] == [16, None]
    made = {(action, re.sub(r"=[^/]+", "=x", key)) for action, key in tables.made}
    refused = [each for each in sorted(made) if not any(allowed(policy, *each) for policy in POLICIES)]
    assert refused == []
    written = {key for action, key in tables.made if action == "s3:PutObject"}
    patterns = {pattern for pattern in writable() if any(fnmatch(key, pattern) for key in written)}
    assert patterns == writable()


def writable() -> set[str]:
    (statement,) = (each for each in POLICIES["EditingPolicy"] if each.get("Action") == "s3:PutObject")
    return {each["!Sub"].partition(":::${ResultsBucketName}/")[2] for each in statement["Resource"]}
