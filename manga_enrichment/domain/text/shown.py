"""Text from outside on a terminal and in Markdown: shown, never obeyed.

Belongs here: escapes of what a terminal would obey or hide, cells that no renderer of Markdown acts on. Stays out:
which characters a text may hold at all (`rule.py`), HTML (the report's templates escape), CSV and JSON, which stay as
they are.
"""

_LOOKALIKES = str.maketrans({"|": "¦", "`": "'"})


def escaped(text: str) -> str:
    """One line: whatever is not printable as an escape such as \\x1b or \\n, ideographic and hard spaces excepted."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\u3000\xa0" else ascii(char)[1:-1] for char in text)


def escaped_lines(text: str) -> str:
    """Like `escaped`, line breaks kept: for a text of ours that quotes others."""
    return "\n".join(map(escaped, text.split("\n")))


def inert(text: str) -> str:
    """A text as code in a cell of a Markdown table: nothing of it is rendered; "" stays empty.

    Code has no links (bare addresses neither), images, HTML or emphasis; what could end the code or the cell gives way
    to a look-alike.
    """
    shown = escaped(text.replace("\n", " ").translate(_LOOKALIKES))
    return f"`{shown}`" if shown else ""
