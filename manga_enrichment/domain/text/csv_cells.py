"""One value as a cell of CSV.

Belongs here: lists, missing values, what a spreadsheet would run. Stays out: files and terminals that rows go to.
"""

import json
from math import isnan
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_cell(value: Any) -> Any:
    """Lists, structs and maps as JSON; null as nothing; all else as the csv module writes it."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    is_nothing = value is None or (isinstance(value, float) and isnan(value))
    return "" if is_nothing else value


def spreadsheet_cell(value: Any) -> Any:
    """As `csv_cell`, but texts that a spreadsheet would run as formulas begin with an apostrophe. Numbers stay numbers,
    negative ones too.
    """
    cell = csv_cell(value)
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell
