"""Settings of callbacks: lists as people write them, and a secret that no message shows."""

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.settings import load_settings, settings_markdown

TOPICS = ("arn:aws:sns:ap-northeast-1:123456789012:a", "arn:aws:sns:ap-northeast-1:123456789012:b")
SECRET = "s3cret" * 8


def test_topics_come_as_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_SNS_TOPICS_ALLOWED", f" {TOPICS[0]} ,{TOPICS[1]},")
    assert load_settings().sns_topics_allowed == TOPICS
    monkeypatch.setenv("MANGA_SNS_TOPICS_ALLOWED", "")
    assert load_settings().sns_topics_allowed == ()


@pytest.mark.parametrize("name", ["MANGA_SNS_TOPICS_ALLOWED", "MANGA_RESULTS_TOPIC_ARN", "MANGA_ALERTS_TOPIC_ARN"])
def test_what_is_no_topic_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "manga-fm-results")
    with pytest.raises(ConfigurationError, match=f"{name}.*is not the ARN of a standard SNS topic"):
        load_settings()


def test_a_secret_is_kept_and_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", SECRET)
    settings = load_settings()
    assert settings.callback_secret is not None
    assert settings.callback_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_short_secret_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", "s3cret")
    with pytest.raises(ConfigurationError, match=r"MANGA_CALLBACK_SECRET is not valid: .*32 or more") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)


def test_no_secret_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", "")
    assert load_settings().callback_secret is None


def test_a_key_id_that_cannot_be_in_a_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CALLBACK_KEY_ID", "a,b")
    with pytest.raises(ConfigurationError, match="MANGA_CALLBACK_KEY_ID"):
        load_settings()


def test_the_document_lists_them_all() -> None:
    document = settings_markdown()
    for name in ("CALLBACK_SECRET", "CALLBACK_KEY_ID", "CALLBACK_ALLOW_LOOPBACK", "SNS_TOPICS_ALLOWED", "OUTBOX_TABLE"):
        assert f"`MANGA_{name}`" in document
