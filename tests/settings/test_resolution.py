import os
import re
import subprocess
import sys
import timeit
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.errors import SettingsError
from noodle.settings import (
    BridgeSettings,
    OptimizationSettings,
    Secret,
    SecuritySettings,
    Settings,
    resolve,
)

SECRET = "hunter2-hunter2-hunter2-hunter2!"

SPECIFICATION_FFI_TOML = """
[ffi.bridges.numpy]
path = "numpy"
version = "1.21.0"
dependencies = ["numpy", "scipy"]

[ffi.bridges.torch]
path = "torch"
version = "1.9.0"
dependencies = ["torch", "torchvision"]
gpu_support = true

[ffi.bridges.rust_blas]
path = "libblas.so"
version = "0.3.0"
dependencies = ["blas-devel"]
optimization = "O3"

[ffi.optimization]
auto_vectorize = true
gpu_offload = true
parallel_execution = true
"""

SPECIFICATION_SECURITY_TOML = f"""
[security.authentication]
jwt_secret = "{SECRET}"
token_expiry = 3600
refresh_token_expiry = 86400

[security.authorization.bridge_permissions]
numpy = ["read", "write"]
torch = ["read", "write", "gpu"]
rust_blas = ["read", "write", "system"]

[security.authorization.user_roles]
analyst = ["numpy", "torch"]
engineer = ["numpy", "torch", "rust_blas"]
admin = ["*"]
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program's directory, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(program: Path, *, toml: str = "", environment=None, **arguments) -> Settings:
    if toml:
        (program / "noodle.toml").write_text(toml)
    return resolve(arguments=arguments, environment=environment or {}, start_directory=program)


def refusal(program: Path, **sources) -> str:
    with pytest.raises(SettingsError) as raised:
        read(program, **sources)
    return str(raised.value)


def specification_dict(repository: Path, name: str, monkeypatch) -> dict:
    """The dict of that name, by executing the specification's own block."""
    monkeypatch.setenv("JWT_SECRET", SECRET)
    text = (repository / "tests/spec/ale_ffi_integration.md").read_text()
    (block,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        if f"{name} = {{" in block
    )
    variables = {"os": os}
    exec(block, variables)
    return variables[name]


def test_the_specifications_ffi_config_is_accepted_as_written(program, repository, monkeypatch):
    settings = read(program, ffi=specification_dict(repository, "ffi_config", monkeypatch))
    assert dict(settings.ffi.bridges) == {
        "numpy": BridgeSettings("numpy", "1.21.0", ("numpy", "scipy")),
        "torch": BridgeSettings("torch", "1.9.0", ("torch", "torchvision"), gpu_support=True),
        "rust_blas": BridgeSettings("libblas.so", "0.3.0", ("blas-devel",), optimization="O3"),
    }
    assert list(settings.ffi.bridges) == ["numpy", "torch", "rust_blas"]
    assert settings.ffi.optimization == OptimizationSettings(True, True, True)


def test_the_specifications_security_config_is_accepted_as_written(
    program, repository, monkeypatch
):
    security = read(
        program, security=specification_dict(repository, "security_config", monkeypatch)
    ).security
    assert security.authentication.jwt_secret.reveal() == SECRET
    assert security.authentication.token_expiry == 3600
    assert security.authentication.refresh_token_expiry == 86400
    assert security.authorization.bridge_permissions == {
        "numpy": {"read", "write"},
        "torch": {"read", "write", "gpu"},
        "rust_blas": {"read", "write", "system"},
    }
    assert security.authorization.user_roles == {
        "analyst": {"numpy", "torch"},
        "engineer": {"numpy", "torch", "rust_blas"},
        "admin": {"*"},
    }


def test_the_toml_form_of_both_dicts_gives_the_same_settings(program, repository, monkeypatch):
    ffi, security = (
        specification_dict(repository, name, monkeypatch)
        for name in ("ffi_config", "security_config")
    )
    from_dicts = read(program, ffi=ffi, security=security)
    from_toml = read(program, toml=SPECIFICATION_FFI_TOML + SPECIFICATION_SECURITY_TOML)
    assert from_toml.ffi == from_dicts.ffi
    assert from_toml.security == from_dicts.security


def test_defaults_hold_where_nothing_is_stated(program):
    settings = read(program, environment={"XDG_CACHE_HOME": "/var/cache"})
    assert settings == Settings(cache_directory=Path("/var/cache/noodle"))
    assert (settings.sample_every, settings.mode) == (64, "off")
    assert (settings.placement, settings.deadline, settings.security) == (None, None, None)
    assert settings.origin("sample_every") == "default"


def test_a_relative_xdg_cache_home_is_ignored(program):
    settings = read(program, environment={"XDG_CACHE_HOME": "cache"})
    assert settings.cache_directory == Path("~/.cache/noodle").expanduser()


def test_arguments_win_over_variables_over_the_file_and_each_place_is_known(program):
    toml = 'sample_every = 1\nmode = "suggest"\n\ndeadline = 2\nplacement = "isolated"\n'
    environment = {"NOODLE_MODE": "optimize", "NOODLE_DEADLINE": "0.5"}
    settings = read(program, toml=toml, environment=environment, deadline=7)
    assert (settings.sample_every, settings.mode, settings.deadline) == (1, "optimize", 7.0)
    assert settings.origin("sample_every") == "noodle.toml:1"
    assert settings.origin("mode") == "NOODLE_MODE"
    assert settings.origin("deadline") == "configure(...)"
    assert settings.origin("placement") == "noodle.toml:5"
    assert settings.origin("ffi") == "default"
    assert settings.config_file == program / "noodle.toml"


def test_tables_merge_key_by_key_and_lists_replace(program):
    toml = '[ffi.bridges.a]\nversion = "1"\ndependencies = ["x", "y"]\n[ffi.bridges.b]\n'
    ffi = {"bridges": {"a": {"dependencies": ["z"]}, "c": {"path": "libc.so.6"}}}
    settings = read(program, toml=toml, ffi=ffi)
    assert dict(settings.ffi.bridges) == {
        "a": BridgeSettings("a", "1", ("z",)),
        "b": BridgeSettings("b"),
        "c": BridgeSettings("libc.so.6"),
    }
    assert settings.origin("ffi.bridges.a") == "noodle.toml:2, configure(...)"


def test_none_for_a_table_is_as_if_it_was_not_given(program):
    settings = read(program, toml="[security]\n", security=None, ffi=None)
    assert settings.security == SecuritySettings()


@pytest.mark.parametrize(
    ("toml", "deadline", "expected"), [("deadline = 3", None, None), ('deadline = "none"', 4, 4.0)]
)
def test_a_deadline_can_be_taken_back(program, toml, deadline, expected):
    assert read(program, toml=toml, deadline=deadline).deadline == expected


def test_relative_paths_are_relative_to_what_states_them(program, monkeypatch):
    (program / "sub").mkdir()
    monkeypatch.chdir(program / "sub")
    (program / "noodle.toml").write_text(
        'library_paths = ["lib", "/opt/lib"]\ncache_directory = "cache"\n'
        '[ffi.bridges.a]\npath = "./lib.so"\n[ffi.bridges.b]\npath = "src/kernel.c"\n'
        '[ffi.bridges.c]\npath = "npm:@scope/pkg"\n[ffi.bridges.d]\npath = "libblas.so"\n'
        '[ffi.bridges.e]\npath = "~/x.so"\n'
    )
    settings = resolve(
        environment={"NOODLE_BRIDGE_PATHS": f"plug:{os.sep}opt"},
        arguments={"ffi": {"bridges": {"f": {"path": "../up.so"}}}},
        start_directory=program / "sub",
    )
    assert settings.library_paths == (program / "lib", Path("/opt/lib"))
    assert settings.cache_directory == program / "cache"
    assert settings.bridge_paths == (program / "sub/plug", Path("/opt"))
    assert {name: bridge.path for name, bridge in settings.ffi.bridges.items()} == {
        "a": str(program / "lib.so"),
        "b": str(program / "src/kernel.c"),
        "c": "npm:@scope/pkg",
        "d": "libblas.so",
        "e": str(Path("~/x.so").expanduser()),
        "f": str(program / "sub/../up.so"),
    }
    assert settings.origin("cache_directory") == "../noodle.toml:2"


def test_a_named_file_is_read_instead_of_the_nearest(program):
    (program / "noodle.toml").write_text("sample_every = 1")
    (program / "other.toml").write_text("sample_every = 2\nlibrary_paths = ['lib']")
    settings = resolve(environment={}, config_file="other.toml", start_directory=program)
    assert settings.sample_every == 2
    assert settings.library_paths == (program / "lib",)
    assert settings.origin("sample_every") == "other.toml:1"


def test_variables_state_nested_keys_lists_and_flags(program):
    environment = {
        "NOODLE_SAMPLE_EVERY": "10",
        "NOODLE_CACHE_DIR": "cache",
        "NOODLE_FFI__OPTIMIZATION__AUTO_VECTORIZE": "TRUE",
        "NOODLE_FFI__BRIDGES__NUMPY__DEPENDENCIES": "numpy, scipy",
        "NOODLE_FFI__BRIDGES__NUMPY__OPTIONS__LEVEL": "3",
        "NOODLE_SECURITY__AUTHENTICATION__TOKEN_EXPIRY": "60",
        "NOODLE_SECURITY__AUTHORIZATION__USER_ROLES__ADMIN": "*",
        "NOODLE_MODE": "",
    }
    settings = read(program, environment=environment)
    assert settings.sample_every == 10
    assert settings.cache_directory == program / "cache"
    assert settings.ffi.optimization.auto_vectorize is True
    numpy = settings.ffi.bridges["numpy"]
    assert (numpy.dependencies, dict(numpy.options)) == (("numpy", "scipy"), {"level": "3"})
    assert settings.security.authentication.token_expiry == 60
    assert settings.security.authorization.user_roles == {"admin": {"*"}}
    assert settings.mode == "off"


def test_variables_of_other_origin_are_left_alone(program):
    environment = {
        "NOODLE_DEBUG": "1",
        "NOODLE_NODE": "/usr/bin/node",
        "NOODLE_PYTHON_DOWNLOADS": "never",
        "NOODLE_FFI_SERVICE_SERVICE_HOST": "10.0.0.1",
        "NOODLE_FFI_SERVICE_SERVICE_PORT_HTTP": "8080",
        "NOODLE_FFI_SERVICE_PORT_8080_TCP_ADDR": "10.0.0.1",
        "NOODLES": "many",
    }
    assert read(program, environment=environment) == read(program)


MISTAKES = [
    # sources, what the message holds
    (
        {"ffi": {"bridges": {"numpy": {"verison": "1"}}}},
        ["ffi.bridges.numpy.verison: there is no such setting", "configure(...)", "version"],
    ),
    (
        {"ffi": {"optimization": {"gpu_offload": "yes"}}},
        ["ffi.optimization.gpu_offload: expected true or false, received 'yes'"],
    ),
    ({"toml": "\n\nsample_evry = 3"}, ["sample_evry", "noodle.toml:3", "try:      sample_every"]),
    ({"auto_vectorize": True}, ["auto_vectorize", "try:      ffi.optimization.auto_vectorize"]),
    ({"zzz": 1}, ["zzz", "one of sample_every, mode"]),
    ({"environment": {"NOODLE_SAMPLE_EVRY": "1"}}, ["NOODLE_SAMPLE_EVRY", "NOODLE_SAMPLE_EVERY"]),
    ({"environment": {"NOODLE_CACHE_DIRECTORY": "x"}}, ["try:      NOODLE_CACHE_DIR"]),
    ({"environment": {"NOODLE_sample_every": "1"}}, ["no setting has this variable"]),
    ({"environment": {"NOODLE_FFI": "x"}}, ["no setting has this variable"]),
    ({"environment": {"NOODLE_FFI____PATH": "x"}}, ["no setting has this variable"]),
    ({"environment": {"NOODLE_SAMPLE_EVERY": "abc"}}, ["sample_every", "received 'abc'"]),
    ({"environment": {"NOODLE_DEADLINE": "nan"}}, ["deadline", "received nan"]),
    ({"environment": {"NOODLE_DEADLINE": "inf"}}, ["deadline", "received inf"]),
    ({"sample_every": 0}, ["a whole number from 1 to 2147483647, received 0"]),
    ({"sample_every": -1}, ["received -1"]),
    ({"sample_every": True}, ["received true"]),
    ({"sample_every": 2.0}, ["received 2.0"]),
    ({"sample_every": 10**400}, ["received a number"]),
    ({"deadline": 0}, ["a number of seconds above 0", "received 0"]),
    ({"deadline": float("nan")}, ["received nan"]),
    ({"deadline": 10**400}, ["received a number"]),
    ({"mode": "optimise"}, ["one of off, suggest, optimize", "try:      optimize"]),
    ({"placement": "inproces"}, ["inprocess, isolated, remote, auto", "try:      inprocess"]),
    ({"library_paths": "/lib"}, ["a list of paths, received '/lib'"]),
    ({"library_paths": ["/lib", 5]}, ["a list of paths, received a list with 5"]),
    ({"cache_directory": "a\0b"}, ["cache_directory"]),
    ({"ffi": []}, ["ffi: expected a table, received a list"]),
    ({"ffi": {"bridges": {"numpy": "numpy"}}}, ["numpy: expected a table, received 'numpy'"]),
    ({"ffi": {"bridges": {"": {}}}}, ["ffi.bridges.'': expected a name"]),
    ({"ffi": {"bridges": {5: {}}}}, ["ffi.bridges.5: expected a name that is a text"]),
    ({"ffi": {"bridges": {"a": {"version": "latest"}}}}, ["expected a version", "'latest'"]),
    ({"ffi": {"bridges": {"a": {"version": 1.21}}}}, ["as a text", "received 1.21"]),
    ({"ffi": {"bridges": {"a": {"path": " "}}}}, ["ffi.bridges.a.path", "received ' '"]),
    ({"ffi": {"bridges": {"a": {"optimization": "O9"}}}}, ["O0, O1, O2, O3, Os"]),
    ({"ffi": {"bridges": {"a": {"dependencies": [""]}}}}, ["a list with ''"]),
    (
        {"security": {"authorization": {"bridge_permissions": {"numpy": ["raed"]}}}},
        ["read, write, gpu, system, net, received a list with 'raed'", "try:      read"],
    ),
    (
        {"security": {"authentication": {"token_expiry": -5}}},
        ["security.authentication.token_expiry", "received a number"],
    ),
]


@pytest.mark.parametrize(("sources", "parts"), MISTAKES)
def test_each_mistake_names_key_expectation_and_place(program, sources, parts):
    message = refusal(program, **sources)
    assert [part for part in parts if part not in message] == []


def test_every_mistake_is_reported_in_one_message(program):
    message = refusal(
        program,
        toml="sample_every = 'x'\n[ffi]\nbridgs = 1\n",
        environment={"NOODLE_MODE": "on"},
        deadline=-1,
    )
    assert message.startswith("4 settings cannot be used")
    for part in ("noodle.toml:1", "noodle.toml:3; try bridges", "NOODLE_MODE", "configure(...)"):
        assert part in message


def test_a_flood_of_mistakes_is_cut(program):
    message = refusal(program, **{f"unknown{number}": 1 for number in range(1000)})
    assert message.startswith("1000 settings cannot be used")
    assert message.endswith("and 980 more")


def test_arguments_that_are_no_table_are_refused(program):
    with pytest.raises(SettingsError, match="settings: expected a table, received a list"):
        resolve(arguments=["numpy"], environment={})


@pytest.mark.parametrize(
    "security",
    [
        SECRET,
        [SECRET],
        {"authentication": SECRET},
        {"authentication": {"jwt_secret": [SECRET]}},
        {"authentication": {"token_expiry": SECRET}},
        {"authentication": {"jwt_secrt": SECRET}},
        {"jwt_secret": SECRET},
    ],
)
def test_no_error_shows_a_secret_that_stands_in_a_wrong_place(program, security):
    assert SECRET not in refusal(program, security=security)


def test_no_text_of_the_settings_shows_the_secret(program):
    settings = read(program, toml=SPECIFICATION_SECURITY_TOML)
    assert SECRET not in f"{settings!r} {settings} {settings.places}"
    assert settings.security.authentication.jwt_secret == Secret(SECRET)


def test_a_role_may_name_a_bridge_that_is_configured_elsewhere(program):
    roles = {"analyst": ["a bridge of a plug-in"]}
    settings = read(program, security={"authorization": {"user_roles": roles}})
    assert settings.security.authorization.user_roles == {
        "analyst": frozenset(["a bridge of a plug-in"])
    }


def test_the_origin_of_an_unknown_key_is_an_error_with_the_nearest(program):
    with pytest.raises(SettingsError) as raised:
        read(program).origin("sample_evry")
    assert raised.value.remedy == "sample_every"


def test_settings_cannot_be_changed(program):
    settings = read(program, ffi={"bridges": {"numpy": {}}})
    with pytest.raises(AttributeError):
        settings.sample_every = 1
    with pytest.raises(TypeError):
        settings.ffi.bridges["scipy"] = BridgeSettings("scipy")


def test_a_working_directory_that_is_gone_is_one_clear_error(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SettingsError, match="working directory no longer exists"):
        resolve(environment={})


KEYS = ["ffi", "bridges", "numpy", "path", "version", "options", "optimization", "security"]
KEYS += ["authentication", "jwt_secret", "deadline", "sample_every"]

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, ""]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(arguments=JSON_LIKE)
def test_any_arguments_give_settings_or_one_settings_error(arguments):
    try:
        settings = resolve(arguments=arguments, environment={}, start_directory="/")
    except SettingsError as error:
        assert "expected" in str(error) or "no such setting" in str(error)  # noqa: PT017
    else:
        assert isinstance(settings, Settings)


def test_settings_without_a_file_take_less_than_a_millisecond(program):
    best = min(timeit.repeat(lambda: resolve(environment={}), number=20, repeat=5))
    assert best / 20 < 1e-3


def test_importing_the_settings_loads_no_toml_reader_and_no_third_party_package():
    code = (
        "import sys; import noodle.settings, noodle.targets; "
        "noodle.settings.resolve(environment={}, start_directory='/'); "
        "noodle.targets.parse('numpy'); "
        "print([name for name in ('tomllib', 'packaging', 'difflib', 'msgspec', 'hmac')"
        " if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
