"""One HTTP server with a fleet's metrics for Prometheus and autoscalers. It reads Redis at each request.

Workers need not serve anything: their processes add to counters in Redis, and the ledgers hold the rest.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from flowq.engine.connection import Connections
from flowq.engine.fleet.gauges import Standing, read_standing
from flowq.engine.fleet.meter import BUCKETS_S, Times, Totals, read_totals
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger("flowq.metrics")


def require_prometheus() -> None:
    """Raise ConfigError if prometheus_client is not installed."""
    if importlib.util.find_spec("prometheus_client") is None:
        raise ConfigError(
            "prometheus_client is not installed: pip install prometheus_client (or flowq with its extra metrics)"
        )


class FleetCollector:
    """A collector for prometheus_client; reads Redis when it is scraped.

    Args:
        connections: to the fleet's Redis.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        try:
            standing = read_standing(self._connections)
            totals = read_totals(self._connections.redis, self._connections.keys)
        except REDIS_ERRORS as error:
            log.warning("Redis did not answer", extra={"error": repr(error)})
            yield GaugeMetricFamily("flowq_up", "Whether Redis answers.", value=0)
            return
        yield GaugeMetricFamily("flowq_up", "Whether Redis answers.", value=1)
        yield from gauges(standing)
        yield from counters(totals)


def gauges(standing: Standing) -> Iterator[Metric]:
    """The current state of the fleet."""
    from prometheus_client.core import GaugeMetricFamily

    def family(name: str, told: str, labels: list[str], values: Iterable[tuple[Iterable[str], float]]) -> Metric:
        made = GaugeMetricFamily(f"flowq_{name}", told, labels=labels)
        for one, value in values:
            made.add_metric(list(one), value)
        return made

    by_node = ["queue", "node"]
    yield family("pending_items", "Items that want a slot, those that run included.", by_node, standing.pending.items())
    yield family("running_items", "Items in chunks that a worker holds.", by_node, standing.running.items())
    yield family("parked_items", "Items that wait without a slot.", by_node, standing.parked.items())
    yield family("batches", "Batches that have not ended.", [*by_node, "state"], standing.batches.items())
    ages = (([queue], age_s) for queue, age_s in standing.lease_age_s.items())
    yield family("lease_age_seconds", "Seconds since the oldest beat for a held chunk.", ["queue"], ages)
    slots = (([queue], n) for queue, n in standing.slots.items())
    yield family("slots", "Processes that run items.", ["queue"], slots)
    yield family("workers", "Workers.", ["queue"], (([queue], n) for queue, n in standing.workers.items()))


def counters(totals: Totals) -> Iterator[Metric]:
    """The counters of what the fleet has done."""
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    outcomes = CounterMetricFamily("flowq_outcomes", "Items that ended.", labels=["queue", "node", "outcome"])
    for kind, by_labels in totals.outcomes.items():
        for labels, n in by_labels.items():
            outcomes.add_metric([*labels, kind], n)
    yield outcomes
    retried = CounterMetricFamily("flowq_retried_items", "Items that took several tries.", labels=["queue", "node"])
    for labels, n in totals.retried.items():
        retried.add_metric(list(labels), n)
    yield retried
    named = (
        ("item", "Time an item took.", totals.item_times),
        ("chunk", "Time a run of items took.", totals.chunk_times),
    )
    for name, told, by_node in named:
        histogram = HistogramMetricFamily(f"flowq_{name}_seconds", told, labels=["queue", "node"])
        for labels, times in by_node.items():
            histogram.add_metric(list(labels), buckets=_cumulated(times), sum_value=times.seconds)
        yield histogram
    yield CounterMetricFamily("flowq_snapshot_bytes", "Bytes of stores sent to Redis.", value=totals.snapshot_bytes)


def _cumulated(times: Times) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
    return [(bound, float(sum(times.counts[: at + 1]))) for at, bound in enumerate(bounds)]


class MetricsServer:
    """Serves ``/metrics``, ``/pending`` and ``/healthz`` until it is closed.

    ``/pending?queue=flowq`` returns ``{"pending": 1200, "slots": 8}``, for KEDA's metrics-api scaler.

    Args:
        connections: to the fleet's Redis.
        address, port: where it listens; port 0 takes a free one.

    Attributes:
        url: of the server.
    """

    def __init__(self, connections: Connections, *, address: str, port: int) -> None:
        require_prometheus()
        from prometheus_client import CollectorRegistry, generate_latest

        self._connections = connections
        registry = CollectorRegistry()
        registry.register(FleetCollector(connections))
        pages: dict[str, Callable[[str | None], tuple[int, str, bytes]]] = {
            "/metrics": lambda _: (200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry)),
            "/pending": self._pending,
            "/healthz": lambda _: (200, "text/plain", b"ok\n"),
        }
        self._server = ThreadingHTTPServer((address, port), _handler(pages))
        self._lock = threading.Lock()
        self._serving = self._closed = False
        host, port = self._server.server_address[:2]
        self.url = f"http://{host!s}:{port}"

    def serve(self) -> None:
        """Answer requests until ``close`` is called; return at once if it was called before."""
        with self._lock:
            if self._closed:
                return
            self._serving = True
        self._server.serve_forever()

    def close(self) -> None:
        """End ``serve``, if it was called, and stop listening."""
        with self._lock:
            self._closed = True
        if self._serving:  # else shutdown() would wait for ever for serve_forever() to end
            self._server.shutdown()
        self._server.server_close()

    def _pending(self, queue: str | None) -> tuple[int, str, bytes]:
        try:
            standing = read_standing(self._connections, queue)
        except REDIS_ERRORS as error:
            # Told 0, an autoscaler would stop workers only because Redis is away for the moment.
            return 503, "text/plain", f"Redis did not answer: {type(error).__name__}\n".encode()
        slots = sum(n for name, n in standing.slots.items() if queue is None or name == queue)
        said = {"pending": standing.pending_of(queue), "slots": slots}
        return 200, "application/json", json.dumps(said).encode() + b"\n"


def _handler(pages: dict[str, Callable[[str | None], tuple[int, str, bytes]]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            page = pages.get(asked.path)
            queue = parse_qs(asked.query).get("queue", [None])[0]
            status, kind, body = (404, "text/plain", b"/metrics /pending /healthz\n") if page is None else page(queue)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            log.debug(format, *args)

    return Handler
