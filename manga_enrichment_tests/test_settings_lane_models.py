import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.settings import known_models, load_settings, request_policy
from manga_enrichment_tests.analyses import ANALYSES


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"noon": {"*": "sonnet"}}', "noon is not one of the lanes night, urgent, normal, low"),
        ('{"backfill": {"*": "sonnet"}}', "backfill is not one of the lanes"),
        ('{"low": {"reading": "sonnet"}}', "reading is none of "),
        ('{"low": {"*": "somebody"}}', "Unknown model 'somebody'"),
        ('{"low": "sonnet"}', "MANGA_LANE_MODELS"),
        ("low", "Give it as JSON"),
    ],
)
def test_a_wrong_choice_is_one_sentence(value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_MODELS", value)
    with pytest.raises(ConfigurationError) as caught:
        known_models(load_settings())
    assert said in str(caught.value)


def test_one_setting_maps_analysis_and_lane_to_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_MODELS", '{"low": {"full_enrichment": "sonnet", "*": "nova-lite"}}')
    models = known_models(load_settings())
    assert models.alias_for("full_enrichment", "haiku", "low") == "sonnet"
    assert models.alias_for("reading_level", "haiku", "low") == "nova-lite"
    assert models.alias_for("full_enrichment", "haiku", "normal") == "haiku"
    assert models.alias_for("full_enrichment", "haiku") == "haiku"


def test_what_a_partner_must_have_been_allowed_follows_the_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_MODELS", '{"low": {"*": "nova-lite"}}')
    alias_of = request_policy(load_settings()).alias_of
    assert {priority: alias_of(ANALYSES["reading_level"], priority) for priority in ("high", "normal", "low")} == {
        "high": "haiku",
        "normal": "haiku",
        "low": "nova-lite",
    }


@pytest.mark.parametrize(
    ("value", "said"), [('{"noon": "flex"}', "noon is not one of the lanes"), ('{"low": "cheap"}', "MANGA_LANE_TIERS")]
)
def test_a_wrong_tier_is_one_sentence(value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_TIERS", value)
    with pytest.raises(ConfigurationError, match=said):
        load_settings()


def test_backfills_have_the_nights_tier_unless_they_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_TIERS", '{"night": "flex", "urgent": "priority"}')
    models = known_models(load_settings())
    found = {lane: models.resolve_in(lane, "nova-pro").service_tier for lane in ("night", "backfill", "urgent", "low")}
    assert found == {"night": "flex", "backfill": "flex", "urgent": "priority", "low": ""}
    assert models.asked_for("reading_level", "nova-pro").service_tier == "flex"
