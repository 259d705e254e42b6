"""A form as a browser sends it: of few bytes and few fields, or refused.

Belongs here: reading it. Stays out: whether it may be believed (`genuine.py`), what it says (`fields.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request

MAX_BYTES = 32_768
MAX_FIELDS = 100
_KIND = "application/x-www-form-urlencoded"


class RefusedFormError(Exception):
    """Cannot be read; says why, and the status that goes with it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Form:
    fields: dict[str, list[str]]

    def one(self, name: str) -> str:
        """Stripped; "" where it is not there."""
        return self.fields.get(name, [""])[0].strip()

    def all(self, name: str) -> Sequence[str]:
        """Lines end as they do on this machine, not as browsers send them."""
        return [each.replace("\r\n", "\n") for each in self.fields.get(name, [])]


async def read_form(request: Request) -> Form:
    """Raises RefusedFormError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise RefusedFormError(415, "Only forms of these pages are taken here")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise RefusedFormError(413, f"That is more than {MAX_BYTES:,} bytes: no answer is so long")
    try:
        return Form(parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise RefusedFormError(400, "The form cannot be read") from error
