"""Replays a release's golden requests: does this model server answer like the trainer's copy?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from server.codec import Array
from server.deadline import Budget
from server.domain import Version
from server.prediction import PredictionClient, ServableCall
from serving.contract import Dtype, Manifest, golden_differences, signatures_of

_ARRAY_DTYPES: Final[Mapping[Dtype, Any]] = {
    "float32": np.float32,
    "int64": np.int64,
    "string": object,
}


def replay(manifest: Manifest, prediction: PredictionClient) -> str:
    """Why the golden requests do not reproduce; "" when they all do.

    Raises:
      UpstreamUnavailable: the model server does not answer, or not in time.
      ContractViolation: it breaks the contract.
    """
    version = Version(manifest.release_version)
    for number, golden in enumerate(manifest.golden_requests):
        signature = signatures_of(golden.servable)[golden.signature]
        inputs: dict[str, Array] = {
            name: np.array(values, _ARRAY_DTYPES[signature.inputs[name].dtype])
            for name, values in golden.inputs.items()
        }
        answer = prediction.predict(
            ServableCall(golden.servable, golden.signature, version),
            inputs,
            tuple(golden.outputs),
            Budget.unhurried(),
            {},
        )
        listed = {name: values.tolist() for name, values in answer.items()}
        if differences := golden_differences(golden, listed):
            return f"golden request {number}: {'; '.join(differences)}"
    return ""
