"""`manga-enrichment api-template|workflow-template|openapi|api-access`: the request front's files, a way in."""

import json
import shlex
from pathlib import Path

import click

from manga_enrichment.cli.parameters import configured_analyses


@click.command("api-template")
@click.option(
    "--partners",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON file: by partner id, its API keys and limits. Without it: infra/partners.json.",
)
def api_template(partners: Path | None) -> None:
    """Print infra/api.yaml: the request front as a CloudFormation template."""
    from manga_enrichment.api.cloudformation import template_yaml
    from manga_enrichment.domain.requests.policies import PolicyError
    from manga_enrichment.runtime.shipped import shipped

    file = partners or shipped("infra/partners.json")
    try:
        click.echo(
            template_yaml(json.loads(file.read_text("utf-8-sig")), list(configured_analyses().for_partners)), nl=False
        )
    except (PolicyError, ValueError) as error:
        raise click.ClickException(f"{file}: {error}") from error


@click.command("workflow-template")
def workflow_template() -> None:
    """Print infra/workflow.yaml: what a POST to the request front runs, as a CloudFormation template."""
    from manga_enrichment.api.workflow.stack import workflow_yaml

    click.echo(workflow_yaml(), nl=False)


@click.command()
def openapi() -> None:
    """Print docs/openapi.json: the request front as an OpenAPI 3.1 document for partners."""
    from manga_enrichment.api.openapi.document import openapi_json

    click.echo(openapi_json(configured_analyses().for_partners), nl=False)


@click.command("api-access")
@click.argument("key_name", default="acme-1")
@click.pass_context
def api_access(ctx: click.Context, key_name: str) -> None:
    """With --local: print the API's address and the key KEY_NAME, as a shell takes them."""
    from manga_enrichment.local.api_client import api_key, api_url
    from manga_enrichment.local.stack.endpoints import LocalEndpoints
    from manga_enrichment.local.stack.provision import emulator_client

    endpoints = ctx.find_object(LocalEndpoints)
    if endpoints is None:
        raise click.ClickException("Say manga-enrichment --local api-access; for the API on AWS see docs/api.md.")
    try:
        key = api_key(emulator_client("apigateway", endpoints.emulator_url), key_name)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"export API={shlex.quote(api_url(endpoints.emulator_url, endpoints.outputs))}")
    click.echo(f"export API_KEY={shlex.quote(key)}")
