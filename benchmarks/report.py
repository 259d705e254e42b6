"""A table for people and one JSON line for machines."""

import json

from rich.console import Console
from rich.table import Table

Row = dict[str, str | float | int | None]


def show(name: str, rows: list[Row]) -> None:
    table = Table(title=name)
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="right", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(width=160).print(table)
    print(json.dumps({"benchmark": name, "rows": rows}))
