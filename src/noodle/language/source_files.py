"""Reading source files from disk."""

from __future__ import annotations

from noodle.errors import SourceError

__all__ = ["MAX_SOURCE_BYTES", "read_source_file"]

MAX_SOURCE_BYTES = 16 * 2**20
"""The largest source file that is read; chosen far above what a person writes."""


def read_source_file(path: str) -> str:
    """Return the text of a source file.

    Args:
        path: The file.

    Raises:
        SourceError: It is missing, unreadable, larger than ``MAX_SOURCE_BYTES`` or not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SOURCE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(data) > MAX_SOURCE_BYTES:
        raise SourceError(
            "the source file is too large",
            path=path,
            expected=f"at most {MAX_SOURCE_BYTES} bytes",
            received="more",
            remedy="keep data in a file of its own and read it with a library",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data, error) from None


def _unreadable(path: str, error: OSError | ValueError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(
            "there is no such file",
            path=path,
            expected="a Noodle program",
            received="nothing",
            remedy="check the name and the directory",
        )
    if isinstance(error, IsADirectoryError):
        return SourceError(
            "this is a directory",
            path=path,
            expected="a Noodle program",
            received="a directory",
            remedy="name a file in it",
        )
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return SourceError(
        f"the file cannot be read: {reason}",
        path=path,
        expected="a readable file",
        received=str(reason),
        remedy="check its permissions",
    )


def _not_utf8(path: str, data: bytes, error: UnicodeDecodeError) -> SourceError:
    before = data[: error.start]
    line = before.count(b"\n") + 1
    start = before.rfind(b"\n") + 1
    text = data[start:].split(b"\n", 1)[0].decode("utf-8", "replace")
    return SourceError(
        "the file is not UTF-8",
        path=path,
        line=line,
        column=len(before[start:].decode("utf-8", "replace")) + 1,
        source_line=text.rstrip("\r"),
        expected="text in UTF-8",
        received=f"the byte 0x{data[error.start]:02x}",
        remedy="save the file as UTF-8",
    )
