"""What partners send all the time, and what became of each of it.

Belongs here: batches and questions, and the complaint about one that was not answered. Stays out: when they are sent
(`day.py`).

Half of a batch asks for what the nights ask for, too; the other half has a context that no prompt had before. No
question is asked twice: a call for the same prompt would be a second payment.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, REQUEST_QUEUES
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment.pipeline.partner.submit import submit
from manga_enrichment_tests.end_to_end.partner_books import PARTNER, PartnerBooks

TITLES_EACH = 4
_QUESTIONS_EACH = 3
"""So many questions make one conversation; then another begins."""
_ANALYSES = ("reading_level", "genre_classification", "content_summary")


@dataclass
class Partners:
    """known: titles that can be asked about."""

    books: PartnerBooks
    receiver: CallbackReceiver
    clock: Clock
    known: Sequence[str]
    dice: random.Random
    batches: dict[str, list[str]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    _ended: dict[str, RequestRow] = field(default_factory=dict)

    def send_batch(self) -> None:
        titles = sorted(self.dice.sample(list(self.known), TITLES_EACH))
        number = len(self.batches)
        items: list[dict[str, Any]] = [
            {"manga_id": each, "analysis_type": _ANALYSES[(number + place) % len(_ANALYSES)]}
            for place, each in enumerate(titles)
        ]
        for item in items[::2]:
            item["additional_context"] = f"学校図書館の第{number + 1}便です。"
        body = {"items": items, "callback_url": self.receiver.url}
        self.batches[self._submit("batch_analysis", body)] = titles

    def ask(self) -> None:
        number = len(self.questions)
        conversation = UUID(int=number // _QUESTIONS_EACH + 1, version=4)
        body = {"query": f"{number + 1}番目の質問: 灯台の漫画は？", "conversation_id": str(conversation)}
        self.questions.append(self._submit("manga_query", body))

    def waiting(self) -> list[str]:
        """Requests that have not ended, and queues that are not empty, in words."""
        said = []
        for each in (*self.batches, *self.questions):
            row = self._ended.get(each) or self.books.gateways.requests.get(each)
            if row is None or not is_final(row.state):
                said.append(f"request {each} is {row.state.value if row else 'unseen'}")
            else:
                self._ended[each] = row
        return said + [f"{queue.name} is not empty" for queue in REQUEST_QUEUES if not self.books.is_empty(queue.name)]

    def dead_letters(self) -> list[str]:
        depths = {queue.name: self.books.gateways.queues.depth(queue.name).visible for queue in DEAD_LETTER_QUEUES}
        return [f"{count} dead letters in {queue}" for queue, count in depths.items() if count]

    def lost(self) -> list[str]:
        """Requests without status, answers, or word to their partner."""
        self.books.deliver()
        found = [(each, self._complaint(each)) for each in (*self.batches, *self.questions)]
        return [f"request {each}: {why}" for each, why in found if why]

    def _complaint(self, request_id: str) -> str:
        row = self.books.gateways.requests.get(request_id)
        if row is None:
            return "no worker has ever seen it"
        if row.state is not RequestState.COMPLETED:
            return f"it is {row.state.value} ({row.error_class or 'no reason'})"
        rows, document = self.books.results(request_id)
        if request_id in self.questions:
            return "" if len(rows) == 1 and document["items"] else "it has no answer"
        titles = self.batches[request_id]
        if (
            not titles
            == sorted(row["manga_id"] for row in rows)
            == sorted(each["manga_id"] for each in document["items"])
        ):
            return "its results are not those that were asked for"
        told = [each.event["type"] for each in self._told(request_id)]
        return "" if set(told) == {f"request.{row.state.value}"} else f"its partner was told {told or 'nothing'}"

    def _told(self, request_id: str) -> list[Any]:
        return [each for each in self.receiver.received if each.event.get("request_id") == request_id]

    def _submit(self, schema: str, body: dict[str, Any]) -> str:
        request_id = str(UUID(int=self.dice.getrandbits(128), version=4))
        submit(
            self.books.gateways.queues,
            schema,
            body,
            partner_id=PARTNER,
            request_id=request_id,
            now=self.clock.now(),
            check=False,  # the sender does not know that this worker calls back on loopback
        )
        return request_id
