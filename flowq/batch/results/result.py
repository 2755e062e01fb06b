"""BatchResult: the values of a batch in item order, with the outcomes of its items, assembled from its Dones."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Unpack, cast

from flowq.batch.policies.policy import OnError
from flowq.batch.results.account import Account, Again, Known, Outcomes, R
from flowq.batch.results.done import Done
from flowq.batch.results.sink_result import SinkResult
from flowq.registry import sent_as_list

__all__ = ["Again", "BatchResult", "Outcomes"]


@sent_as_list
class BatchResult(Account, list[R]):
    """The result of a batch: a list of the values in item order.

    The value of a failed or cancelled item is None; with ``on_error="skip"`` such items are left out. Sent to another
    process, or as part of a BatchFlow item's changes to the store, it becomes a plain list of the values.
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
        """Assemble the result of a batch.

        Args:
            dones: in the order they were made: a later one replaces an earlier one, except for items it parked.
            n: number of items of the batch.
            on_error: ``on_error`` of the policy; only "skip" makes a difference here.
            sink: whether the values are in parts, so that a SinkResult is returned.
            **known: see :class:`~flowq.batch.results.account.Known`.
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
        """Extend the list to *n* values. Not created in full at first, as the Dones mostly follow each other."""
        if len(self) < n:
            self.extend(cast("list[R]", [None] * (n - len(self))))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as a plain list of the values, as the codec sends it."""
        return list, (list(self),)

    def __copy__(self) -> BatchResult[R]:
        twin: BatchResult[R] = type(self)(self)
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> BatchResult[R]:
        # The values are the user's and are copied; the outcomes are immutable and are shared.
        twin: BatchResult[R] = type(self)(copy.deepcopy(list(self), memo))
        twin.__dict__.update(self.__dict__)
        return twin
