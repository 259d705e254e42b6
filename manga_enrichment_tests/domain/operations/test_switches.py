"""Nothing is off unsaid: every setting that switches something off while it is empty is in the table."""

from manga_enrichment.domain.operations.switches import WHILE_EMPTY, switched_off
from manga_enrichment.settings import Settings

FOUND_OUT = {
    *("catalog_encoding", "catalog_delimiter", "requests_per_minute", "tokens_per_minute"),
    *("door_arn", "door_keys_url"),  # of pages that are served by hand
}
"""Empty, these are found out or adapted to: nothing is off."""


def test_every_setting_that_says_what_it_is_unset_is_in_the_table() -> None:
    fields = Settings.model_fields
    unset = {name for name, field in fields.items() if "unset:" in str(field.description)}
    assert unset - FOUND_OUT == set(WHILE_EMPTY) <= set(fields)


def test_what_is_empty_is_said_by_its_variable_and_what_is_set_is_not() -> None:
    values: dict[str, object] = dict.fromkeys(WHILE_EMPTY, "set") | {"email_from": "", "budget_usd_per_day": None}
    assert dict(switched_off(values)) == {
        "MANGA_EMAIL_FROM": "no mail goes to partners",
        "MANGA_BUDGET_USD_PER_DAY": "a day may cost anything",
    }
    assert "MANGA_BUDGET_USD_PER_DAY" not in dict(switched_off(values | {"budget_usd_per_day": 0.0}))
