"""Fixtures that all tests share: the local stack, and a guard that keeps AWS out of reach."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.local.stack.cleaning import empty_bucket, empty_queues, empty_tables
from manga_enrichment.local.stack.endpoints import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.tiers import pytest_collection_modifyitems, pytest_runtest_protocol

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_protocol"]  # hooks that pytest looks for here

# No deadline: a shared machine is slow at times, and slow is not wrong.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.register_profile("fast", deadline=None, derandomize="CI" in os.environ, max_examples=25)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

# Nobody listens on the discard port: a client that was not pointed at the local stack fails at once.
NOWHERE = "http://127.0.0.1:9"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="run what `make test` runs smaller at its full size")


@pytest.fixture(scope="session")
def full_size(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("full_size"))


@pytest.fixture(autouse=True, scope="session")
def no_aws_account() -> Iterator[None]:
    """No test can see the user's AWS settings or reach AWS."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        environment.setenv("AWS_ENDPOINT_URL", NOWHERE)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_CONFIG_FILE", os.devnull)
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One local stack for all tests that ask for it; keeps nothing."""
    with LocalStack(LocalStackConfig(tmp_path_factory.mktemp("local-stack"), persist=False)) as stack:
        yield stack


@pytest.fixture
def aws_environment(local_stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Point this test's environment at the local stack; returns the variables that were set."""
    environment = local_stack.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture(scope="session")
def model_server(local_stack: LocalStack) -> ModelServerControl:
    """Fault switches and counters of the offline model server; use `fresh_stack_state` with it."""
    return ModelServerControl(local_stack.endpoints.model_url)


@pytest.fixture
def fresh_stack_state(local_stack: LocalStack, model_server: ModelServerControl) -> Iterator[None]:
    """Start with empty tables, bucket and queues and a model server at rest; leave queues and server so."""
    empty_tables(local_stack.client("dynamodb"), local_stack.table_names)
    empty_bucket(local_stack.client("s3"), local_stack.endpoints.bucket)
    empty_queues(local_stack.client("sqs"), QUEUES)
    model_server.reset()
    yield
    empty_queues(local_stack.client("sqs"), QUEUES)
    model_server.reset()
