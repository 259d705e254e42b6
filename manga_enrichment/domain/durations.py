"""How long something takes, in words for people.

Belongs here: the one form. Stays out: measuring.
"""


def duration_text(seconds: float) -> str:
    """With one decimal in the largest unit of which there are at least two: `90 s`, `2.5 min`, `30.0 h`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
