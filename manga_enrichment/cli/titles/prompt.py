"""`manga-enrichment prompt`: what is sent to the model about one title, and what came back."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways
from manga_enrichment.domain.text.shown import escaped, escaped_lines

if TYPE_CHECKING:
    from manga_enrichment.pipeline.titles.questions import TitleQuestion


@click.command()
@click.argument("manga_id")
@click.option("--analysis", "name", default="", help="Its prompt; unless given, that of the first that has an answer.")
@click.option("--schema", is_flag=True, help="The schema of the answer, too.")
def prompt(manga_id: str, name: str, schema: bool) -> None:
    """What is sent to the model about a title today, what came back, what it cost. Asks no model."""
    questions = _questions(manga_id)
    by_name = {each.question.analysis.name: each for each in questions}
    if name and name not in by_name:
        raise click.UsageError(f"There is no analysis {name!r}: it is one of {', '.join(by_name)}.")
    chosen = by_name[name] if name else next((each for each in questions if each.entry is not None), questions[0])
    for each in questions:
        click.echo(f"{each.question.analysis.name:22} {each.question.fingerprint[:12]}  {_known(each)}")
    _show_sent(chosen, with_schema=schema)
    _show_reply(chosen)


def _questions(manga_id: str) -> "Sequence[TitleQuestion]":
    from manga_enrichment.pipeline.titles.questions import find_title, questions_about
    from manga_enrichment.settings import known_models, load_settings

    settings, gateways = load_settings(), open_configured_gateways()
    record = find_title(gateways.tables, manga_id, settings.catalog_buckets)
    if record is None:
        raise click.ClickException(f"The catalog has no title {manga_id}: `manga-enrichment find` looks for one.")
    click.echo(escaped(f"{manga_id} {record.title}: the questions of today, by their fingerprints"))
    models = known_models(settings)
    analyses = configured_analyses(settings).of_titles
    asked = {name: (each, models.asked_for(name, each.model_alias)) for name, each in analyses.items()}
    return questions_about(record, gateways.tables, gateways.ledger, asked, settings.catalog_buckets)


def _known(each: "TitleQuestion") -> str:
    from manga_enrichment.domain.models.usage import usd

    if each.too_little is not None:
        return f"cannot be asked: {each.too_little}"
    if each.entry is None:
        return f"not asked as it is today; would cost about {usd(each.question.cost_micro_usd):.6f} USD"
    return f"{each.entry.outcome.value} on {each.entry.created_at:%Y-%m-%d %H:%M} UTC"


def _show_sent(chosen: "TitleQuestion", *, with_schema: bool) -> None:
    question, sent = chosen.question, chosen.question.prompt
    what = f"{question.analysis.name}, version {question.analysis.version}, to {question.model.model_id}"
    click.secho(f"\nSent for {what}, at most {sent.max_tokens} tokens back:", bold=True)
    click.echo(escaped_lines(f"[system]\n{sent.system}\n[user]\n{sent.user}"))
    if with_schema:
        click.echo(f"[tool {sent.tool_name}]\n{json.dumps(sent.tool_schema, ensure_ascii=False, indent=2)}")


def _show_reply(chosen: "TitleQuestion") -> None:
    from manga_enrichment.domain.models.usage import usd

    entry = chosen.entry
    if entry is None:
        click.secho("\nNothing came back yet: this question was not asked.", bold=True)
        return
    click.secho(f"\nCame back, asked by run {entry.provenance.run_id}:", bold=True)
    for attempt in entry.attempts:
        how = attempt.error_class.value if attempt.error_class else attempt.stop_reason or "answered"
        tokens = f"{attempt.usage.input_tokens} tokens in, {attempt.usage.output_tokens} out"
        click.echo(
            f"attempt {attempt.number}: {how}, {tokens}, {usd(attempt.cost_micro_usd):.6f} USD, {attempt.latency_ms} ms"
        )
    answer = {"error_class": entry.error_class} if entry.answer is None else dict(entry.answer)
    click.echo(escaped_lines(json.dumps(answer, ensure_ascii=False, indent=2)))
