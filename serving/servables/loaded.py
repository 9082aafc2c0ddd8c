"""One loaded SavedModel: a session of its own, and a prepared callable for each kind of call."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from serving.errors import ServingError, failed_precondition, invalid_argument
from serving.tensors import TensorError, decode_tensor

_log = logging.getLogger(__name__)

DEFAULT_SIGNATURE = "serving_default"
_INTERNAL_SIGNATURES = ("__saved_model_init_op", "__saved_model_train_op")
_MAX_CALLABLES = 64
"""Prepared callables kept for one model: a caller may ask for any subset of the outputs."""

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a signature: which tensors go in, with what values, and which come out."""

    signature: str
    feeds: tuple[str, ...]
    """Names of the input tensors, sorted."""
    fetches: tuple[str, ...]
    values: Sequence[np.ndarray]
    """One for each of `feeds`."""
    timeout_ms: int = 0
    """After this many milliseconds the run ends with DEADLINE_EXCEEDED; 0 is no limit."""


Runner = Callable[[Call], list[np.ndarray]]
"""Runs a call, alone or with others; one array or scalar for each of its fetches."""


class LoadedModel:
    """A SavedModel that answers calls; safe for use by many threads."""

    def __init__(
        self,
        folder: Path,
        *,
        tags: Sequence[str] = ("serve",),
        session_config: config_pb2.ConfigProto | None = None,
    ) -> None:
        """Loads the graph, variables and tables of `folder`.

        Raises:
          ServingError: it is no SavedModel that can be served here.
        """
        graph = tf.Graph()
        config = config_pb2.ConfigProto(allow_soft_placement=True)
        if session_config is not None:
            config.MergeFrom(session_config)
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, tags, str(folder))
        # A folder may be broken in any way; whatever its reading raises is reported as its state.
        except Exception as error:
            self._session.close()
            raise _load_error(error) from error
        self.all_signatures: Mapping[str, meta_graph_pb2.SignatureDef] = dict(
            meta_graph.signature_def
        )
        """As the file has them, TensorFlow's internal ones included."""
        self.signatures = {
            name: signature
            for name, signature in self.all_signatures.items()
            if name not in _INTERNAL_SIGNATURES
        }
        """Those that may be called."""
        self.runner: Runner = self.run
        """What calls go through; may be replaced before the first call."""
        self._callables: OrderedDict[tuple[object, ...], Callable[..., list[np.ndarray]]] = (
            OrderedDict()
        )
        self._callables_lock = threading.Lock()

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, tensor_pb2.TensorProto],
        output_filter: Sequence[str],
        timeout_ms: int = 0,
    ) -> dict[str, np.ndarray]:
        """{alias: array or scalar} of the outputs asked for; all outputs if none is named.

        Raises:
          ServingError: with the codes and texts of TensorFlow Serving.
        """
        name = signature_name or DEFAULT_SIGNATURE
        signature = self.signatures.get(name)
        if signature is None:
            raise failed_precondition(f'Serving signature key "{name}" not found.')
        feeds = _feeds(signature, inputs)
        aliases = _output_aliases(signature, output_filter)
        names = tuple(sorted(feeds))
        values = self.runner(
            Call(
                signature=name,
                feeds=names,
                fetches=tuple(signature.outputs[alias].name for alias in aliases),
                values=[feeds[feed] for feed in names],
                timeout_ms=timeout_ms,
            )
        )
        return dict(zip(aliases, values, strict=True))

    def run(self, call: Call) -> list[np.ndarray]:
        """Runs one call by itself.

        Raises:
          ServingError: the model refused it, or its time is up.
        """
        try:
            return self._callable(call)(*call.values)
        except tf.errors.OpError as error:
            raise ServingError(_STATUS_CODES[error.error_code], error.message) from error

    def close(self) -> None:
        """Frees the session; no call may be running, for it would be cancelled."""
        # It may be bound to this object, which must not keep the session alive.
        self.runner = _closed
        self._callables.clear()
        self._session.close()

    def _callable(self, call: Call) -> Callable[..., list[np.ndarray]]:
        key = (call.feeds, call.fetches, call.timeout_ms)
        with self._callables_lock:
            run = self._callables.get(key)
            if run is None:
                # Session.run and the public make_callable convert dtypes silently, check shapes
                # that the C++ server does not check, and take eight times as long as this handle.
                run = self._session._make_callable_from_options(  # noqa: SLF001
                    config_pb2.CallableOptions(
                        feed=call.feeds,
                        fetch=call.fetches,
                        run_options=config_pb2.RunOptions(timeout_in_ms=call.timeout_ms),
                    )
                )
                self._callables[key] = run
                if len(self._callables) > _MAX_CALLABLES:
                    self._callables.popitem(last=False)
            self._callables.move_to_end(key)
        return run


def _closed(_call: Call) -> list[np.ndarray]:
    raise failed_precondition("the model is unloaded")


def _joined(names: Collection[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _feeds(
    signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, tensor_pb2.TensorProto]
) -> dict[str, np.ndarray]:
    """{tensor name: value} for every input of the signature."""
    sent, known = set(inputs), set(signature.inputs)
    if len(sent) > len(known) or (len(sent) < len(known) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(known)} "
            f"len({_joined(sent)}) != len({_joined(known)}). "
            f"Sent extra: {_joined(sent - known)}. Missing but required: {_joined(known - sent)}."
        )
    feeds = {}
    for alias, info in signature.inputs.items():
        if alias in sent:
            proto = inputs[alias]
        elif alias in signature.defaults:
            proto = signature.defaults[alias]
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and "
                f"no default value provided. Inputs expected to be in the request {_joined(sent)}, "
                f"or default input alias set: {','.join(sorted(signature.defaults))}"
            )
        try:
            feeds[info.name] = decode_tensor(proto)
        except TensorError as error:
            raise invalid_argument(f"tensor parsing error: {alias}: {error}") from error
    if not sent <= known:
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(sorted(sent & known))}, "
            f"request input: {','.join(sorted(sent))}"
        )
    return feeds


def _output_aliases(
    signature: meta_graph_pb2.SignatureDef, output_filter: Sequence[str]
) -> list[str]:
    """The outputs to compute, sorted, so that their order in a request costs no new callable."""
    chosen: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_joined(signature.outputs)}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen.add(alias)
    return sorted(chosen or signature.outputs)


def _load_error(error: Exception) -> ServingError:
    if isinstance(error, tf.errors.OpError):
        return ServingError(_STATUS_CODES[error.error_code], error.message)
    code = grpc.StatusCode.NOT_FOUND if isinstance(error, OSError) else grpc.StatusCode.UNKNOWN
    return ServingError(code, str(error) or type(error).__name__)
