"""What a caller catches, raised by a real call wherever that is possible."""

import re
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from client import (
    AbortedError,
    AlreadyExistsError,
    CallCancelledError,
    ClientClosedError,
    DeadlineExceededError,
    FieldViolation,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RecommenderClient,
    RecommenderError,
    RequestError,
    RetryableError,
    ServerError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    errors,
)

EXPECTED = {
    "CANCELLED": CallCancelledError,
    "UNKNOWN": ServerError,
    "INVALID_ARGUMENT": InvalidRequestError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "RESOURCE_EXHAUSTED": OverloadedError,
    "FAILED_PRECONDITION": InvalidRequestError,
    "ABORTED": AbortedError,
    "OUT_OF_RANGE": InvalidRequestError,
    "UNIMPLEMENTED": UnimplementedError,
    "INTERNAL": ServerError,
    "UNAVAILABLE": UnavailableError,
    "DATA_LOSS": ServerError,
    "UNAUTHENTICATED": UnauthenticatedError,
}


def test_every_status_is_mapped() -> None:
    """No status of grpc but OK lacks a class."""
    assert {code.name for code in grpc.StatusCode} - {"OK"} == set(EXPECTED)
    assert set(errors.ERROR_CLASSES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_status_raises_its_class(client: RecommenderClient, service: Any, name: str) -> None:
    """Each status that a server sends becomes its class, with the server's words and the cause."""
    code = grpc.StatusCode[name]
    service.answers["GetUser"] = lambda _, context: context.abort(code, "the server's words")
    with pytest.raises(RecommenderError, match=r"^the server's words$") as raised:
        client.get_user("42")
    assert type(raised.value) is EXPECTED[name]
    assert raised.value.code is code
    assert isinstance(raised.value.__cause__, grpc.RpcError)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The module's picture shows every class below the parent that it has."""
    path: list[str] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([| `-]*)(\w+Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"

    def walk(parent: type[RecommenderError]) -> dict[str, str]:
        below = {child.__name__: parent.__name__ for child in parent.__subclasses__()}
        for child in parent.__subclasses__():
            below |= walk(child)
        return below

    assert drawn == {"RecommenderError": "Exception", **walk(RecommenderError)}


@pytest.mark.parametrize(
    ("error_class", "kind"),
    [
        (UnavailableError, RetryableError),
        (OverloadedError, RetryableError),
        (AbortedError, RetryableError),
        (InvalidRequestError, RequestError),
        (NotFoundError, RequestError),
        (UnimplementedError, RequestError),
    ],
)
def test_the_kind_says_whether_to_try_again(
    error_class: type[RecommenderError], kind: type[RecommenderError]
) -> None:
    """A caller can catch what is worth another try, and what is not, by one name each."""
    assert issubclass(error_class, kind)


def packed(*messages: Any) -> list[any_pb2.Any]:
    details = [any_pb2.Any() for _ in messages]
    for detail, message in zip(details, messages, strict=True):
        detail.Pack(message)
    return details


def rich_status(code: int) -> status_pb2.Status:
    return status_pb2.Status(
        code=code,
        message="page_size is 101, allowed 1..100",
        details=packed(
            error_details_pb2.DebugInfo(detail="something that we do not read"),
            error_details_pb2.BadRequest(
                field_violations=[{"field": "page_size", "description": "allowed 1..100"}]
            ),
            error_details_pb2.ErrorInfo(
                reason="PAGE_SIZE_OUT_OF_RANGE",
                domain="recommender.v1",
                metadata={"request_id": "from-info"},
            ),
            error_details_pb2.RetryInfo(retry_delay={"seconds": 1, "nanos": 500_000_000}),
        ),
    )


def test_details_are_read(client: RecommenderClient, service: Any) -> None:
    """Violations, reason and retry delay come out of google.rpc.Status."""
    status = rpc_status.to_status(rich_status(code_pb2.INVALID_ARGUMENT))
    service.answers["RecommendUser"] = lambda _, context: context.abort_with_status(status)
    with pytest.raises(InvalidRequestError, match=r"allowed 1\.\.100") as raised:
        client.recommend_user("42", page_size=101)
    error = raised.value
    assert error.field_violations == (FieldViolation("page_size", "allowed 1..100"),)
    assert error.reason == "PAGE_SIZE_OUT_OF_RANGE"
    assert error.metadata == {"request_id": "from-info"}
    assert error.retry_after_s == 1.5


def test_the_error_names_the_call(client: RecommenderClient, service: Any) -> None:
    """Without a word of the server, the error carries the id that the client sent."""
    service.answers["GetUser"] = lambda _, context: context.abort(grpc.StatusCode.INTERNAL, "oops")
    with pytest.raises(ServerError) as raised:
        client.get_user("42")
    assert raised.value.request_id == service.metadata[0]["x-request-id"] != ""


def test_the_servers_id_wins(client: RecommenderClient, service: Any) -> None:
    """An x-request-id in the trailing metadata is the one that the server logged."""

    def fail(_: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("x-request-id", "logged"),))
        context.abort(grpc.StatusCode.INTERNAL, "oops")

    service.answers["GetUser"] = fail
    with pytest.raises(ServerError) as raised:
        client.get_user("42")
    assert raised.value.request_id == "logged"


def test_an_error_inside_an_answer_is_read_alike() -> None:
    """A google.rpc.Status of a batch becomes the same classes; its id is in the details."""
    error = errors.from_status(rich_status(code_pb2.RESOURCE_EXHAUSTED))
    assert type(error) is OverloadedError
    assert (error.request_id, error.retry_after_s) == ("from-info", 1.5)


def test_a_status_without_words_has_its_code() -> None:
    """An empty message is replaced by the name of the status, so that no error prints empty."""
    assert str(errors.from_status(status_pb2.Status(code=code_pb2.INTERNAL))) == "INTERNAL"


def test_a_status_of_a_newer_grpc_is_a_server_error() -> None:
    """A code that this client does not know is nobody's request."""
    assert type(errors.from_status(status_pb2.Status(code=77, message="new"))) is ServerError


@pytest.mark.parametrize(
    "details",
    [
        b"\xff\xff not a message",
        status_pb2.Status(code=code_pb2.NOT_FOUND, message="another").SerializeToString(),
    ],
)
def test_details_that_do_not_fit_are_left_alone(
    client: RecommenderClient, service: Any, details: bytes
) -> None:
    """Broken details, or details of another status, do not hide the status that was sent."""

    def fail(_: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "not ready")

    service.answers["GetUser"] = fail
    with pytest.raises(UnavailableError, match="not ready"):
        client.get_user("42")


def test_a_broken_detail_is_left_alone() -> None:
    """One detail whose bytes are damaged does not hide the others."""
    status = rich_status(code_pb2.INVALID_ARGUMENT)
    status.details[1].value = b"\xff\xff\xff"
    error = errors.from_status(status)
    assert (error.field_violations, error.reason) == ((), "PAGE_SIZE_OUT_OF_RANGE")


def test_a_bug_of_the_server_is_a_server_error(client: RecommenderClient, service: Any) -> None:
    """An exception in a handler arrives as UNKNOWN and is a ServerError."""

    def fail(_: Any, context: grpc.ServicerContext) -> None:
        raise KeyError("secret")

    service.answers["GetUser"] = fail
    with pytest.raises(ServerError):
        client.get_user("42")


def test_nobody_there_is_unavailable(connect: Any, unused_target: str) -> None:
    """A port where nothing listens is UnavailableError, which names it and asks for a gateway."""
    with (
        connect(unused_target, timeout=30, max_attempts=2) as client,
        pytest.raises(UnavailableError) as raised,
    ):
        client.get_serving_status()
    assert str(raised.value).startswith(
        f"nobody answers at {unused_target}: is a gateway running there?"
    )
    assert "Connection refused" in str(raised.value)


def test_a_name_that_nobody_has_is_unavailable(connect: Any) -> None:
    """A host that cannot be looked up is told like a port where nothing listens."""
    with (
        connect("nobody.invalid:50051", timeout=30, max_attempts=1) as client,
        pytest.raises(UnavailableError, match=r"^nobody answers at nobody\.invalid:50051: is a"),
    ):
        client.get_serving_status()


def test_a_closed_client_says_so(client: RecommenderClient, service: Any) -> None:
    """Using a client after the with block, or closing it twice, is harmless and clear."""
    with client:
        assert "closed" not in repr(client)
    with pytest.raises(ClientClosedError, match="closed"):
        client.get_user("42")
    client.close()
    assert "closed" in repr(client)
    assert service.requests == []


def test_a_client_closed_by_another_thread_says_so(target: str) -> None:
    """A call that finds its channel closed is a ClientClosedError, not grpc's ValueError."""
    client = RecommenderClient(target)
    rpc = client._stub.GetUser

    def closed_meanwhile(*args: Any, **options: Any) -> Any:
        client.close()
        return rpc(*args, **options)

    client._stub.GetUser = closed_meanwhile

    with pytest.raises(ClientClosedError):
        client.get_user("42")
