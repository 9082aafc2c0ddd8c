"""Client of the model server: deadline, one retry, pinned version, typed failures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, cast

import grpc

from protos.tfserving.v1 import tfserving_pb2 as tf
from server.breaker import Breaker
from server.codec import Array, decode, fill
from server.deadline import Budget
from server.domain import Version
from server.errors import ContractViolation, UpstreamUnavailable
from serving.contract import signatures_of

PREDICT: Final = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS: Final = "/tensorflow.serving.ModelService/GetModelStatus"

STATE_NAMES: Final = {
    0: "UNKNOWN",
    10: "START",
    20: "LOADING",
    30: "AVAILABLE",
    40: "UNLOADING",
    50: "END",
}
"""tensorflow.serving.ModelVersionStatus.State."""
UNREACHABLE: Final = "UNREACHABLE"
NOT_FOUND: Final = "NOT_FOUND"

_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class ServableCall:
    """One callable of one version of one servable."""

    servable: str
    signature: str
    version: Version

    def __str__(self) -> str:
        return f"{self.servable}/{self.version}:{self.signature}"


class PredictionClient:
    """A channel to one model server, shared by all threads.

    Args:
      target: host:port.
      timeout_s: the longest that one call may take.
      reserve_s: what every call leaves of the caller's budget.
      retry_s: seconds between two tries of a server that hangs.
      max_message_mb: largest message either way, in MiB.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float,
        reserve_s: float,
        retry_s: float,
        max_message_mb: int,
    ) -> None:
        self.breaker = Breaker(retry_s)
        self._target = target
        self._timeout_s = timeout_s
        self._reserve_s = reserve_s
        max_bytes = max_message_mb * 2**20
        self._channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.max_receive_message_length", max_bytes),
                ("grpc.max_send_message_length", max_bytes),
                # A model server that comes back is noticed within a second or two.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )
        self._predict = self._channel.unary_unary(
            PREDICT,
            request_serializer=tf.PredictRequest.SerializeToString,
            response_deserializer=tf.PredictResponse.FromString,
        )
        self._get_model_status = self._channel.unary_unary(
            GET_MODEL_STATUS,
            request_serializer=tf.GetModelStatusRequest.SerializeToString,
            response_deserializer=tf.GetModelStatusResponse.FromString,
        )

    def __enter__(self) -> PredictionClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def predict(
        self,
        call: ServableCall,
        inputs: Mapping[str, Array],
        outputs: Collection[str],
        budget: Budget,
        sizes: Mapping[str, int],
    ) -> dict[str, Array]:
        """The named outputs of one Predict, checked against the contract.

        Args:
          call: what to call; the version is pinned.
          inputs: all inputs of the signature.
          outputs: which outputs to send back.
          budget: the time left to the request.
          sizes: the sizes that the outputs' dimensions must have, by letter.

        Raises:
          UpstreamUnavailable: the model server is away, starting, slow or full.
          DeadlineExceeded: the budget is spent.
          ContractViolation: it refused the call or broke the contract in its answer.
        """
        signature = signatures_of(call.servable)[call.signature]
        request = tf.PredictRequest(output_filter=outputs)
        request.model_spec.name = call.servable
        request.model_spec.version.value = call.version
        request.model_spec.signature_name = call.signature
        for name, values in inputs.items():
            fill(request.inputs[name], values, signature.inputs[name].dtype)
        response = self._send(call, request, budget)
        answered = response.model_spec.version.value
        if answered != call.version:
            raise ContractViolation(f"{call}: version {answered} answered")
        missing = sorted(set(outputs) - set(response.outputs))
        if missing:
            raise ContractViolation(f"{call}: outputs missing: {', '.join(missing)}")
        return {
            name: decode(
                response.outputs[name], signature.outputs[name], sizes, f"{call} output {name}"
            )
            for name in outputs
        }

    def patience_s(self, budget: Budget) -> float:
        """Seconds that a call with this budget would wait now.

        Raises:
          DeadlineExceeded: the budget is spent.
        """
        return budget.stage(self._timeout_s, self._reserve_s)

    def waited_in_vain(self, waited_s: float) -> UpstreamUnavailable:
        """The failure of a call that nobody answered within `waited_s`; 0 = that says nothing."""
        if waited_s >= self._timeout_s:
            self.breaker.timed_out()
        return self._away("did not answer in time", timed_out=True)

    def model_state(self, servable: str, version: Version, budget: Budget) -> str:
        """The model server's word for a version, or UNREACHABLE or NOT_FOUND.

        Raises:
          DeadlineExceeded: the budget is spent.
        """
        request = tf.GetModelStatusRequest()
        request.model_spec.name = servable
        request.model_spec.version.value = version
        timeout = self.patience_s(budget)
        try:
            response = self._get_model_status(request, timeout=timeout)
        except grpc.RpcError as error:
            code = _code(error)
            if code in _AWAY:
                return UNREACHABLE
            return code.name
        for status in response.model_version_status:
            if status.version == version:
                return STATE_NAMES.get(status.state, f"STATE_{status.state}")
        return NOT_FOUND

    def _send(
        self, call: ServableCall, request: tf.PredictRequest, budget: Budget
    ) -> tf.PredictResponse:
        attempt = 1
        while True:
            timeout = self.patience_s(budget)
            if not self.breaker.admits():
                raise self._away("did not answer several calls in time", timed_out=True)
            try:
                response: tf.PredictResponse = self._predict(request, timeout=timeout)
            except grpc.RpcError as error:
                self._note(error, timeout)
                if _code(error) is grpc.StatusCode.UNAVAILABLE and attempt < _ATTEMPTS:
                    attempt += 1
                    continue
                raise self._failure(call, error) from error
            self.breaker.answered()
            return response

    def _note(self, error: grpc.RpcError, timeout_s: float) -> None:
        """Tells the breaker: a caller in a hurry says nothing about the server."""
        if _code(error) is not grpc.StatusCode.DEADLINE_EXCEEDED:
            self.breaker.answered()
        elif timeout_s >= self._timeout_s:
            self.breaker.timed_out()

    def _failure(
        self, call: ServableCall, error: grpc.RpcError
    ) -> UpstreamUnavailable | ContractViolation:
        code = _code(error)
        if code in _AWAY:
            timed_out = code is grpc.StatusCode.DEADLINE_EXCEEDED
            fault = "did not answer in time" if timed_out else f"is unavailable ({code.name})"
            return self._away(fault, timed_out=timed_out)
        if code is grpc.StatusCode.NOT_FOUND:
            # It starts, perhaps again: a restart between two calls goes unseen.
            return self._away(f"has not loaded {call.servable} version {call.version}")
        text = cast("grpc.Call", error).details()
        return ContractViolation(f"{call}: {code.name}: {text}")

    def _away(self, fault: str, *, timed_out: bool = False) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"the model server at {self._target} {fault}", timed_out=timed_out
        )


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    """The status of a failed call: what a unary call raises is a grpc.Call as well."""
    return cast("grpc.Call", error).code()
