"""The published API is only ever extended."""

from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from protos.compatibility import breaking_changes
from protos.compiler import RECOMMENDER_PROTO, describe
from protos.generate import read_golden
from protos.recommender.v1 import recommender_pb2


def message(file: FileDescriptorProto, name: str) -> DescriptorProto:
    return next(m for m in file.message_type if m.name == name)


def field(file: FileDescriptorProto, owner: str, name: str) -> FieldDescriptorProto:
    return next(f for f in message(file, owner).field if f.name == name)


def test_the_api_keeps_everything_that_was_published() -> None:
    """No name, number, type, enum value or RPC of the golden descriptor changed or vanished."""
    assert breaking_changes(read_golden(), describe(RECOMMENDER_PROTO)) == []


def test_the_imported_module_is_the_golden_one() -> None:
    """The module that processes import describes the same API as the golden descriptor."""
    imported = FileDescriptorSet()
    recommender_pb2.DESCRIPTOR.CopyToProto(imported.file.add())
    assert breaking_changes(read_golden(), imported) == []


def rename_field(file: FileDescriptorProto) -> None:
    field(file, "Movie", "title").name = "name"


def renumber_field(file: FileDescriptorProto) -> None:
    field(file, "Movie", "title").number = 20


def retype_field(file: FileDescriptorProto) -> None:
    field(file, "Movie", "year").type = FieldDescriptorProto.TYPE_INT64


def make_repeated(file: FileDescriptorProto) -> None:
    field(file, "Movie", "title").label = FieldDescriptorProto.LABEL_REPEATED


def leave_oneof(file: FileDescriptorProto) -> None:
    field(file, "Reason", "popular").ClearField("oneof_index")


def swap_message_type(file: FileDescriptorProto) -> None:
    field(file, "GetMovieResponse", "movie").type_name = ".recommender.v1.RatedMovie"


def drop_message(file: FileDescriptorProto) -> None:
    file.message_type.remove(message(file, "AddMoviesResponse"))


def drop_nested_enum_value(file: FileDescriptorProto) -> None:
    del message(file, "RecommendUserRequest").enum_type[0].value[2]


def renumber_enum_value(file: FileDescriptorProto) -> None:
    file.enum_type[0].value[1].number = 9


def drop_rpc(file: FileDescriptorProto) -> None:
    del file.service[0].method[0]


def retype_rpc(file: FileDescriptorProto) -> None:
    file.service[0].method[0].output_type = ".recommender.v1.GetUserResponse"


def stream_rpc(file: FileDescriptorProto) -> None:
    file.service[0].method[0].server_streaming = True


def rename_package(file: FileDescriptorProto) -> None:
    file.package = "recommender.v2"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (rename_field, "field recommender.v1.Movie.title"),
        (renumber_field, "field recommender.v1.Movie.title"),
        (retype_field, "field recommender.v1.Movie.year"),
        (make_repeated, "field recommender.v1.Movie.title"),
        (leave_oneof, "field recommender.v1.Reason.popular"),
        (swap_message_type, "field recommender.v1.GetMovieResponse.movie"),
        (drop_message, "message recommender.v1.AddMoviesResponse"),
        (
            drop_nested_enum_value,
            "enum value recommender.v1.RecommendUserRequest.OrderBy.ORDER_BY_PREDICTED_RATING",
        ),
        (renumber_enum_value, "enum value recommender.v1.UserState.USER_STATE_HOT"),
        (drop_rpc, "rpc recommender.v1.RecommenderService/RecommendUser"),
        (retype_rpc, "rpc recommender.v1.RecommenderService/RecommendUser"),
        (stream_rpc, "rpc recommender.v1.RecommenderService/RecommendUser"),
        (rename_package, "package recommender.v1"),
    ],
)
def test_a_breaking_change_is_named(
    change: Callable[[FileDescriptorProto], None], named: str
) -> None:
    """Each way to break callers is found, and the message says where."""
    changed = read_golden()
    change(changed.file[0])
    assert any(line.startswith(named + ":") for line in breaking_changes(read_golden(), changed))


def test_additions_are_allowed() -> None:
    """New fields, messages, enum values and RPCs break nobody."""
    extended = read_golden()
    file = extended.file[0]
    message(file, "Movie").field.add(
        name="runtime_s", number=7, type=FieldDescriptorProto.TYPE_INT32
    )
    file.message_type.add(name="ForgetUserRequest")
    file.enum_type[0].value.add(name="USER_STATE_BLOCKED", number=4)
    file.service[0].method.add(
        name="ForgetUser",
        input_type=".recommender.v1.ForgetUserRequest",
        output_type=".recommender.v1.GetUserResponse",
    )
    assert breaking_changes(read_golden(), extended) == []
