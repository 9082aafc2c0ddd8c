"""Asks model servers and gateways what they have, and moves the labels once it is there."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from time import monotonic
from typing import Final

import grpc

from protos.recommender.v1 import recommender_pb2
from protos.tfserving.v1 import tfserving_pb2
from serving.contract import ARRAY_PARTS, REQUIRED_SERVABLES, ModelsDir, read_manifest
from trainer.export.release import PublishError, publishing, require_active
from trainer.export.server_configs import live_labels, write_server_configs

GET_MODEL_STATUS: Final = "/tensorflow.serving.ModelService/GetModelStatus"
GET_SERVING_STATUS: Final = "/recommender.v1.RecommenderService/GetServingStatus"
CALL_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.2
_AVAILABLE: Final = 30
"""tensorflow.serving.ModelVersionStatus.State."""


def model_states(
    models: ModelsDir, versions: Iterable[int], model_server: str
) -> dict[tuple[str, int], bool]:
    """{(servable, version): whether it is AVAILABLE} of these releases' servables.

    Raises:
      PublishError: the model server doesn't answer.
    """
    found = {}
    with grpc.insecure_channel(model_server) as channel:
        ask = channel.unary_unary(
            GET_MODEL_STATUS,
            request_serializer=tfserving_pb2.GetModelStatusRequest.SerializeToString,
            response_deserializer=tfserving_pb2.GetModelStatusResponse.FromString,
        )
        for version in versions:
            for part in read_manifest(models.manifest(version)).parts:
                if part in ARRAY_PARTS:
                    continue
                request = tfserving_pb2.GetModelStatusRequest()
                request.model_spec.name = part
                request.model_spec.version.value = version
                try:
                    states = ask(request, timeout=CALL_TIMEOUT_S).model_version_status
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.NOT_FOUND:
                        raise PublishError(
                            f"model server {model_server}: {error.details()}"
                        ) from error
                    states = []
                found[part, version] = any(s.state == _AVAILABLE for s in states)
    return found


def move_labels(models: ModelsDir, model_server: str, within_s: float) -> dict[str, int]:
    """Points the labels to what is live, once the model server has it.

    Returns:
      Label -> release.

    Raises:
      PublishError: it didn't become AVAILABLE in time; the labels stay where they were.
    """
    pause = threading.Event()
    deadline = monotonic() + within_s
    with publishing(models):
        active = require_active(models)
        labels = live_labels(active)
        while True:
            try:
                states = model_states(models, labels.values(), model_server)
                lacking = [
                    f"{part}/{version}"
                    for (part, version), available in states.items()
                    if part in REQUIRED_SERVABLES and not available
                ]
                sentence = f"{', '.join(lacking)} not AVAILABLE"
            except PublishError as error:
                lacking, sentence = ["everything"], str(error)
            if not lacking:
                break
            if monotonic() >= deadline:
                raise PublishError(
                    f"the labels stay where they were: after {within_s:g} s {sentence} at "
                    f"{model_server}. `python -m trainer rollback {active.stable} --model-server "
                    f"{model_server}` tries again"
                )
            pause.wait(_POLL_S)
        write_server_configs(models, active.versions(), labels)
    return labels


def confirmed_releases(gateways: Iterable[str]) -> tuple[int, ...]:
    """The releases that these gateways answer from.

    Raises:
      PublishError: one doesn't answer: its release might be needed, so nothing is decided.
    """
    found = set()
    for gateway in gateways:
        with grpc.insecure_channel(gateway) as channel:
            ask = channel.unary_unary(
                GET_SERVING_STATUS,
                request_serializer=recommender_pb2.GetServingStatusRequest.SerializeToString,
                response_deserializer=recommender_pb2.GetServingStatusResponse.FromString,
            )
            try:
                answer = ask(recommender_pb2.GetServingStatusRequest(), timeout=CALL_TIMEOUT_S)
            except grpc.RpcError as error:
                raise PublishError(f"gateway {gateway}: {error.details()}") from error
        found.add(int(answer.releases.active))
    return tuple(sorted(found - {0}))
