"""`python -m manga_enrichment.local.model_server`: the server as a process of its own."""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.model_server.app import create_app
from manga_enrichment.local.model_server.batch.files import BatchFiles, S3BatchFiles
from manga_enrichment.local.model_server.service_metrics import ServiceMetrics
from manga_enrichment.local.model_server.serving import ModelServer
from manga_enrichment.local.model_server.state import ServerState
from manga_enrichment.local.stack.provision import emulator_client
from manga_enrichment.runtime.garbage import rare_collections
from manga_enrichment.settings import known_models, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Prints `ready URL` once it listens; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        state = ServerState(
            known_models(load_settings()),
            record_path=options.record_file,
            batch_files=_files(options.s3_endpoint),
            metrics=_metrics(options.cloudwatch_endpoint),
        )
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    gc.freeze()  # lexicon, models and modules stay: no need to look through them again with every few requests
    with rare_collections():
        ModelServer(create_app(state), options.host, options.port, _say_ready).run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m manga_enrichment.local.model_server",
        description="Offline stand-in for bedrock-runtime. Not a language model.",
    )
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--record-file", type=Path, help="keep the counters in this file across restarts")
    parser.add_argument("--s3-endpoint", metavar="URL", help="the emulator: where batch jobs read and write")
    parser.add_argument("--cloudwatch-endpoint", metavar="URL", help="the emulator: where metrics of calls go")
    return parser


def _files(s3_endpoint: str | None) -> BatchFiles | None:
    return None if s3_endpoint is None else S3BatchFiles(emulator_client("s3", s3_endpoint))


def _metrics(cloudwatch_endpoint: str | None) -> ServiceMetrics | None:
    return None if cloudwatch_endpoint is None else ServiceMetrics(emulator_client("cloudwatch", cloudwatch_endpoint))


def _say_ready(url: str) -> None:
    sys.stdout.write(f"ready {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
