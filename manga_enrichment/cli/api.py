"""`manga-enrichment api-template|openapi`: the generated files of the request front."""

import json
from pathlib import Path

import click


@click.command("api-template")
@click.option(
    "--partners",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON file: by partner id, the names of its API keys. Without it: infra/partners.json.",
)
def api_template(partners: Path | None) -> None:
    """Print infra/api.yaml: the request front as a CloudFormation template."""
    from manga_enrichment.api.cloudformation import PartnersError, template_yaml
    from manga_enrichment.local.provision import infra_directory

    file = partners or infra_directory() / "partners.json"
    try:
        click.echo(template_yaml(json.loads(file.read_text("utf-8"))), nl=False)
    except (PartnersError, ValueError) as error:
        raise click.ClickException(f"{file}: {error}") from error


@click.command()
def openapi() -> None:
    """Print docs/openapi.json: the request front as an OpenAPI 3.1 document for partners."""
    from manga_enrichment.api.openapi import openapi_json

    click.echo(openapi_json(), nl=False)
