"""`manga-enrichment deploy-plan`: what is typed to deploy all of it.

Belongs here: the command. Stays out: the plan (`domain/operations/deploy_plan.py`), the walk (`docs/aws.md`).
"""

import re

import click


@click.command("deploy-plan")
@click.option("--stage", default="", help="MANGA_STAGE of what is deployed; none by default.")
def deploy_plan(stage: str) -> None:
    """Print the commands of a deployment on AWS, in order, with the outputs that each needs: a script for bash."""
    from manga_enrichment.domain.operations import deploy_plan as plan
    from manga_enrichment.domain.operations.stages import STAGE_PATTERN

    if not re.fullmatch(STAGE_PATTERN, stage):
        raise click.BadParameter(f"a stage is up to 12 lower-case letters and digits: {stage}", param_hint="--stage")
    click.echo(plan.deploy_plan(stage), nl=False)
