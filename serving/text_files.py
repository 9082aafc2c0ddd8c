"""Configuration files in protobuf text format, as tensorflow_model_server reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from serving.errors import ServingError, invalid_argument, not_found

MessageT = TypeVar("MessageT", bound=Message)


def read_text_proto(file: Path, message: MessageT) -> MessageT:
    """Fills `message` from `file` and returns it.

    Raises:
      ServingError: NOT_FOUND, the file cannot be read; INVALID_ARGUMENT, it is malformed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise not_found(f"{file}; {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _invalid(file, error) from error
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise _invalid(file, error) from error
    return message


def _invalid(file: Path, error: Exception) -> ServingError:
    reason = " ".join(str(error).split())
    return invalid_argument(f"Invalid protobuf file: '{file}': {reason}")
