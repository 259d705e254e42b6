"""A program for the test of many processes: 16 threads reserve from one cap until it refuses, then print what they got.

Arguments: counter, limit, amount, table. The endpoint comes from the environment.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.gateways.budget import BudgetScope


def main(counter: str, limit: int, amount: int, table: str) -> int:
    """Micro-dollars granted to all threads together."""
    budget = DynamoDBBudget(AwsClients().dynamodb, table=table)
    lease_until = datetime.now(UTC) + timedelta(minutes=5)

    def greedy(_thread: int) -> int:
        spender, granted = uuid4().hex, 0
        while budget.reserve([BudgetScope(counter, limit)], spender, amount, lease_until):
            granted += amount
        return granted

    with ThreadPoolExecutor(16) as threads:
        return sum(threads.map(greedy, range(16)))


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))  # noqa: T201
