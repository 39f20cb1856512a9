"""The stages that Noodle brings: who may call, what a router does, how long a call may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from noodle import _handle
from noodle.calls import Call, CallOptions, Principal
from noodle.deadlines import deadline, remaining_seconds
from noodle.errors import DeadlineExceededError, PermissionDeniedError
from noodle.stages import AuthorisationStage, DeadlineStage, OptimisationStage

ROLES = {"analyst": ["numpy"], "engineer": ["numpy", "torch"], "admin": ["*"], "guest": []}


def call_by(role: str, library: str = "torch", limit: float | None = None) -> Call:
    return Call(library, "f", options=CallOptions(limit), principal=Principal("eve", role))


@pytest.fixture(autouse=True)
def _no_scope_is_left_open() -> Iterator[None]:
    yield
    with pytest.raises(RuntimeError, match="no deadline scope is open"):
        _handle.leave_deadline()


class TestAuthorisation:
    def test_without_a_configuration_everybody_is_unrestricted(self) -> None:
        inner, reason = AuthorisationStage().compile(call_by("nobody"), len)
        assert (inner, reason) == (len, "principal eve, role nobody, unrestricted")

    @pytest.mark.parametrize(
        ("role", "library"), [("analyst", "numpy"), ("engineer", "torch"), ("admin", "anything")]
    )
    def test_a_role_may_call_its_libraries_at_no_cost_per_call(
        self, role: str, library: str
    ) -> None:
        inner, reason = AuthorisationStage(ROLES).compile(call_by(role, library), len)
        assert (inner, reason) == (len, f"principal eve, role {role}, may call {library}")

    @pytest.mark.parametrize(
        ("role", "expected"),
        [
            ("analyst", "one of numpy"),
            ("guest", "one of no library"),
            ("unknown", "one of no library"),
            ("", "one of no library"),
        ],
    )
    def test_a_role_may_call_nothing_else(self, role: str, expected: str) -> None:
        with pytest.raises(PermissionDeniedError) as caught:
            AuthorisationStage(ROLES).admit(call_by(role))
        error = caught.value
        assert isinstance(error, PermissionError)
        assert (error.expected, error.received, error.where) == (expected, "torch", "torch.f")
        assert error.remedy == f"add torch to security.authorization.user_roles.{role}"

    def test_an_empty_configuration_lets_nobody_call(self) -> None:
        with pytest.raises(PermissionDeniedError):
            AuthorisationStage({}).admit(call_by("admin"))

    @pytest.mark.parametrize("library", ["num", "n", "numpy.linalg", "NUMPY", "*", ""])
    @pytest.mark.parametrize("libraries", [["numpy"], "numpy", "numpy*"])
    def test_a_name_counts_as_a_whole(self, libraries: Any, library: str) -> None:
        with pytest.raises(PermissionDeniedError):
            AuthorisationStage({"analyst": libraries}).admit(call_by("analyst", library))

    def test_a_configuration_that_changes_later_changes_nothing(self) -> None:
        libraries = ["numpy"]
        roles = {"analyst": libraries}
        stage = AuthorisationStage(roles)
        libraries.append("torch")
        roles["guest"] = ["torch"]
        for role in ("analyst", "guest"):
            with pytest.raises(PermissionDeniedError):
                stage.admit(call_by(role))


@pytest.mark.parametrize("mode", ["off", "suggest"])
def test_optimisation_runs_calls_as_written(mode: str) -> None:
    inner, reason = OptimisationStage(mode).compile(call_by("admin"), len)
    assert (inner, reason) == (len, f"{mode}, no arms registered")


def limited(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    return DeadlineStage().compile(call_by("admin", limit=seconds), function)[0]


def spin(value: Any = None) -> Any:
    """Work until the current deadline has passed."""
    while (remaining_seconds() or 0) >= 0:
        continue
    return value


class TestDeadlines:
    def test_no_limit_leaves_nothing_in_the_call_path(self) -> None:
        inner, reason = DeadlineStage().compile(call_by("admin"), len)
        assert (inner, reason) == (len, "none of its own; an enclosing noodle.deadline holds")

    @pytest.mark.parametrize(
        ("default", "own", "seconds"), [(60, None, 60), (None, 30, 30), (60, 30, 30), (30, 60, 60)]
    )
    def test_the_handles_own_limit_wins_over_the_default(
        self, default: float | None, own: float | None, seconds: float
    ) -> None:
        wrapped, reason = DeadlineStage(default).compile(
            call_by("admin", limit=own), remaining_seconds
        )
        assert seconds - 20 < wrapped() <= seconds
        assert reason == f"{seconds} s a call, checked before and after"

    def test_a_call_in_time_gives_its_result(self) -> None:
        assert limited(lambda x, *, y: x + y, 60)(1, y=2) == 3

    def test_a_late_call_gives_an_error_with_the_functions_name(self) -> None:
        with pytest.raises(DeadlineExceededError, match="spin did not finish") as caught:
            limited(spin, 0.002)()
        assert caught.value.expected == "at most 0.002 s"

    def test_an_error_of_the_function_passes(self) -> None:
        with pytest.raises(ZeroDivisionError):
            limited(lambda: 1 / 0, 60)()

    def test_each_call_has_the_whole_time(self) -> None:
        work = limited(remaining_seconds, 60)
        with deadline(600):
            assert all(30 < work() <= 60 for _ in range(3))
            assert remaining_seconds() > 60

    def test_a_nested_call_keeps_to_the_outer_limit(self) -> None:
        inner = limited(remaining_seconds, 600)
        assert limited(inner, 60)() <= 60

    def test_a_coroutine_is_cancelled_at_the_limit(self) -> None:
        async def wait() -> None:
            await asyncio.Event().wait()

        with pytest.raises(DeadlineExceededError, match="wait did not finish"):
            asyncio.run(limited(wait, 0.002)())

    def test_a_coroutine_has_the_limit_while_it_runs_and_gives_its_result(self) -> None:
        async def look() -> Any:
            await asyncio.sleep(0)
            return remaining_seconds()

        assert 30 < asyncio.run(limited(look, 60)()) <= 60
