"""``BatchResult``: the values of a batch in item order, with everything else that is known of its items beside them.

Never here: running anything. What the batch's runs brought (``Done``) is put together; a rerun is the executor's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Unpack, cast

from flowq.batch.account import Account, Again, Known, Outcomes, R
from flowq.batch.chunk import Done
from flowq.batch.policy import OnError
from flowq.batch.sink_result import SinkResult
from flowq.registry import sent_as_list

__all__ = ["Again", "BatchResult", "Outcomes"]


@sent_as_list
class BatchResult(Account, list[R]):
    """What a batch brought: a list of the values in item order.

    Where an item failed or was cancelled the list holds None; under ``on_error="skip"`` such items are left out.
    Where it is sent, and in what an item of a BatchFlow changed in the store, it is a plain list of the values.
    """

    @classmethod
    def assemble(
        cls,
        dones: Iterable[Done],
        n: int,
        *,
        on_error: OnError = "raise",
        sink: bool = False,
        **known: Unpack[Known],
    ) -> BatchResult[R]:
        """Put the runs of a batch together.

        Args:
            dones: in the order they were made: a later one stands over an earlier one, but for the items it parked.
            n: items of the batch.
            on_error: the policy's; only "skip" makes a difference here.
            sink: the values are in parts: a SinkResult is made.
            **known: see :class:`~flowq.batch.account.Known`.
        """
        runs = list(dones)
        if sink:
            return cast("BatchResult[R]", SinkResult.assemble(runs, n, on_error=on_error, **known))
        result: BatchResult[R] = cls()
        for done in runs:
            result._fill_up(done.upto if done.parked else done.start)
            before = [(park.index, result[park.index]) for park in done.parked]
            result[done.start : done.upto] = done.values
            for index, value in before:
                result[index] = value
        result._fill_up(n)
        result._account(runs, n, **known)
        if on_error == "skip":
            result[:] = [value for index, value in enumerate(result) if result._status(index) in ("ok", "fallback")]
        return result

    def _fill_up(self, n: int) -> None:
        """Have at least *n* values. Runs mostly follow each other: a list made whole first would be written twice."""
        if len(self) < n:
            self.extend(cast("list[R]", [None] * (n - len(self))))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled it is what it is wherever it is sent: the list of its values."""
        return list, (list(self),)

    def __copy__(self) -> BatchResult[R]:
        twin: BatchResult[R] = type(self)(self)
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> BatchResult[R]:
        # The values are the user's; the outcomes beside them are facts, which nobody changes.
        twin: BatchResult[R] = type(self)(copy.deepcopy(list(self), memo))
        twin.__dict__.update(self.__dict__)
        return twin
