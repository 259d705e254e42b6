"""`manga-enrichment ...`: commands for people. Thin: each says what it does and calls one function.

Imports happen inside commands: `--help` should not wait for Dagster.
"""

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from manga_enrichment.cli.analyses import analyses, generate
from manga_enrichment.cli.api import api_access, api_template, openapi, workflow_template
from manga_enrichment.cli.brake import brake
from manga_enrichment.cli.browse import browse
from manga_enrichment.cli.catalog import catalog
from manga_enrichment.cli.deploy_plan import deploy_plan
from manga_enrichment.cli.dlq import dlq
from manga_enrichment.cli.doctor import doctor
from manga_enrichment.cli.find import find
from manga_enrichment.cli.forget import forget
from manga_enrichment.cli.label import label
from manga_enrichment.cli.local_stack import local_stack_hint, stack_sentences, work_on_local_stack
from manga_enrichment.cli.models import models
from manga_enrichment.cli.parameters import FullHelp, configured_analyses
from manga_enrichment.cli.partner.callbacks import callbacks
from manga_enrichment.cli.partner.partners import partners
from manga_enrichment.cli.partner.request_group import request_group
from manga_enrichment.cli.partner.requests import results, status, submit
from manga_enrichment.cli.promote import canary_group, promote
from manga_enrichment.cli.report import report
from manga_enrichment.cli.sql.command import sql
from manga_enrichment.cli.titles.ask_again import ask_again
from manga_enrichment.cli.titles.correct import correct, corrections
from manga_enrichment.cli.titles.prompt import prompt
from manga_enrichment.cli.trial import trial
from manga_enrichment.domain.text.shown import escaped_lines

STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: click.get_current_context().find_root().params["state_dir"],
    show_default=".local",
    help="Where the local stack keeps its data.",
)


DAGSTER_YAML = click.option(
    "--dagster-yaml",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Dagster's instance, instead of the shipped one; .local/dagster in it stands for its folder in --state-dir.",
)

FLEET = click.option(
    "--fleet",
    is_flag=True,
    help="Each run a task, history in PostgreSQL, as on AWS; data in fleet/ of --state-dir. Extra 'fleet'.",
)


class _Sentences(FullHelp):
    """`--local` and `--state-dir` stand before or after the command's name.

    Wrong settings, and services that do not answer, end a command with a sentence, not with a traceback.

    A sentence may quote what a partner or a model wrote: the terminal shows it and does not obey it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _of_all_commands_first(args))

    def invoke(self, ctx: click.Context) -> Any:
        from manga_enrichment.domain.errors import ConfigurationError
        from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError

        try:
            return super().invoke(ctx)
        except click.UsageError:  # quotes nobody but the user
            raise
        except click.ClickException as error:
            raise click.ClickException(escaped_lines(error.message)) from error
        except ConfigurationError as error:
            raise click.ClickException(escaped_lines(f"{error}{local_stack_hint(ctx)}")) from error
        except (StoreUnavailableError, QueueUnavailableError) as error:
            raise click.ClickException(escaped_lines(f"{error}. Try again.")) from error


def _of_all_commands_first(args: Sequence[str]) -> list[str]:
    """Up to `--`, behind which nothing is an option."""
    end = args.index("--") if "--" in args else len(args)
    given, first, others = iter(args[:end]), list[str](), list[str]()
    for word in given:
        is_ours = word in ("--local", "--state-dir") or word.startswith("--state-dir=")
        (first if is_ours else others).append(word)
        if word == "--state-dir":
            first.extend(islice(given, 1))
    return [*first, *others, *args[end:]]


@click.group(cls=_Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--local", is_flag=True, help="Work on the local stack that `make dev` runs, whatever AWS settings say.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".local"),
    show_default=True,
    help="Where the stack of --local keeps its data.",
)
@click.version_option(package_name="manga-enrichment", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, local: bool, state_dir: Path) -> None:
    """Enrich a manga catalog with foundation models on Amazon Bedrock."""
    if local:
        work_on_local_stack(ctx, state_dir)


for _command in (
    analyses,
    brake,
    browse,
    deploy_plan,
    dlq,
    callbacks,
    catalog,
    doctor,
    find,
    forget,
    generate,
    submit,
    status,
    models,
    partners,
    request_group,
    results,
    api_access,
    api_template,
    workflow_template,
    openapi,
    sql,
    report,
    label,
    correct,
    corrections,
    trial,
    promote,
    prompt,
    ask_again,
    canary_group,
):
    main.add_command(_command)


@main.command()
@STATE_DIR
@click.option("--json", "as_json", is_flag=True, help="End with one JSON line instead of a table.")
@click.option("--concurrency", type=click.IntRange(1, 1024), default=16, show_default=True, help="Calls in flight.")
@DAGSTER_YAML
@FLEET
def demo(state_dir: Path, as_json: bool, concurrency: int, dagster_yaml: Path | None, fleet: bool) -> None:
    """Enrich the shipped catalog on the local stack and say what happened and what it cost."""
    from manga_enrichment.local.demo.command import run_demo
    from manga_enrichment.local.dev import run_demo_fleet

    with stack_sentences():
        if fleet:
            sys.exit(run_demo_fleet(state_dir, dagster_yaml))
        sys.exit(run_demo(state_dir, as_json=as_json, concurrency=concurrency, dagster_yaml=dagster_yaml))


@main.command()
@STATE_DIR
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the Dagster UI.")
@DAGSTER_YAML
@FLEET
def dev(state_dir: Path, port: int, dagster_yaml: Path | None, fleet: bool) -> None:
    """Start the local stack and the Dagster UI on 127.0.0.1; stop both with Ctrl-C."""
    from manga_enrichment.local.dev import run_dev, run_dev_fleet

    with stack_sentences():
        sys.exit((run_dev_fleet if fleet else run_dev)(state_dir, port, dagster_yaml))


@main.command("generate-catalog")
@click.option("--rows", type=click.IntRange(1), default=500, show_default=True, help="Titles to make up.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same catalog.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".jsonl, .csv or .parquet")
def generate_catalog(rows: int, seed: int, out: Path) -> None:
    """Write a catalog of fictional titles, of any size."""
    from manga_enrichment.local.sample_catalog import write_catalog

    write_catalog(out, rows, seed)
    click.echo(f"{out}: {rows} titles, {out.stat().st_size / 1e6:.1f} MB")


@main.command()
@click.option("--selection", default="", help="Analyses, comma-separated; all by default.")
@click.option("--buckets", default="", help="Catalog buckets, comma-separated; all by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line instead of a table.")
def estimate(selection: str, buckets: str, as_json: bool) -> None:
    """Calls, tokens, cost and time of the next run. Asks no model and bills nothing."""
    from manga_enrichment.cli.estimate import run_estimate

    run_estimate(_names(selection), _names(buckets), as_json=as_json)


@main.command("check-definitions")
def check_definitions() -> None:
    """Load all Dagster definitions with warnings as errors."""
    from manga_enrichment.local.check_definitions import check

    click.echo(check())


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@main.command("table-docs")
def table_docs() -> None:
    """Print docs/tables.md."""
    from manga_enrichment.pipeline.publish.docs import tables_markdown

    click.echo(tables_markdown(list(configured_analyses().of_titles.values())), nl=False)


@main.command("settings-docs")
def settings_docs() -> None:
    """Print docs/settings.md."""
    from manga_enrichment.settings import settings_markdown

    click.echo(settings_markdown(), nl=False)


@main.command("retention-docs")
def retention_docs() -> None:
    """Print docs/retention.md."""
    from manga_enrichment.domain.operations.retention import retention_markdown

    click.echo(retention_markdown(), nl=False)


@main.command("analytics-template")
def analytics_template() -> None:
    """Print infra/analytics.yaml: the tables for Athena as a CloudFormation template."""
    from manga_enrichment.pipeline.publish.athena import template_yaml

    click.echo(template_yaml(list(configured_analyses().of_titles.values())), nl=False)
