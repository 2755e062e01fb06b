"""How many items the next chunk holds."""

from __future__ import annotations

from flowq.batch.running.sizing import first_floor, floor_size, next_size, overstay, weighed


def test_a_chunk_holds_what_fits_the_budget() -> None:
    assert next_size(100, 100, 1.0, budget_s=0.2) == 20


def test_a_chunk_grows_by_a_bounded_factor() -> None:
    assert next_size(1, 1, 0.000001, growth=32) == 32
    assert next_size(32, 32, 0.000032, growth=32) == 1024


def test_an_item_slower_than_the_budget_rides_alone() -> None:
    assert next_size(8, 8, 80.0) == 1


def test_a_run_that_finished_nothing_teaches_nothing() -> None:
    assert next_size(7, 0, 3.0) == 7


def test_items_that_take_no_measurable_time_are_no_division_by_zero() -> None:
    assert next_size(10, 10, 0.0) == 320
    assert floor_size(10, 0.0) >= 1


def test_a_chunk_is_worth_its_carriage() -> None:
    assert floor_size(1000, 0.001, shortest_s=0.001) == 1000


def test_few_items_that_are_known_to_be_short_are_one_chunk_a_slot() -> None:
    assert first_floor(20_000, 10, 2) == 5
    assert first_floor(20_000, 10_000, 2) == 5_000
    assert first_floor(20_000, 1, 2) == 1


def test_of_many_the_first_chunks_do_not_wait_for_the_rest() -> None:
    assert first_floor(20_000, 40_000, 2) == 8_192
    assert first_floor(20_000, 100_000, 2) == 12_500
    assert first_floor(20_000, 1_000_000, 2) == 20_000
    assert first_floor(3, 100_000, 2) == 3


def test_a_chunk_brings_no_more_bytes_than_its_readers_should_hold() -> None:
    assert weighed(1000, 10, 10_000, 1, most_bytes=100_000) == 100
    assert weighed(50, 10, 10_000, 1, most_bytes=100_000) == 50
    assert weighed(1000, 10, 0, 1) == 1000
    assert weighed(1000, 1, 10**9, 1) == 1


def test_however_large_its_values_a_few_chunks_fill_a_process() -> None:
    assert weighed(1000, 1, 10**9, 100) == 12
    assert weighed(5, 1, 10**9, 100) == 5


def test_a_chunk_overstays_after_four_budgets() -> None:
    assert not overstay(0.8, budget_s=0.2)
    assert overstay(0.81, budget_s=0.2)
