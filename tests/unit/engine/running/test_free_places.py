"""The free places of a process that runs items side by side."""

from __future__ import annotations

import asyncio

from flowq.engine.running.free_places import FreePlaces


def test_a_process_whose_places_are_full_reserves_nothing() -> None:
    places = FreePlaces(10)
    assert places.reserve(["0:0-5"], in_use=10) == []
    assert places.take_reserved() == ""


def test_a_starved_process_reserves_what_it_has_places_for_and_takes_it_in_order() -> None:
    places = FreePlaces(10)
    places.starved = True
    assert places.reserve(["0:0-5", "0:5-20", "0:20-25"], in_use=3) == ["0:0-5", "0:5-20"]
    assert places.reserve(["0:25-30"], in_use=3) == [], "what is reserved counts as well"
    assert [places.take_reserved() for _ in range(3)] == ["0:0-5", "0:5-20", ""]


def test_news_ends_a_wait_until_it_is_seen() -> None:
    async def waits() -> list[bool]:
        places = FreePlaces(10)
        places.starved = True
        seen = [places.has_changed]
        places.reserve(["0:0-5"], in_use=0)
        await places.wait()
        seen.append(places.has_changed)
        places.look()
        await places.wait()  # not for ever: nobody may tell
        return [*seen, places.has_changed]

    assert asyncio.run(waits()) == [False, True, False]


def test_what_is_handed_on_is_reserved_here_no_more() -> None:
    places = FreePlaces(10)
    places.starved = True
    places.reserve(["0:0-5", "0:5-9"], in_use=0)
    assert places.hand_on() == ["0:0-5", "0:5-9"]
    assert (places.take_reserved(), places.hand_on()) == ("", [])


def test_where_items_keep_others_from_their_places_they_are_late_after_twice_the_time_of_most() -> None:
    places = FreePlaces(10)
    for _ in range(4):
        places.ended(0.1)
    assert places.late_s() == 1.0
    places.crowded = True
    assert places.late_s() == 0.2
    for _ in range(1000):
        places.ended(0.0)
    assert places.late_s() == 0.03


def test_a_few_slow_items_do_not_make_the_others_wait_for_longer() -> None:
    places = FreePlaces(10)
    places.crowded = True
    for number in range(100):
        places.ended(1.0 if number % 10 == 0 else 0.02)
    assert places.late_s() == 0.04
