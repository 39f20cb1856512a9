import copy
import pickle

import pytest

from noodle.settings import Secret


def test_a_secret_is_revealed_only_on_demand():
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!r}"):
        assert "hunter2" not in shown
        assert "***" in shown


def test_secrets_are_equal_when_their_texts_are():
    assert Secret("a\ud800") == Secret("a\ud800")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_a_secret_is_not_pickled_and_a_copy_is_itself():
    secret = Secret("hunter2")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    assert copy.deepcopy([secret])[0] is secret
    assert copy.copy(secret) is secret
