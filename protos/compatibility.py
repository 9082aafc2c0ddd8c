"""What may change in a published .proto file: additions, nothing else.

Both sides of a call are deployed at different times and callers wrote code against the names, so
every file, message, field, enum value and RPC that was there stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

Shape = dict[str, tuple[Any, ...]]
"""Path of a published element -> everything about it that callers rely on."""


def breaking_changes(old: FileDescriptorSet, new: FileDescriptorSet) -> list[str]:
    """A sentence for each published element of `old` that `new` changes or lacks."""
    shape = _shape(new)
    changes = []
    for path, facts in _shape(old).items():
        if path not in shape:
            changes.append(f"{path}: gone")
        elif shape[path] != facts:
            changes.append(f"{path}: was {facts}, is {shape[path]}")
    return changes


def _shape(files: FileDescriptorSet) -> Shape:
    elements: Shape = {}
    for file in files.file:
        elements[f"package {file.package}"] = ()
        for message in file.message_type:
            elements.update(_message(file.package, message))
        for enum in file.enum_type:
            elements.update(_enum(file.package, enum))
        for service in file.service:
            for rpc in service.method:
                elements[f"rpc {file.package}.{service.name}/{rpc.name}"] = (
                    rpc.input_type,
                    rpc.output_type,
                    rpc.client_streaming,
                    rpc.server_streaming,
                )
    return elements


def _message(scope: str, message: DescriptorProto) -> Iterator[tuple[str, tuple[Any, ...]]]:
    path = f"{scope}.{message.name}"
    yield f"message {path}", ()
    for field in message.field:
        yield f"field {path}.{field.name}", _field(message, field)
    for nested in message.nested_type:
        yield from _message(path, nested)
    for enum in message.enum_type:
        yield from _enum(path, enum)


def _field(message: DescriptorProto, field: FieldDescriptorProto) -> tuple[Any, ...]:
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    kind = FieldDescriptorProto.Type.Name(field.type)
    label = FieldDescriptorProto.Label.Name(field.label)
    return field.number, kind, label, field.type_name, oneof


def _enum(scope: str, enum: EnumDescriptorProto) -> Iterator[tuple[str, tuple[Any, ...]]]:
    path = f"{scope}.{enum.name}"
    yield f"enum {path}", ()
    for value in enum.value:
        yield f"enum value {path}.{value.name}", (value.number,)
