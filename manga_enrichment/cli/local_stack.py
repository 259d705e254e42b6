"""`manga-enrichment --local ...`: any command against the local stack that another shell runs, without any export.

Belongs here: finding that stack and the environment of one command. Stays out: starting a stack (`make dev`).

It must be asked for. A stack that happens to run must not get what was meant for AWS, and AWS must not get what was
meant for a stack that has ended: then the command stops.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click


def work_on_local_stack(ctx: click.Context, state_dir: Path) -> None:
    """Point the environment at the stack on `state_dir` until the command ends; commands find it as `ctx.obj`."""
    from manga_enrichment.local.stack.local_stack import connect

    endpoints = connect(state_dir)
    if endpoints is None:
        raise click.ClickException(f"No local stack runs on {state_dir}: start one in another shell with `make dev`.")
    ctx.obj = endpoints
    ctx.with_resource(_environment(endpoints.child_environment(os.environ)))


def local_stack_hint(ctx: click.Context) -> str:
    """A second sentence for a command that found no AWS while a local stack runs."""
    state_dir = ctx.params.get("state_dir")
    if ctx.obj is not None or state_dir is None or not (state_dir / "stack.json").exists():
        return ""
    return ". A local stack runs here: to work on that one, say manga-enrichment --local ..."


def local_receiver(ctx: click.Context) -> str:
    """URL of the callback receiver of the stack that --local found; "" without --local."""
    from manga_enrichment.local.stack.endpoints import LocalEndpoints

    endpoints = ctx.find_object(LocalEndpoints)
    return endpoints.callback_url if endpoints else ""


@contextmanager
def stack_sentences() -> Iterator[None]:
    """Around a command that starts a stack: why it did not start, or Ctrl-C meanwhile, is a sentence, no traceback."""
    from manga_enrichment.local.foreground import STOPPED
    from manga_enrichment.local.stack.local_stack import STACK_ERRORS

    try:
        yield
    except STACK_ERRORS as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nStopped; what was started here ends with it.", err=True)
        sys.exit(STOPPED)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
