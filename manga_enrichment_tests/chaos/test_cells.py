"""The matrix is whole: every service with every fault that it can have, and no cell twice."""

from manga_enrichment_tests.chaos.cells import Variant, Work, diagonal, matrix
from manga_enrichment_tests.chaos.faults import Fault, Service, can_have
from manga_enrichment_tests.chaos.moments import DRAIN, NIGHT

BRAKE = (Service.DYNAMODB, Fault.BRAKE)


def test_every_fault_of_every_service_strikes_the_work_that_uses_it() -> None:
    there = {(cell.work, cell.service, cell.stroke.fault) for cell in matrix()}
    possible = {(service, fault) for service in Service for fault in Fault if can_have(service, fault)} | {BRAKE}
    assert {fault for _, fault in possible} == set(Fault)
    assert {(service, fault) for work, service, fault in there if work is Work.DRAIN} == possible
    of_nights = {(service, fault) for service, fault in possible if service is not Service.SQS}
    assert {(service, fault) for work, service, fault in there if work is Work.NIGHT} == of_nights


def test_every_moment_is_in_the_matrix_and_no_cell_is_there_twice() -> None:
    cells = list(matrix())
    assert {cell.begins for cell in cells} == {*NIGHT.values(), *DRAIN.values()}
    assert len({str(cell) for cell in cells}) == len(cells)


def test_the_diagonal_meets_every_kind_of_work_and_service_of_a_night() -> None:
    cells = diagonal()
    assert 6 <= len(cells) <= 8
    assert {cell.service for cell in cells if cell.work is Work.NIGHT} == set(Service) - {Service.SQS}
    assert {cell.work for cell in cells} == set(Work)


def test_a_stroke_of_the_matrix_strikes_the_first_request_it_meets() -> None:
    for cell in matrix():
        assert cell.stroke.draws().random() < cell.stroke.share


def test_a_night_and_a_drain_meet_the_brake_alone_and_with_a_kill() -> None:
    cells = [cell for cell in matrix() if cell.stroke.fault is Fault.BRAKE]
    assert {(cell.work, cell.variant) for cell in cells} == {
        (work, variant) for work in Work for variant in (Variant.NONE, Variant.KILLED)
    }
    assert [cell.work for cell in matrix() if cell.variant is Variant.BESIDE] == [Work.NIGHT]
