"""Addresses of editors: a title's page with forms, what these post, and all corrections, latest first.

Belongs here: what is asked of a request before anything is changed, and what it is answered. Stays out: what may be
corrected and how it is kept (`pipeline/editing/editing.py`), what a page shows (`view.py`).

Each change is asked for by POST, by a known person, from a page of ours with a sign made for them. The row in the store
is its record: who, when, what readers got before, what they get now, why. Nothing takes a row from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from manga_enrichment.browse.app import Browse
from manga_enrichment.browse.edit.fields import UnreadableValueError
from manga_enrichment.browse.edit.form import Form, RefusedFormError, read_form
from manga_enrichment.browse.edit.genuine import Genuine, stranger
from manga_enrichment.browse.edit.view import Editable, Place, Refused, Said, fields_of, standing_of
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.gateways.errors import StoreUnavailableError, WriteConflictError
from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.labels.corrections import CorrectionError, corrections_of

PAGE_ROWS = 50
DONE = ("corrected", "taken_back")
_OPEN_TOO_LONG = "Nothing was changed: the form was open too long, or was made for somebody else. Look at it again"

Change = Callable[[Form, Place, str, str], object]
"""Form, place, manga_id and who. Raises CorrectionError, UnreadableValueError."""


class Edits:
    """analyses: of titles, by name."""

    def __init__(
        self,
        browse: Browse,
        objects: TableReader,
        editing: Editing,
        analyses: Mapping[str, AnalysisType],
        genuine: Genuine,
    ) -> None:
        self._browse, self._objects, self._editing = browse, objects, editing
        self._analyses, self._genuine = analyses, genuine
        self._fields = fields_of(analyses.values())

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/titles/{manga_id}", self.title),
            Route("/titles/{manga_id}/correct", partial(self._changed, self._correct, DONE[0]), methods=["POST"]),
            Route("/titles/{manga_id}/take-back", partial(self._changed, self._take_back, DONE[1]), methods=["POST"]),
            Route("/corrections", self.corrections),
        ]

    def title(self, request: Request) -> Response:
        done = request.query_params.get("done", "")
        analysis, _, field = request.query_params.get("of", "").partition(".")
        editable = replace(self._editable(request), done=done if done in DONE else "", place=(analysis, field))
        return self._shown(request.path_params["manga_id"], editable)

    def corrections(self, request: Request) -> Response:
        """Of all titles, latest first. `analysis` and `page` narrow them."""
        wanted = request.query_params.get("analysis", "")
        names = [wanted] if wanted in self._analyses else list(self._analyses)
        try:
            said = corrections_of(self._objects, [self._analyses[name] for name in names])
        except StoreUnavailableError as error:
            return self._problem(503, f"Corrections cannot be read now: {error}.")
        said.reverse()
        page = request.query_params.get("page", "1")
        number = max(int(page), 1) if page.isascii() and page.isdigit() and len(page) < 6 else 1
        rows = said[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
        pages = max(-(-len(said) // PAGE_ROWS), 1)
        return self._browse.corrections(Said(rows, len(said), names[0] if len(names) == 1 else "", number, pages))

    async def _changed(self, change: Change, done: str, request: Request) -> Response:
        why = stranger(request.headers)
        if why:
            return self._problem(403, f"Nothing was changed: {why}.")
        try:
            form = await read_form(request)
        except RefusedFormError as error:
            return self._problem(error.status, f"Nothing was changed. {error}.")
        return await run_in_threadpool(self._change, change, done, request, form)

    def _change(self, change: Change, done: str, request: Request, form: Form) -> Response:
        manga_id, who = request.path_params["manga_id"], request.state.who
        place = (form.one("analysis"), form.one("field"))
        if place not in self._fields:
            return self._problem(422, "Nothing was changed: there is no such field.")
        refuse = partial(self._refused, request, form, place, done)
        if not self._genuine.is_theirs(form.one("sign"), who):
            return refuse(403, _OPEN_TOO_LONG)
        try:
            change(form, place, manga_id, who)
        except (CorrectionError, UnreadableValueError) as error:
            return refuse(422, str(error))
        except (WriteConflictError, StoreUnavailableError) as error:
            return refuse(503, f"It could not be kept now, send it again: {error}")
        query = urlencode({"done": done, "of": ".".join(place)})
        return RedirectResponse(f"/titles/{manga_id}?{query}#done", 303)

    def _correct(self, form: Form, place: Place, manga_id: str, who: str) -> None:
        value = self._fields[place].meant(form.all("value"))
        self._editing.correct(manga_id, *place, value, by=who, because=form.one("because"))

    def _take_back(self, form: Form, place: Place, manga_id: str, who: str) -> None:
        self._editing.take_back(manga_id, *place, by=who, because=form.one("because"))

    def _refused(self, request: Request, form: Form, place: Place, done: str, status: int, sentence: str) -> Response:
        """The title once more, the sentence beside the field, what was filled in still in it."""
        refused = Refused(place, sentence, form.all("value"), form.one("because"), is_taking_back=done == DONE[1])
        editable = replace(self._editable(request), refused=refused)
        return self._shown(request.path_params["manga_id"], editable, status)

    def _editable(self, request: Request) -> Editable:
        """Without what was said of the title, which only a title that there is has."""
        return Editable(request.state.who, self._genuine.sign(request.state.who), self._fields)

    def _shown(self, manga_id: str, editable: Editable, status: int = 200) -> Response:
        try:
            said = corrections_of(self._objects, self._analyses.values(), manga_id)
        except StoreUnavailableError as error:
            return self._problem(503, f"Corrections cannot be read now: {error}.")
        editable = replace(editable, standing=standing_of(said), said=said[::-1])
        return self._browse.shown(manga_id, editable, status)

    def _problem(self, status: int, sentence: str) -> Response:
        return HTMLResponse(self._browse.problem(sentence), status)
