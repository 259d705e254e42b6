"""What ops hand on to each other, kept where the next try of a run finds it: on whatever machine that is.

A run that is continued does not repeat the ops that came to their end, and asks for what they handed on. Dagster's
default looks for it on the disk of the machine that worked at the run before. What is handed on is small: ids, numbers.

Why not dagster-aws' own: importing it costs every process two seconds, and it pickles.

Belongs here: the IO managers. Stays out: what is handed on (the ops).
"""

from typing import Any

import dagster as dg
import orjson

from manga_enrichment.defs.shared.policies import configuration_errors_are_final
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import output_key

IN_MEMORY = "handed_on_in_memory"
"""IO manager of runs that nobody continues: their ops are in one process, and their outputs end with it."""


class StoredOutputs(dg.IOManager):
    """An object of JSON for each output, in the folder of the run whose op handed it on. Ops of one process are given
    what the object says without reading it."""

    def __init__(self, tables: ObjectStore) -> None:
        self._tables = tables
        self._said: dict[str, bytes] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        with configuration_errors_are_final():
            self._tables.write_json(_key(context), {"value": obj})
        self._said[_key(context)] = orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)  # as the store has it

    def load_input(self, context: dg.InputContext) -> Any:
        handed_on_by = context.upstream_output
        if handed_on_by is None:
            raise dg.Failure(f"input {context.name} comes from no op: there is nothing to read", allow_retries=False)
        if (said := self._said.get(_key(handed_on_by))) is not None:
            return orjson.loads(said)
        with configuration_errors_are_final():
            document = self._tables.read_json(_key(handed_on_by))
        if document is None:
            raise dg.Failure(
                f"what {handed_on_by.step_key} of run {handed_on_by.run_id} handed on is gone, or was kept on a disk "
                "by an older version: launch the run anew with all its steps; answers that are kept are not paid again",
                allow_retries=False,
            )
        return document["value"]


def _key(output: dg.OutputContext) -> str:
    return output_key(output.run_id, output.step_key, output.name)


def build_io_managers() -> dict[str, object]:
    """By resource key."""

    @dg.io_manager(required_resource_keys={"tables"}, description="Outputs of ops, in the results bucket.")
    def stored_outputs(context: dg.InitResourceContext) -> StoredOutputs:
        return StoredOutputs(context.resources.tables)

    return {"io_manager": stored_outputs, IN_MEMORY: dg.mem_io_manager}
