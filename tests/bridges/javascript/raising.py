"""What a piece of work raises, for tests that look at all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def raised(work: Callable[[], Any]) -> BaseException:
    """The exception that it raises, of whatever class."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - what it is, the test looks at
        work()
    return caught.value
