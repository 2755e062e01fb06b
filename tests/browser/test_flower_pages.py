"""Flower as a person sees it: the batch is searched by its name, the failed item opened, the workers looked at.

The screenshots are those of the documents (docs/images).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

import flowq
from tests import nodes
from tests.flower import PASSWORD, USER, Flower
from tests.waiting import until

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 1280, "height": 560}


@pytest.fixture(scope="module")
def fleet() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(slots=2, workers=2, imports=["tests.nodes"]) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def flower(fleet: flowq.LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    flower = Flower(fleet.broker_url, tmp_path_factory.mktemp("flower") / "log")
    yield flower
    flower.end()


@pytest.fixture
def page(browser: Browser, flower: Flower) -> Iterator[Page]:
    context = browser.new_context(
        viewport=SIZE, http_credentials={"username": USER, "password": PASSWORD}, base_url=flower.url
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def picture(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / name)
    assert (IMAGES / name).stat().st_size < 120_000


def search(page: Page, words: str) -> None:
    page.goto("/tasks")
    page.get_by_role("searchbox").fill(words)


def test_a_running_batch_is_found_by_its_name(page: Page, flower: Flower, fleet: flowq.LocalCluster) -> None:
    other = nodes.Square().submit(range(2000), label="warm-up")
    assert other.wait(20)
    running = nodes.Slow(0.4, name="FetchPage").submit(range(60), label="nightly import")
    until(lambda: len(flower.tasks("nightly")) > 8, 20, "some of it is done")
    search(page, "nightly")
    expect(page.locator("#tasks-table tbody")).to_contain_text("nightly import · item")
    expect(page.locator("#tasks-table tbody")).to_contain_text("STARTED")
    expect(page.locator("#tasks-table tbody")).not_to_contain_text("warm-up")
    picture(page, "flower-tasks.png")
    assert not running.state().closed
    running.cancel()


def test_a_failed_item_is_found_with_its_traceback(page: Page, fleet: flowq.LocalCluster) -> None:
    batch = nodes.FailsOn([13], on_error="collect", name="Parse").submit(range(40), label="invoices")
    assert batch.wait(20)
    search(page, "state:FAILURE invoices")
    page.get_by_role("link", name=f"{batch.id}.13").or_(page.get_by_text("invoices · item 13")).first.wait_for()
    picture(page, "flower-failures.png")
    page.goto(f"/task/{batch.id}.13")
    expect(page.locator("body")).to_contain_text("item 13 is bad")
    expect(page.locator("body")).to_contain_text("Traceback (most recent call last)")
    page.get_by_text("Traceback (most recent call last)").scroll_into_view_if_needed()
    picture(page, "flower-failed-item.png")


def test_every_item_of_a_chunk_is_seen_with_item_events(page: Page, fleet: flowq.LocalCluster) -> None:
    batch = nodes.FailsOn([3], on_error="collect", item_events=True, name="Parse", chunk_size=10)
    assert batch.submit(range(10), label="each one").wait(20)
    search(page, "each")
    expect(page.locator("#tasks-table tbody tr", has_text="Parse item")).to_have_count(10, timeout=20_000)
    picture(page, "flower-items.png")


def test_the_workers_are_listed(page: Page, fleet: flowq.LocalCluster) -> None:
    page.goto("/workers")
    expect(page.locator("#workers-table tbody tr")).to_have_count(2)
    expect(page.locator("body")).to_contain_text("local-2@")
    picture(page, "flower-workers.png")


def test_without_the_password_there_is_nothing_to_see(browser: Browser, flower: Flower) -> None:
    page = browser.new_page()
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        page.goto(f"{flower.url}/tasks")
    page.close()
