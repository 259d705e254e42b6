"""A partner lane whose objects keep every version."""

from manga_enrichment_tests.builders import put_catalog, record
from manga_enrichment_tests.partner_world import TITLES, PartnerWorld
from manga_enrichment_tests.versioned_tables import VersionedTables


def versioned_world() -> tuple[PartnerWorld, VersionedTables]:
    world = PartnerWorld()
    tables = VersionedTables(world.clock)
    world.base.tables = tables
    put_catalog(tables, [record(number) for number in range(TITLES)])
    return world, tables
