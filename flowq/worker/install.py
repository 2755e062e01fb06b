"""``flowq.install(app)``: adds flowq's tasks, serializer and bootsteps to a Celery app, flowq's own or a team's."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from billiard import pool
from billiard.process import current_process
from celery import Celery, signals
from kombu.asynchronous import get_event_loop

from flowq.batch.executor import Executor, activate, activated, set_default
from flowq.batch.inline.executor import InlineExecutor
from flowq.batch.results.allowed_sinks import restrict, restricted
from flowq.client.executor import CeleryExecutor
from flowq.codec import register_kombu
from flowq.engine.app import broker_of
from flowq.engine.connection import Connections
from flowq.engine.limits.gate import fleet_gate
from flowq.engine.running.slot import Slot
from flowq.errors import ConfigError
from flowq.settings import Settings
from flowq.worker.boards import Boards
from flowq.worker.importing import WhileImporting
from flowq.worker.main_module import load_main
from flowq.worker.parent_death import die_with_parent
from flowq.worker.prints import log_prints
from flowq.worker.pulse import Pulse
from flowq.worker.shared_blobs import SharedBlobs
from flowq.worker.tasks import add_tasks
from flowq.worker.unknown import UnknownTasks

log = logging.getLogger("flowq.worker")

# At its end, a child waits until the main process has read the result of each task it finished, up to 300 times 0.1 s.
# Celery forgets a task that a child takes just when the worker is told to stop, and never reads its result. flowq's
# tasks lose nothing by a shorter wait: what they did is in the ledger.
UNHEARD_TRIES = 10

MIB = 1024 * 1024


class Room:
    """flowq's state on a Celery app: the boards and blobs that its processes share, and the slot of this process."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.boards = Boards()
        self.blobs: SharedBlobs | None = None
        self.unknown = UnknownTasks(app, settings)
        self.hostname = ""
        self.owned = False  # True on flowq's own worker: a team's worker decides itself how it stops
        self.stopping = False
        self.until: float | None = None
        self.ready = threading.Event()
        self._slot: Slot | None = None
        self._inside: InlineExecutor | None = None
        self._pid = -1

    def announced(self) -> None:
        """Called with every pulse, once the fleet knows this worker and it consumes: touches the ready file."""
        if self.settings.ready_file is not None:
            self.settings.ready_file.touch()

    def share_blobs(self, processes: int) -> None:
        """Have so many processes, forked after this call, share the stores that they fetch."""
        if processes > 1 and self.settings.store_cache_mib:
            self.blobs = SharedBlobs.open(self.settings.store_cache_mib * MIB)

    def slot(self) -> Slot:
        """The slot of the calling process, made at its first task."""
        if self._slot is None or self._pid != os.getpid():
            connections = Connections(self.settings, self.app)
            index = getattr(current_process(), "index", 0)
            self._slot = Slot(connections, self.hostname or self.app.main, self.boards.own(index), self.blobs)
            self._inside = None
            self._pid = os.getpid()
        return self._slot

    def inside(self) -> InlineExecutor:
        """The executor of batches that an exec starts: runs them inside its item, under the fleet's limits."""
        slot = self.slot()
        if self._inside is None:
            self._inside = InlineExecutor(gates=partial(fleet_gate, slot.connections))
        return self._inside

    @contextmanager
    def at_work(self) -> Iterator[InlineExecutor]:
        """While the block runs, batches started in this process run inside their item, and write only to the sinks that
        this worker allows.

        This holds for the whole process, not only the thread: an exec may start threads of its own. A prefork process
        runs one task at a time, so a team's own tasks are not affected.
        """
        with activated(self.inside()) as inside, restricted(self.settings.sinks):
            yield inside

    def executor(self) -> CeleryExecutor:
        """The executor that submits from this process, over the slot's connections."""
        return CeleryExecutor(self.settings, connections=self.slot().connections)


def install(app: Celery, settings: Settings | None = None) -> Celery:
    """Install flowq on *app*: its workers then run flowq's batches beside their other tasks.

    The app's own tasks and settings stay as they are, except that flowq's content type is added to ``accept_content``,
    and that a worker started without ``-Q`` also consumes flowq's queue. Send batches with ``flowq.connect(app=app)``;
    the app's own tasks send them without that, and should not wait for them.

    Args:
        app: an app with Redis as broker and result backend.
        settings: read from ``FLOWQ_…`` if None; the broker is always the app's.

    Raises:
        ConfigError: the app's broker or result backend is not Redis. (A pool other than prefork is refused when
            the worker starts.)
    """
    if getattr(app, "flowq", None) is not None:
        return app
    register_kombu()
    settings = settings or Settings()
    says_where = settings.broker_url is not None
    settings = settings.model_copy(update={"broker_url": broker_of(app)})
    backend = str(app.conf.result_backend or "")
    if not backend.startswith(("redis", "rediss", "socket", "sentinel")):
        raise ConfigError(
            f"flowq needs a Redis result backend, this app has {backend or 'none'}: set result_backend='redis://…'"
        )
    accepted = list(app.conf.accept_content or ["json"])
    app.conf.accept_content = [*accepted, "flowq"] if "flowq" not in accepted else accepted
    results = app.conf.result_accept_content
    if results is not None and "flowq" not in results:
        app.conf.result_accept_content = [*results, "flowq"]
    room = Room(app, settings)
    app.flowq = room
    add_tasks(app, room)
    app.steps["worker"].add(Pulse)
    _connect_signals(room)
    if not says_where:
        set_default(partial(_here, app))  # last, so that it is not set for an app that was refused
    return app


def _here(app: Celery) -> Executor:
    """The executor of a program that installed flowq on *app* but names none: its own process, with a warning."""
    logging.getLogger("flowq").warning(
        "batches of this program run in its own process, and not on the workers of the Celery app %r: "
        "flowq.activate(flowq.connect(app=app)) sends them there",
        app.main,
    )
    return InlineExecutor()


def _wake_consumer() -> None:
    """Make the consumer's event loop run once more at once; called from another thread."""
    hub = get_event_loop()
    if hub is not None:
        hub.call_soon(bool)


def load_modules(settings: Settings) -> None:
    """Import what the settings name: modules, and the script of a local program."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with activated(WhileImporting()):
        for name in settings.imports:
            importlib.import_module(name)
        if settings.main_path is not None:
            load_main(settings.main_path, settings.main_module)


def _connect_signals(room: Room) -> None:
    def child_started(**_: Any) -> None:
        die_with_parent()
        # A team's own tasks are producers, too: they send with the app of their worker.
        set_default(room.executor)
        if room.owned:
            # Only items run here, but a thread that an exec left behind may start a batch between two tasks.
            activate(room.inside())
            restrict(room.settings.sinks)
            pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = UNHEARD_TRIES
            log_prints()
        room.slot()

    def child_ending(**_: Any) -> None:
        with room.at_work():  # lifespans end
            room.slot().close()

    def worker_named(sender: Any = None, conf: Any = None, options: Any = None, **_: Any) -> None:
        room.hostname = str(sender)
        # Those of the command line; Celery tells them to its pool alone, and the processes ask the settings.
        for name in ("time_limit", "soft_time_limit"):
            if conf is not None and options and options.get(name):
                conf[f"task_{name}"] = options[name]
        # Before Celery applies -Q: if given, that alone says which queues the worker consumes, flowq's or not.
        queues = room.app.amqp.queues
        if room.settings.queue not in queues.consume_from:
            queues.select_add(queues.new_missing(room.settings.queue))

    def worker_ready(**_: Any) -> None:
        room.ready.set()
        log.info("ready", extra={"worker": room.hostname})

    def worker_stopping(**_: Any) -> None:
        room.stopping = True
        if room.owned:
            room.until = time.monotonic() + room.settings.soft_shutdown_s
            # A signal does not interrupt the poll for messages, which may go on for up to a second.
            threading.Thread(target=_wake_consumer, daemon=True).start()
        room.boards.stop()

    def task_unknown(message: Any = None, **_: Any) -> None:
        # On a team's worker, where Celery has dropped and logged the message. (For flowq's own see consumer.py.)
        objection = room.unknown.keep(message)
        if objection is not None:
            log.debug("an unknown task is not kept: %s", objection)

    signals.worker_process_init.connect(child_started, weak=False)
    signals.worker_process_shutdown.connect(child_ending, weak=False)
    signals.celeryd_init.connect(worker_named, weak=False)
    signals.worker_ready.connect(worker_ready, weak=False)
    signals.worker_shutting_down.connect(worker_stopping, weak=False)
    signals.task_unknown.connect(task_unknown, weak=False)
