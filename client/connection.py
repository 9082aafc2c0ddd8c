"""What both clients are made of beside the calls: settings, channel options, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import grpc

from client import arguments
from client.calls import new_id
from client.errors import (
    REQUEST_ID_HEADER,
    Asked,
    ClientClosedError,
    DeadlineExceededError,
    RecommenderError,
    from_call,
)
from client.retries import Attempts
from client.settings import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_S,
    Settings,
    Tls,
)

CHANNEL_OPTIONS: Final = (
    # A batch of 100 users with 100 movies each is some MiB; grpc's own limit is 4.
    ("grpc.max_receive_message_length", 64 * 2**20),
    ("grpc.max_send_message_length", 64 * 2**20),
    # A peer that vanished mid-call is noticed; an idle channel stays silent, as servers demand.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A server that comes back is found within seconds, not after grpc's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class Connection:
    """The part of a client that does not care whether its calls block or are awaited."""

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        tls: Tls | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Connects at the first call, not now.

        Args:
          target: "host:port" of the gateway, "[ipv6]:port", "unix:path" or another gRPC target
            such as "dns:///host:port". The port is always named, 443 too.
          timeout: seconds that a call may last, all its attempts and pauses together, when it does
            not say otherwise.
          max_attempts: how often a call is made when the gateway is UNAVAILABLE, 1..100; 1 = no
            retries. The pauses between them double from 0.1 s to 1 s and are jittered; a pause that
            does not fit into the time any more ends the call with the last error.
          tls: None = plaintext; `Tls()` = TLS with gRPC's own roots.
          metadata: headers of every call, such as {"authorization": "Bearer ..."}: lower-case keys,
            printable ASCII values. They are never shown in a message of the client.

        Raises:
          ValueError: a value is not allowed; the message names the argument.
        """
        self._settings = Settings(target, timeout, max_attempts, tls, metadata or {})
        self._metadata = tuple(self._settings.metadata.items())
        self._closed = False

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Self:
        """A client with the settings that environment variables name; nothing else reads them.

        ======================================  ==================================================
        RECSERVE_TARGET                         `target`; default 127.0.0.1:50051
        RECSERVE_TIMEOUT_S                      `timeout` in seconds; default 5
        RECSERVE_MAX_ATTEMPTS                   `max_attempts`; default 5
        RECSERVE_TLS                            1 or true = TLS with gRPC's own roots
        RECSERVE_TLS_ROOT_CERTIFICATES          PEM file of the roots to trust; switches TLS on
        RECSERVE_TLS_CERTIFICATE                PEM file of the client's chain; switches TLS on
        RECSERVE_TLS_PRIVATE_KEY                PEM file of its key
        RECSERVE_METADATA                       key=value,key=value: headers of every call
        ======================================  ==================================================

        Args:
          environment: variables to read; None = those of the process. An empty one counts as unset.

        Raises:
          ValueError: a value is not allowed; the message names the variable.
          OSError: a file of a key or of certificates cannot be read.
        """
        settings = Settings.from_environment(environment)
        return cls(
            settings.target,
            timeout=settings.timeout,
            max_attempts=settings.max_attempts,
            tls=settings.tls,
            metadata=settings.metadata,
        )

    @property
    def target(self) -> str:
        """The address that the client was given."""
        return self._settings.target

    @property
    def timeout(self) -> float:
        """Seconds that a call may last when it does not say otherwise."""
        return self._settings.timeout

    def __repr__(self) -> str:
        tls = ", TLS" if self._settings.tls else ""
        state = ", closed" if self._closed else ""
        return f"{type(self).__name__}({self.target!r}, timeout={self.timeout}{tls}{state})"

    def _credentials(self) -> grpc.ChannelCredentials | None:
        """What the channel is encrypted with; None = plaintext."""
        tls = self._settings.tls
        if tls is None:
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=tls.root_certificates,
            private_key=tls.private_key,
            certificate_chain=tls.certificate,
        )

    def _start(self, timeout: float | None) -> tuple[str, Attempts]:
        """The request id and the time of a call that starts now; all its attempts share them."""
        self._check_open()
        limit = self.timeout if timeout is None else arguments.seconds("timeout", timeout)
        return new_id(), Attempts(limit, self._settings.max_attempts)

    def _failed(
        self, error: grpc.RpcError, rpc: str, request_id: str, attempts: Attempts
    ) -> RecommenderError:
        """Our error for one of the channel; the caller chains it."""
        return from_call(error, Asked(rpc, self.target, attempts.timeout, request_id))

    def _headers(self, request_id: str) -> tuple[tuple[str, str], ...]:
        return ((REQUEST_ID_HEADER, request_id), *self._metadata)

    def _not_ready(self, limit: float) -> DeadlineExceededError:
        return DeadlineExceededError(f"{self.target} accepted no connection within {limit:g} s")

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("this client is closed")
