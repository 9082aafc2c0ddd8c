"""A bounded memory of what was looked up last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Kept(Generic[_Key, _Value]):
    """The values used last that fit; the one that was not used for longest goes first.

    Safe to share by threads.

    Args:
      capacity: the most that all values together may weigh.
      weigh: what one weighs, at least 1.
    """

    def __init__(self, capacity: int, weigh: Callable[[_Value], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._lock = threading.Lock()
        self._values: OrderedDict[_Key, _Value] = OrderedDict()
        self._weight = 0
        self._generation = 0

    @property
    def generation(self) -> int:
        """Grows whenever something is forgotten because it changed."""
        return self._generation

    def get(self, key: _Key) -> _Value | None:
        """The value of a key; None where it is not kept."""
        value = self._values.get(key)
        if value is not None:
            # Without the lock, as each of the two is one step of the interpreter.
            try:  # noqa: SIM105 - suppress() takes longer than all the rest
                self._values.move_to_end(key)
            except KeyError:
                # It was dropped in between.
                pass
        return value

    def put(self, key: _Key, value: _Value, generation: int) -> None:
        """Keeps a value, in the place of an earlier one.

        Args:
          key: of the value.
          value: as it was looked up.
          generation: from before the look-up; what changed since may be what was looked up, so the
            value is not kept then.
        """
        with self._lock:
            if generation != self._generation:
                return
            self._drop(key)
            weight = self._weigh(value)
            if weight > self._capacity:
                return
            self._values[key] = value
            self._weight += weight
            while self._weight > self._capacity:
                self._drop(next(iter(self._values)))

    def forget(self, keys: Iterable[_Key]) -> None:
        """Forgets what changed."""
        with self._lock:
            self._generation += 1
            for key in keys:
                self._drop(key)

    def forget_all(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._generation += 1
            self._values.clear()
            self._weight = 0

    def _drop(self, key: _Key) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._weight -= self._weigh(value)
