"""Checks of arguments before a call: types, and what would not fit on the wire.

Allowed ranges are the service's business: it knows the release. A wrong type is caught here, where
the traceback still points to the caller's line.
"""

from __future__ import annotations

import ipaddress
import math
import numbers
import operator
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, SupportsIndex, TypeVar

T = TypeVar("T")

_METADATA_KEY: Final = re.compile(r"[0-9a-z_.-]+")
_METADATA_VALUE: Final = re.compile(r"[\x20-\x7e]*")

_HOST_AND_PORT: Final = re.compile(r"(?:\[([^\]]+)\]|[^][\s:/@?#]+):([0-9]{1,5})")
_PORT_AT_THE_END: Final = re.compile(r":([0-9]+)$")
_SCHEMES: Final = frozenset(
    {"dns", "google-c2p", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds"}
)
"""Of gRPC's own resolvers."""


def _wrong(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name} must be {wanted}, got {type(value).__name__}: {value!r:.80}")


def text(name: str, value: object) -> str:
    """`value`, a string; ids are strings even where they look like numbers."""
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is {value!r:.80}, which is not Unicode text") from error
    return value


def target(name: str, value: object) -> str:
    """`value`, an address that gRPC understands as it was meant.

    gRPC takes a port modulo 65536, and 443 where it finds none.
    """
    address = text(name, value)
    scheme, _, rest = address.partition(":")
    if scheme.lower() in _SCHEMES and rest.strip("/"):
        port = _PORT_AT_THE_END.search(rest) if scheme.lower() in ("dns", "ipv4") else None
        if port is None or _is_port(port[1]):
            return address
    found = _HOST_AND_PORT.fullmatch(address)
    if found and _is_port(found[2]) and (found[1] is None or _is_ipv6(found[1])):
        return address
    raise ValueError(
        f"{name} is {address!r:.80}, allowed are host:port with a port of 1..65535, [ipv6]:port,"
        " unix:path and gRPC's other schemes such as dns:///host:port, not http:// or https://"
    )


def _is_port(digits: str) -> bool:
    return 1 <= int(digits) <= 65535


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def texts(name: str, values: object) -> list[str]:
    """The strings in `values`; one lone string is a mistake, not a list of its letters."""
    return [text(f"{name}[{index}]", value) for index, value in enumerate(_each(name, values))]


def many(name: str, values: object, kind: type[T]) -> list[T]:
    """The `kind`s in `values`."""
    return [
        instance(f"{name}[{index}]", value, kind) for index, value in enumerate(_each(name, values))
    ]


def _each(name: str, values: object) -> Iterable[object]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise _wrong(name, "a list", values)
    return values


def instance(name: str, value: object, kind: type[T]) -> T:
    """`value`, a `kind`."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise _wrong(name, f"{article} {kind.__name__}", value)
    return value


def integer(name: str, value: object, *, bits: int = 32) -> int:
    """`value`, a whole number that `bits` bits hold."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise _wrong(name, "an integer", value)
    number = operator.index(value)
    bound = 2 ** (bits - 1)
    if not -bound <= number < bound:
        raise ValueError(f"{name} is {number}, which does not fit into {bits} bits")
    return number


def real(name: str, value: object) -> float:
    """`value` as a float; NaN and infinities are for the service to refuse."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _wrong(name, "a number", value)
    return float(value)


def seconds(name: str, value: object) -> float:
    """`value`, a positive and finite time."""
    number = real(name, value)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name} is {number}, it must be positive and finite")
    return number


def between(name: str, value: object, low: int, high: int) -> int:
    """`value`, a whole number in low..high."""
    number = integer(name, value)
    if not low <= number <= high:
        raise ValueError(f"{name} is {number}, allowed {low}..{high}")
    return number


def metadata(name: str, values: object) -> tuple[tuple[str, str], ...]:
    """The (key, value) pairs of a mapping that may travel as headers of a gRPC call."""
    if not isinstance(values, Mapping):
        raise _wrong(name, "a mapping", values)
    for key, value in values.items():
        text(f"a key of {name}", key)
        # gRPC's rule for keys; "-bin" is for bytes, and what starts with "grpc-" is its own.
        if not _METADATA_KEY.fullmatch(key) or key.startswith("grpc-") or key.endswith("-bin"):
            raise ValueError(f"{name} has the key {key!r:.80}, which gRPC does not allow")
        # The value may be a secret: the message does not show it.
        if not _METADATA_VALUE.fullmatch(text(f"{name}[{key!r}]", value)):
            raise ValueError(f"{name}[{key!r}] must be printable ASCII")
    return tuple(values.items())


def flag(name: str, value: object) -> bool:
    """`value`, True or False."""
    return instance(name, value, bool)


def moment(name: str, value: object) -> datetime:
    """`value`, a moment that is the same everywhere."""
    when = instance(name, value, datetime)
    if when.utcoffset() is None:
        raise ValueError(f"{name} needs a time zone, such as datetime.now(tz=timezone.utc)")
    return when
