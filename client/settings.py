"""How a client reaches its gateway: address, time, attempts, TLS and metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from client import arguments

DEFAULT_TARGET: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S: Final = 5.0
DEFAULT_MAX_ATTEMPTS: Final = 5
ATTEMPTS_LIMIT: Final = 100

TARGET: Final = "RECSERVE_TARGET"
TIMEOUT_S: Final = "RECSERVE_TIMEOUT_S"
MAX_ATTEMPTS: Final = "RECSERVE_MAX_ATTEMPTS"
TLS: Final = "RECSERVE_TLS"
TLS_ROOTS: Final = "RECSERVE_TLS_ROOT_CERTIFICATES"
TLS_CERTIFICATE: Final = "RECSERVE_TLS_CERTIFICATE"
TLS_KEY: Final = "RECSERVE_TLS_PRIVATE_KEY"
METADATA: Final = "RECSERVE_METADATA"

_SWITCH: Final = {"": False, "0": False, "false": False, "1": True, "true": True}


@dataclass(frozen=True, slots=True)
class Tls:
    """An encrypted connection; everything is PEM, and `Tls()` trusts gRPC's own roots."""

    root_certificates: bytes | None = None
    """Who may vouch for the gateway; None = the roots that gRPC brings."""
    certificate: bytes | None = None
    """The client's certificate chain, for a gateway that asks for one."""
    private_key: bytes | None = field(default=None, repr=False)
    """The key of `certificate`."""

    def __post_init__(self) -> None:
        for name in ("root_certificates", "certificate", "private_key"):
            if getattr(self, name) is not None:
                arguments.instance(name, getattr(self, name), bytes)
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key are given together or not at all")

    @classmethod
    def from_files(
        cls,
        root_certificates: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        private_key: str | os.PathLike[str] | None = None,
    ) -> Self:
        """The same from PEM files.

        Raises:
          OSError: a file cannot be read.
        """
        paths = (root_certificates, certificate, private_key)
        return cls(*(None if path is None else Path(path).read_bytes() for path in paths))


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of both clients, checked."""

    target: str = DEFAULT_TARGET
    timeout: float = DEFAULT_TIMEOUT_S
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    tls: Tls | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        arguments.target("target", self.target)
        arguments.seconds("timeout", self.timeout)
        arguments.between("max_attempts", self.max_attempts, 1, ATTEMPTS_LIMIT)
        if self.tls is not None:
            arguments.instance("tls", self.tls, Tls)
        arguments.metadata("metadata", self.metadata)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings that the environment names; what it leaves out, or empty, is the default.

        Args:
          environment: variables; None = the process's own.

        Raises:
          ValueError: a variable's value is not allowed; the message names the variable.
          OSError: a file of a key or of certificates cannot be read.
        """
        given = os.environ if environment is None else environment
        return cls(
            target=arguments.target(TARGET, given.get(TARGET) or DEFAULT_TARGET),
            timeout=_number(given, TIMEOUT_S, DEFAULT_TIMEOUT_S),
            max_attempts=_whole(given, MAX_ATTEMPTS, DEFAULT_MAX_ATTEMPTS),
            tls=_tls(given),
            metadata=_metadata(given.get(METADATA, "")),
        )


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    try:
        return arguments.seconds(name, float(given.get(name) or default))
    except ValueError as error:
        raise ValueError(f"{name} is {given[name]!r}, allowed are positive seconds") from error


def _whole(given: Mapping[str, str], name: str, default: int) -> int:
    try:
        return arguments.between(name, int(given.get(name) or default), 1, ATTEMPTS_LIMIT)
    except ValueError as error:
        raise ValueError(f"{name} is {given[name]!r}, allowed 1..{ATTEMPTS_LIMIT}") from error


def _tls(given: Mapping[str, str]) -> Tls | None:
    """TLS where it is switched on, or where a file of it is named."""
    switch = given.get(TLS, "").strip().lower()
    if switch not in _SWITCH:
        raise ValueError(f"{TLS} is {given[TLS]!r}, allowed are 1, true, 0 and false")
    files = [given.get(name) or None for name in (TLS_ROOTS, TLS_CERTIFICATE, TLS_KEY)]
    if (files[1] is None) != (files[2] is None):
        raise ValueError(f"{TLS_CERTIFICATE} and {TLS_KEY} are set together or not at all")
    if switch and not _SWITCH[switch] and any(files):
        raise ValueError(f"{TLS} switches TLS off, yet files for it are named")
    return Tls.from_files(*files) if any(files) or _SWITCH[switch] else None


def _metadata(text: str) -> dict[str, str]:
    """The pairs of "key=value,key=value"; a value may have "=", but no comma."""
    pairs: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{METADATA} has an entry without '=', allowed is key=value,key=value")
        pairs[key.strip().lower()] = value.strip()
    arguments.metadata(METADATA, pairs)
    return pairs
