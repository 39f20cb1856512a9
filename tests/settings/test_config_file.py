import os
from pathlib import Path

import pytest

from noodle.errors import SettingsError
from noodle.settings import find_config
from noodle.settings.config_file import MAX_BYTES, has_say, read_config

TEXT = """\
# a comment with = and [brackets]
sample_every = 64

library_paths = [
  "a",   # not a key = 1
  "b",
]
"deadline" = 3

[ffi.bridges."my lib"]
path = '''
[not.a.table]
version = "no"
'''
version = "1"
optimization.level = 1

[ffi]
optimization = { gpu_offload = true, auto_vectorize = false }

[[list]]
x = 1
"""


@pytest.fixture
def config(tmp_path):
    """Writes bytes or text as a configuration and reads it."""

    def write_and_read(content):
        path = tmp_path / "noodle.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_config(path, relative_to=tmp_path)

    return write_and_read


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("sample_every",), "noodle.toml:2"),
        (("library_paths",), "noodle.toml:4"),
        (("deadline",), "noodle.toml:8"),
        (("ffi",), "noodle.toml:10"),
        (("ffi", "bridges", "my lib"), "noodle.toml:10"),
        (("ffi", "bridges", "my lib", "path"), "noodle.toml:11"),
        (("ffi", "bridges", "my lib", "version"), "noodle.toml:15"),
        (("ffi", "bridges", "my lib", "optimization", "level"), "noodle.toml:16"),
        (("ffi", "optimization", "auto_vectorize"), "noodle.toml:19"),
        (("list", "x"), "noodle.toml:22"),
        (("absent",), "noodle.toml"),
    ],
)
def test_each_key_is_placed_at_its_line(config, key, place):
    assert config(TEXT).place(key) == place
    assert config(TEXT.replace("\n", "\r\n")).place(key) == place


def test_a_line_separator_of_unicode_in_a_text_does_not_count_as_a_line(config):
    assert config('a = "x\u2028y\x85"\nb = 1\n').place(("b",)) == "noodle.toml:2"


def test_a_byte_order_mark_is_skipped(config):
    assert config(b"\xef\xbb\xbfsample_every = 1").tables == {"sample_every": 1}


@pytest.mark.parametrize(
    ("content", "where", "part"),
    [
        ("a = 1\nb = \n", "noodle.toml:2:5", "not TOML: invalid value"),
        ("a = 1\na = 2\n", "noodle.toml:2:6", "not TOML: cannot overwrite a value"),
        ("a = [1,\n", "noodle.toml:2:1", "not TOML"),
        ("a = 1\n\n[ffi", "noodle.toml:3:5", "not TOML"),
        (b"a = 1\nb = '\xff'", "noodle.toml:2", "0xff"),
        (b"a = '\0'", "noodle.toml:1:6", "not TOML"),
        ("a = " + "[" * 100_000, "noodle.toml", "nested too deeply"),
        ("a = " + "9" * 10_000, "noodle.toml", "not TOML"),
        (b"#" * (MAX_BYTES + 1), "noodle.toml", f"at most {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error_with_its_place(config, content, where, part):
    with pytest.raises(SettingsError) as raised:
        config(content)
    assert raised.value.where == where
    assert part in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_syntax_error_shows_nothing_of_the_text(config):
    with pytest.raises(SettingsError) as raised:
        config('[security.authentication]\njwt_secret = "hunter2" hunter2\n')
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_missing_file_a_directory_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    for name, part in {
        "absent.toml": "No such file",
        ".": "not a file",
        "pipe": "not a file",
        "link": "No such file",
    }.items():
        with pytest.raises(SettingsError, match=part):
            read_config(tmp_path / name)


def test_the_nearest_file_upward_is_found(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "noodle.toml").touch()
    assert find_config(inner) == tmp_path / "noodle.toml"
    (tmp_path / "a" / "noodle.toml").touch()
    assert find_config(inner) == tmp_path / "a" / "noodle.toml"
    assert find_config(tmp_path / "absent") == tmp_path / "noodle.toml"


def test_the_representation_of_a_file_shows_nothing_of_its_text(config):
    assert "hunter2" not in repr(config('jwt_secret = "hunter2"'))


@pytest.mark.parametrize(
    ("owner", "trusted"), [(1000, True), (0, True), (2000, True), (3000, False)]
)
def test_only_the_user_root_and_the_programs_owner_may_configure_it(
    owner: int, trusted: bool
) -> None:
    assert trusted is has_say(owner, user=1000, program_owner=2000)


def test_a_file_of_this_user_above_the_program_is_found(tmp_path: Path) -> None:
    program = tmp_path / "a" / "b"
    program.mkdir(parents=True)
    (tmp_path / "noodle.toml").write_text("")
    assert tmp_path / "noodle.toml" == find_config(program)
