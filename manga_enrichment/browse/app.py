"""The pages' addresses: `/`, `/titles/{id}`, `/sql` and its results as files. Only GET; nothing is changed by any.

Belongs here: what a URL asks for, status codes, headers. Stays out: pages (`pages.py`), the socket (`server.py`),
addresses that change something (`edit/routes.py`).

Whoever reaches the port may read everything, so the host names that requests may be for are told: a page of a stranger,
opened in the same browser, does not get at a server on loopback by a name of its own.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import duckdb
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manga_enrichment.analysts.guarded_sql import RefusedQueryError
from manga_enrichment.analysts.questions import parameters_of
from manga_enrichment.browse.edit.identity import Identify
from manga_enrichment.browse.edit.view import Editable, Said
from manga_enrichment.browse.edit.who_asks import OPEN, WhoAsks
from manga_enrichment.browse.forms import FORMS
from manga_enrichment.browse.pages import Asked, Pages, Question
from manga_enrichment.browse.search import BadQueryError, Find, Wanted, facets, search, titles_of, wanted_of
from manga_enrichment.browse.shelf import Shelf, State
from manga_enrichment.browse.sql_box import Parameters, SqlBox
from manga_enrichment.browse.tables import names_of
from manga_enrichment.browse.title import read_title, read_tombstone
from manga_enrichment.domain.prompts.known_titles import named_ids

SHOWN_ROWS = 500
AT_ONCE = 2
"""Lists and titles that are worked out at a time: they share the memory of one connection, and a machine's cores."""
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_MANGA_ID = re.compile(r"[\w-]{1,64}")
_QUIET = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Browse:
    """Endpoints. They are plain functions: Starlette runs each in a thread."""

    def __init__(
        self, shelf: Shelf, box: SqlBox, pages: Pages, questions: Sequence[Question], find: Find | None = None
    ) -> None:
        """find: the candidate index; None where there is none, as over a folder."""
        self._shelf, self._box, self._pages = shelf, box, pages
        self._questions, self._find = questions, find
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self.fault = ""
        """Why tables could not be read last; "" when they could."""

    def titles(self, request: Request) -> Response:
        state = self._shelf.state
        if state is None:
            return self._waiting()
        names, cursor = self._shelf.names, state.connection.cursor()
        try:
            wanted = wanted_of(request.query_params, names)
            if not all(request.query_params.values()):  # a form sends its empty fields, too
                return RedirectResponse(f"{request.url.path}{wanted.url()}")
            with self._turns:
                found = search(cursor, wanted, names, self._find)
        except BadQueryError as error:
            html = self._pages.titles(state, Wanted(), None, facets(cursor), names, str(error))
            return HTMLResponse(html, 400)
        return HTMLResponse(self._pages.titles(state, wanted, found, facets(cursor), names, ""))

    def title(self, request: Request) -> Response:
        return self.shown(request.path_params["manga_id"])

    def shown(self, manga_id: str, editable: Editable | None = None, status: int = 200) -> Response:
        """A title. editable: what its editor's page has beside it; status: when there is such a title."""
        state = self._shelf.state
        if state is None:
            return self._waiting()
        is_id = _MANGA_ID.fullmatch(manga_id) is not None
        with self._turns:
            title = read_title(state, self._shelf.analyses, manga_id) if is_id else None
        if title is None:
            tombstone = read_tombstone(state, manga_id) if is_id else None
            return HTMLResponse(self._pages.gone(state, manga_id, tombstone), 404)
        return HTMLResponse(self._pages.title(state, title, editable), status)

    def corrections(self, said: Said) -> Response:
        state = self._shelf.state
        if state is None:
            return self._waiting()
        titles = titles_of(state.connection.cursor(), [each.manga_id for each in said.rows])
        return HTMLResponse(self._pages.corrections(state, said, titles, self._shelf.names))

    def problem(self, sentence: str) -> str:
        """As a page."""
        return self._pages.problem(self._shelf.state, sentence)

    def sql(self, request: Request) -> Response:
        state = self._shelf.state
        if state is None:
            return self._waiting()
        asked = self._asked(request.query_params)
        if asked.sql and all(asked.parameters.values()):
            asked = self._answered(state, asked)
        html = self._pages.sql(state, asked, self._questions, names_of(self._shelf.published))
        return HTMLResponse(html, 400 if asked.fault else 200)

    def sql_file(self, request: Request) -> Response:
        state = self._shelf.state
        if state is None:
            return self._waiting()
        form, asked = request.path_params["form"], self._asked(request.query_params)
        if form not in FORMS:
            return HTMLResponse(self._pages.problem(state, f"Forms are {', '.join(FORMS)}."), 404)
        try:
            result = self._box.ask(state.copy, asked.sql, self._meant(asked))
        except RefusedQueryError as error:
            return HTMLResponse(self._pages.problem(state, str(error)), 400)
        if result.has_more:  # a file that looks whole and is not would be believed
            most = f"{self._box.bounds.rows:,}"
            sentence = (
                f"The result has more than {most} rows: narrow it, or ask `manga-enrichment sql`, which has no bound."
            )
            return HTMLResponse(self._pages.problem(state, sentence), 400)
        media_type, end, made = FORMS[form]
        headers = {"content-disposition": f'attachment; filename="result.{end}"'}
        return Response(made(result.table), media_type=media_type, headers=headers)

    def too_much(self, _request: Request, error: Exception) -> Response:
        """DuckDB gave up: it has a bound of memory for all pages together."""
        sentence = f"The answer could not be worked out now: {str(error).splitlines()[0]}. Ask for less, or again."
        return HTMLResponse(self.problem(sentence), 503)

    def health(self, _request: Request) -> Response:
        return PlainTextResponse("ready" if self._shelf.state else "reading", 200 if self._shelf.state else 503)

    def _waiting(self) -> Response:
        return HTMLResponse(self._pages.waiting(self.fault), 503, {"refresh": "2", "retry-after": "2"})

    def _asked(self, query: Mapping[str, str]) -> Asked:
        """`q` is SQL; `name` a shipped question; `p.NAME` the value of a parameter."""
        shipped = next((each for each in self._questions if each.name == query.get("name")), None)
        sql = query.get("q", "").replace("\r\n", "\n").strip() or (shipped.sql.strip() if shipped else "")
        named = dict.fromkeys(_PARAMETER.findall(_QUIET.sub(" ", sql)))
        unless_given = {name: each.default or "" for name, each in parameters_of(sql).items()}
        values = {name: query.get(f"p.{name}", "").strip() or unless_given.get(name, "") for name in named}
        return Asked(sql, values, query=str(query) if sql else "")

    def _answered(self, state: State, asked: Asked) -> Asked:
        try:
            result = self._box.ask(state.copy, asked.sql, self._meant(asked), SHOWN_ROWS)
        except RefusedQueryError as error:
            return Asked(asked.sql, asked.parameters, fault=str(error), query=asked.query)
        return Asked(asked.sql, asked.parameters, result.table, result.has_more, query=asked.query)

    def _meant(self, asked: Asked) -> Parameters:
        """Parameters that take words as ids of titles, best first. Raises RefusedQueryError."""
        in_words = set(_IN_WORDS.findall(asked.sql))
        meant: dict[str, str | list[str]] = {}
        for name, value in asked.parameters.items():
            if name not in in_words:
                meant[name] = value
            elif named := named_ids(value):
                meant[name] = named
            elif self._find is None:
                raise RefusedQueryError(
                    f"There is no candidate index here: give the id of the title in place of {value!r}."
                )
            else:
                meant[name] = [manga_id for manga_id, _why in self._find(value)]
        return meant


_IN_WORDS = re.compile(r"^--\s*\$(\w+):\s*in words\b", re.MULTILINE)


def build_app(
    browse: Browse,
    hosts: Sequence[str],
    lifespan: Lifespan | None = None,
    *,
    identify: Identify | None = None,
    edits: Sequence[Route] = (),
) -> Starlette:
    """hosts: names that requests may be for, without ports. identify: who asks, None where nobody is asked. edits: what
    changes something, none of it without `identify`."""
    routes = [
        *edits,
        Route("/", browse.titles),
        Route("/titles/{manga_id}", browse.title),
        Route("/sql", browse.sql),
        Route("/sql/result.{form}", browse.sql_file),
        Route("/health", browse.health),
    ]
    middleware = [
        Middleware(_Headers),
        Middleware(_Hosts, allowed_hosts=list(hosts), www_redirect=False),
    ]
    if identify is not None:
        middleware.append(Middleware(WhoAsks, identify=identify, problem=browse.problem))
    handlers = {duckdb.Error: browse.too_much}
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers=handlers)


class _Hosts(TrustedHostMiddleware):
    """A load balancer asks for the health of an address, by no name."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.app if scope.get("path") in OPEN else super().__call__)(scope, receive, send)


class _Headers:
    """The same headers on every answer, those of refusals too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
