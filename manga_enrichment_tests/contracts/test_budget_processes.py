"""A cap is shared by processes, not only by threads."""

import os
import subprocess
import sys
from pathlib import Path

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.local.stack.local_stack import LocalStack

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_of_sixteen_threads_use_up_one_cap_and_never_pass_it(
    local_stack: LocalStack, aws_clients: AwsClients, unique: str
) -> None:
    table = local_stack.outputs["BudgetTableName"]
    program = [sys.executable, "-m", "manga_enrichment_tests.contracts.reserve_greedily", unique, "1000", "7", table]
    environment = local_stack.child_environment(os.environ)
    processes = [
        subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    granted = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sum(granted) == 1_000 // 7 * 7
    assert DynamoDBBudget(aws_clients.dynamodb, table=table).spent(unique) == (sum(granted), 0)
