"""A guardrail is its id and its version, at the prices of the models' file."""

import pytest

from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.operations.quota_lanes import NIGHT
from manga_enrichment.settings import load_settings

ARN = "arn:aws:bedrock:ap-northeast-1:123456789012:guardrail/abc123"


def test_there_is_none_unless_it_is_named() -> None:
    assert invoke_settings(load_settings(), NIGHT).guardrail is None


@pytest.mark.parametrize("identifier", ["abc123", ARN])
@pytest.mark.parametrize("version", ["1", "DRAFT"])
def test_it_has_the_prices_of_the_models_file(monkeypatch: pytest.MonkeyPatch, identifier: str, version: str) -> None:
    monkeypatch.setenv("MANGA_GUARDRAIL_ID", identifier)
    monkeypatch.setenv("MANGA_GUARDRAIL_VERSION", version)
    guardrail = invoke_settings(load_settings(), NIGHT).guardrail
    assert guardrail is not None
    assert (guardrail.identifier, guardrail.version) == (identifier, version)
    assert guardrail.prices == load_models().guardrail_prices


@pytest.mark.parametrize(
    ("identifier", "version", "said"),
    [
        ("abc123", "", "MANGA_GUARDRAIL_VERSION.*both or neither"),
        ("", "1", "MANGA_GUARDRAIL_VERSION.*both or neither"),
        ("abc123", "0", "MANGA_GUARDRAIL_VERSION='0' is not valid"),
        ("abc123", "latest", "MANGA_GUARDRAIL_VERSION='latest' is not valid"),
        ("My Guardrail", "1", "MANGA_GUARDRAIL_ID='My Guardrail' is not valid"),
    ],
)
def test_half_a_guardrail_stops_everything_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, identifier: str, version: str, said: str
) -> None:
    monkeypatch.setenv("MANGA_GUARDRAIL_ID", identifier)
    monkeypatch.setenv("MANGA_GUARDRAIL_VERSION", version)
    with pytest.raises(ConfigurationError, match=said):
        load_settings()
