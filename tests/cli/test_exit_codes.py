"""Which exit code an exception gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle import errors
from noodle.cli import exit_codes
from noodle.cli.exit_codes import exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), 1),
        (errors.ArityError("x"), 1),
        (errors.NameNotFoundError("x"), 1),
        (errors.DeadlineExceededError("x"), 1),
        (errors.PermissionDeniedError("x"), 1),
        (errors.NoodleSyntaxError("x"), 3),
        (errors.SourceError("x"), 3),
        (errors.ImportCycleError("x"), 3),
        (errors.MissingPackageError("x"), 4),
        (errors.MissingSymbolError("x"), 4),
        (errors.LibraryLoadError("x"), 4),
        (errors.VersionError("x"), 4),
        (errors.AmbiguousTargetError("x"), 4),
        (errors.UnknownBridgeError("x"), 4),
        (errors.SettingsError("x"), 4),
        (errors.CompilationError("x"), 4),
        (errors.InternalError("x"), 70),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_the_exit_code_tells_who_can_put_it_right(error: BaseException, code: int):
    assert exit_code(error) == code


def test_every_exit_code_is_documented(repository: Path):
    page = (repository / "docs" / "commands.md").read_text(encoding="utf-8")
    codes = [getattr(exit_codes, name) for name in exit_codes.__all__ if name.isupper()]
    assert len(codes) == 8
    for code in codes:
        assert f"| {code} |" in page
