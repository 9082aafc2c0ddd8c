"""What is known about models: the states of their versions, and their signatures."""

from __future__ import annotations

from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serving.errors import invalid_argument
from serving.prediction import requested_version
from serving.servables.lifecycle import Servables
from serving.servables.loaded import LoadedModel

SIGNATURE_DEF = "signature_def"
"""The one metadata field that there is."""


def model_status(
    servables: Servables[LoadedModel], request: get_model_status_pb2.GetModelStatusRequest
) -> get_model_status_pb2.GetModelStatusResponse:
    """State of one version, or of every version that is or was served; labels are not looked at.

    Raises:
      ServingError: NOT_FOUND, there is none; INVALID_ARGUMENT, no model is named.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    response = get_model_status_pb2.GetModelStatusResponse()
    for status in servables.statuses(spec.name, version):
        entry = response.model_version_status.add(version=status.version, state=status.state.value)
        entry.status.error_code = status.error.code.value[0] if status.error else 0
        entry.status.error_message = status.error.message if status.error else ""
    return response


def model_metadata(
    servables: Servables[LoadedModel], request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """The signatures of a servable.

    Raises:
      ServingError: NOT_FOUND, nothing AVAILABLE answers to this; INVALID_ARGUMENT, the request
        names no model, no field, or an unknown one.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {field} is not supported")
    name, version, label = requested_version(request.model_spec)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    with servables.use(name, version, label) as (number, model):
        for key, signature in model.all_signatures.items():
            signatures.signature_def[key].CopyFrom(signature)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = name
    response.model_spec.version.value = number
    response.metadata[SIGNATURE_DEF].Pack(signatures)
    return response
