"""Whether a load may install: only where somebody has asked for it, or can see it happen."""

from __future__ import annotations

import sys

import pytest

from noodle.errors import MissingPackageError
from noodle.installation.policy import InstallPolicy, is_interactive


class Terminal:
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def allowed(mode: str) -> tuple[bool, bool]:
    """Whether a policy lets a target be locked, and a locked one be installed."""
    found = []
    policy = InstallPolicy(mode)
    for ask in (
        lambda: policy.require_locking("x", "noodle.lock"),
        lambda: policy.require_installing("x"),
    ):
        try:
            ask()
            found.append(True)
        except MissingPackageError:
            found.append(False)
    return found[0], found[1]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("always", (True, True)), ("locked", (False, True)), ("never", (False, False))],
)
def test_a_policy_that_is_stated_does_not_depend_on_who_looks(
    mode: str, expected: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert expected == allowed(mode)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert expected == allowed(mode)


def test_by_itself_it_installs_where_a_person_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert (False, False) == allowed("auto")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert (True, True) == allowed("auto")


def test_a_prompt_of_python_is_interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert not is_interactive()
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert is_interactive()


def test_a_notebook_is_interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPython need not be installed: what counts is that it has a running shell."""

    class IPython:
        shell: object = None

        @classmethod
        def get_ipython(cls) -> object:
            return cls.shell

    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert not is_interactive()
    IPython.shell = object()
    assert is_interactive()


def test_a_refusal_says_what_to_type() -> None:
    with pytest.raises(MissingPackageError) as caught:
        InstallPolicy("never").require_installing("numpy==1.21.0")
    assert "noodle sync" == caught.value.remedy
    with pytest.raises(MissingPackageError) as caught:
        InstallPolicy("locked").require_locking("numpy==1.21.0", "noodle.lock")
    assert "noodle sync, without --frozen" in str(caught.value.remedy)
    with pytest.raises(MissingPackageError) as caught:
        InstallPolicy("never").require_locking("a==1; python=3.9", "noodle.lock")
    assert "noodle sync 'a==1; python=3.9'" == caught.value.remedy
