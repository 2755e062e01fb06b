"""Writing a batch's items in the background of a producer. How they are written: engine/feeding/feed.py.

A program that ends goes on writing, at its exit, what its threads have not written yet.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Self

from flowq.batch.inline.background import has_failed
from flowq.engine.feeding.feed import Feeder
from flowq.engine.patience import TROUBLE

log = logging.getLogger("flowq")

LAST_WORDS_S = 1.0  # most seconds between the end of a batch and the error of its source, in either order
SAID_AFTER_S = 1.0  # a program that ends says what it waits for after this time
FINISH_LOOK_S = 0.05
SOURCE_GIVES_WITHIN_S = 10.0  # a program that ends waits no longer than this for a source to go on
UNDER_WAY_WITHIN_S = 0.2  # most seconds that `begin` waits for the first step of the thread


class Feeding:
    """Feeds a batch: in the calling thread for a while, the rest in a thread of its own.

    ``with Feeding() as feeding:`` is for a caller that waits for the batch: an exception there ends the feeding, too.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._feeder: Feeder | None = None
        self._error: BaseException | None = None
        self._given_up = self._joined = False
        self._stepped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._given_up = kind is not None

    def begin(self, feeder: Feeder, steps: Generator[None, None, None], here_s: float) -> None:
        """Run *steps*, those of *feeder*, in this thread; after *here_s* seconds (0: at once) in another one.

        Raises:
            BaseException: raised by a step in this thread, or Ctrl-C; nothing more is then written.
        """
        self._feeder = feeder
        until = time.monotonic() + here_s
        try:
            if here_s > 0:
                for _ in steps:
                    if time.monotonic() >= until:
                        break
                else:
                    return
            run = contextvars.copy_context().run
            self._thread = _Writer(self, run, (self._run, steps))
            self._thread.start()
            # The steps have threads of their own, which Python 3.12 does not start in a program that ends.
            self._stepped.wait(UNDER_WAY_WITHIN_S)
        except BaseException:
            self._given_up = True
            with suppress(ValueError):  # the thread has started and is executing a step
                steps.close()
            raise

    @property
    def is_apart(self) -> bool:
        """Whether a thread of its own writes the items, or has written them."""
        return self._thread is not None

    @property
    def under_way(self) -> bool:
        """Whether that thread still has items to write."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the feeding, in either thread."""
        return self._error or (None if self._feeder is None else self._feeder.error)

    def check(self, *, wait: bool) -> None:
        """Raise the exception that ended the feeding, if any; *wait* for it if the batch has ended because of it."""
        if wait and self._thread is not None and not self._joined:
            # With a timeout: the batch may have been cancelled because its source hangs.
            self._thread.join(LAST_WORDS_S)
            self._joined = True
        if self.error is not None:
            if self._thread is not None:
                self._thread.join(LAST_WORDS_S)  # it may be about to end the batch
            raise self.error

    def finish(self) -> None:
        """The program ends: go on writing, unless it has failed, the source gives nothing more, or at Ctrl-C."""
        thread, feeder = self._thread, self._feeder
        if thread is None or feeder is None:
            return
        try:
            is_done = self._is_finished(thread, feeder)
        except KeyboardInterrupt:
            is_done = False
        except TROUBLE:
            return  # of Redis: nothing can be written
        fields = {"batch": feeder.batch_id}
        if not is_done:
            log.warning(
                "the program ends before it has written all items of %s: wait for the batch, or submit a list",
                feeder.batch_id, extra=fields,
            )  # fmt: skip
        elif self.error is not None:
            log.warning("not all items of %s were written: %r", feeder.batch_id, self.error, extra=fields)

    def _is_finished(self, thread: threading.Thread, feeder: Feeder) -> bool:
        """Wait for *thread*; False, and early, if that makes no sense."""
        began, said = time.monotonic(), False
        while thread.is_alive():
            if self._given_up or feeder.is_over():
                return True
            now = time.monotonic()
            if has_failed() or now - max(feeder.went_on_at, began) > SOURCE_GIVES_WITHIN_S:
                return False
            if not said and now - began > SAID_AFTER_S:
                said = True
                log.warning(
                    "the program ends as soon as it has written all items of %s; Ctrl-C ends it now",
                    feeder.batch_id, extra={"batch": feeder.batch_id},
                )  # fmt: skip
            time.sleep(FINISH_LOOK_S)  # a join that Ctrl-C interrupts would take the thread for ended
        return True

    def _run(self, steps: Generator[None, None, None]) -> None:
        try:
            for _ in steps:
                self._stepped.set()
                if self._given_up:
                    steps.close()
        except BaseException as exc:  # raised by ``check``
            self._error = exc
        finally:
            self._stepped.set()


class _Writer(threading.Thread):
    """A daemon, so that a source which gives nothing more keeps no program from ending."""

    def __init__(self, feeding: Feeding, run: Callable[..., object], args: tuple[object, ...]) -> None:
        super().__init__(target=run, args=args, name="flowq-submit", daemon=True)
        self.feeding = feeding


def _finish_all() -> None:
    for thread in threading.enumerate():
        if isinstance(thread, _Writer):
            thread.feeding.finish()


# Exit handlers run last in, first out: this one after those of a LocalCluster, whose batches end with it.
atexit.register(_finish_all)
