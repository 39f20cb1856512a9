"""Values between Node.js and Python: what each kind becomes on the other side."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.node.programs import JavaScriptError, Program


def call(program: Program, function: str, source: str, *, then: str = "result") -> Any:
    """Call a function of the sample with one JavaScript expression."""
    return program.run(f"""
      const sample = await load("./sample.py");
      const result = await sample.{function}({source});
      return {then};
    """)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("null", "NoneType None"),
        ("undefined", "_Undefined noodle.undefined"),
        ("true", "bool True"),
        ("7", "int 7"),
        ("7.0", "int 7"),
        ("7.5", "float 7.5"),
        ("-0", "float -0.0"),
        ("2 ** 53", "float 9007199254740992.0"),
        ("2n ** 70n", f"int {2**70}"),
        ("5n", "int 5"),
        ("'Grüße 😀'", "str 'Grüße 😀'"),
        ("'\\ud800'", "str '\\ud800'"),
        ("new Date(1234567890123)",
         "datetime datetime.datetime(2009, 2, 13, 23, 31, 30, 123000, "
         "tzinfo=datetime.timezone.utc)"),
        ("[1, [2, 'x']]", "list [1, [2, 'x']]"),
        ("({ a: 1, b: { c: null } })", "dict {'a': 1, 'b': {'c': None}}"),
        ("new Map([[1, 'a'], [[2], 'b']])", "dict {1: 'a', (2,): 'b'}"),
        ("new Set([1])", "set {1}"),
        ("Buffer.from('abc')", "bytes b'abc'"),
        ("new Float64Array([1, 2.5])", "ndarray array([1. , 2.5])"),
        ("new Uint8Array([1, 2]).buffer", "ndarray array([1, 2], dtype=uint8)"),
        ("new BigInt64Array([-1n])", "ndarray array([-1])"),
        ("noodle.shaped(new Float32Array(4), [2, 2])",
         "ndarray array([[0., 0.],\n       [0., 0.]], dtype=float32)"),
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_a_javascript_value_is_this_python_value(program: Program, source: str, shown: str):
    assert call(program, "told", source) == shown


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("null", None),
        ("[undefined]", [{"undefined": True}]),
        ("2n ** 53n - 1n", 2**53 - 1),
        ("2n ** 53n", {"bigint": str(2**53)}),
        ("-(2n ** 64n)", {"bigint": str(-(2**64))}),
        ("NaN", {"number": "NaN"}),
        ("'\\ud800x'", "\ud800x"),
        ("{ __proto__: null, a: 1 }", {"a": 1}),
        ("new Map([[1, 2]])", {"Map": [[1, 2]]}),
        ("new Set(['a'])", {"Set": ["a"]}),
        ("Buffer.from([0, 255])", {"Buffer": [0, 255]}),
        ("new Date(5)", {"Date": "1970-01-01T00:00:00.005Z"}),
        ("new Int16Array([-3])", {"Int16Array": [-3]}),
        ("new Float32Array(0)", {"Float32Array": []}),
        ("[new Uint32Array([1]), { x: new Float64Array([2]) }]",
         [{"Uint32Array": [1]}, {"x": {"Float64Array": [2]}}]),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_a_value_comes_back_as_it_was_sent(program: Program, source: str, value: object):
    assert call(program, "echo", source) == value


def test_a_python_moment_is_a_date(program: Program):
    assert call(program, "moment", "") == {"Date": "2024-02-29T12:30:15.250Z"}


def test_a_moment_without_a_zone_has_no_form_in_javascript(program: Program):
    with pytest.raises(JavaScriptError, match="without a zone") as caught:
        call(program, "naive", "")
    assert caught.value.name == "ForeignError"
    assert "sample.py.naive has no form in JavaScript" in caught.value.message


@pytest.mark.parametrize(
    ("array", "type_name", "items", "shape"),
    [
        ("arange(6).reshape(2, 3)", "BigInt64Array",
         [{"bigint": str(n)} for n in range(6)], [2, 3]),
        ("arange(6.0).reshape(2, 3).T", "Float64Array", [0, 3, 1, 4, 2, 5], [3, 2]),
        ("array([True, False])", "Uint8Array", [1, 0], None),
        ("array(5, 'u2')", "Uint16Array", [5], []),
        ("zeros((2, 0))", "Float64Array", [], [2, 0]),
        ("array([1.5, -2, float('inf')], 'f2')", "Float16Array",
         [1.5, -2, {"number": "Infinity"}], None),
        ("array([1], '>i4')", "Int32Array", [1], None),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_an_array_is_a_typed_array_in_c_order_with_its_shape(
    program: Program, array: str, type_name: str, items: list[Any], shape: list[int] | None
):
    value = program.run(f"""
      const builtins = await load("python:builtins");
      const numpy = await load("numpy");
      return builtins.eval("{array}", {{ ...Object.fromEntries(await Promise.all(
        ["arange", "array", "zeros"].map(async (name) => [name, await numpy[name]]))) }});
    """)
    assert value == {type_name: items, **({} if shape is None else {"shape": shape})}


def test_an_array_that_went_through_python_keeps_its_shape(program: Program):
    shape = "[result.shape, await sample.told(result)]"
    source = "noodle.shaped(Float64Array.of(1, 2, 3, 4, 5, 6), [3, 2])"
    assert call(program, "echo", source, then=shape) == [
        [3, 2],
        "ndarray array([[1., 2.],\n       [3., 4.],\n       [5., 6.]])",
    ]


def test_an_array_of_bools_is_one_again_while_it_holds_no_other(program: Program):
    assert program.run("""
      const np = await load("numpy");
      const flags = await np.greater([1, 5], 3);
      const kept = await np.logical_not(flags).then((inverted) => np.result_type.$ref(inverted));
      const before = [flags.dtype, [...flags], String(await kept.name)];
      flags[0] = 7;
      return [...before, String(await (await np.result_type.$ref(flags)).name)];
    """) == ["bool", [0, 1], "bool", "uint8"]


@pytest.mark.parametrize("kibibytes", [1, 63, 64, 1024])
def test_small_and_attached_arrays_keep_every_item(program: Program, kibibytes: int):
    source = f"Float64Array.from({{ length: {kibibytes * 128} }}, (_, n) => n / 3)"
    then = "[result.length, result.every((item, n) => item === n / 3), result.byteOffset]"
    assert call(program, "echo", source, then=then) == [kibibytes * 128, True, 0]


def test_many_attached_arrays_go_in_one_message(program: Program):
    source = "Array.from({ length: 5 }, (_, n) => new Float64Array(10_000 + n).fill(n))"
    then = "result.map((array) => [array.length, array[0], array.at(-1)])"
    assert call(program, "echo", source, then=then) == [[10_000 + n, n, n] for n in range(5)]


def test_an_array_may_be_changed_as_soon_as_the_call_is_made(program: Program):
    """What is sent is what the array held at the call, also when the socket takes it later."""
    assert program.run("""
      const sample = await load("./sample.py");
      const array = new Float64Array(2 ** 20).fill(1);
      const calls = [1, 2, 3].map((item) => {
        array.fill(item);
        return sample.echo(array);
      });
      array.fill(-1);
      return (await Promise.all(calls)).map((result) => [result[0], result.at(-1)]);
    """) == [[1, 1], [2, 2], [3, 3]]


def test_integers_of_64_bits_can_come_as_numbers(program: Program):
    assert program.run("""
      const np = (await load("numpy")).$options({ int64: "number" });
      return [await np.arange(3), await np.matmul([[1, 2]], [[3], [4]])];
    """) == [{"Float64Array": [0, 1, 2]}, {"Float64Array": [11], "shape": [1, 1]}]


def test_an_integer_that_is_no_exact_number_is_refused_and_names_the_option(program: Program):
    with pytest.raises(JavaScriptError, match=r"9007199254740993 at index 1 is no exact number"):
        program.run("""
          const np = (await load("numpy")).$options({ int64: "number" });
          return await np.array([1, 2n ** 53n + 1n]);
        """)


@pytest.mark.parametrize("array", ["[1, 2]", "['a']"])
def test_an_array_without_a_typed_array_goes_by_reference(program: Program, array: str):
    assert program.run(f"""
      const np = await load("numpy");
      const one = await np.array({array}, noodle.named({{ dtype: "complex128" }})).catch(
        () => np.array({array}));
      const nested = await np.broadcast_arrays(one, one);
      return [noodle.isRemote(one), await one.ndim, nested.every(noodle.isRemote)];
    """) == [True, 1, True]


def test_results_can_stay_in_python_and_be_sent_back(program: Program):
    assert program.run("""
      const np = await load("numpy");
      const kept = await np.ones.$ref([1000, 1000]);
      const sum = await np.sum.$ref(kept);
      return [noodle.isRemote(kept), await kept.shape, await sum.$copy(), await np.mean(kept)];
    """) == [True, [1000, 1000], 1_000_000, 1]


def test_a_copy_takes_what_means_the_same(program: Program):
    assert program.run("""
      const sample = await load("./sample.py");
      const builtins = await load("python:builtins");
      const range = await builtins.range(3);
      const point = await sample.Point(1, 2);
      return [await range.$copy(), await point.$copy(), await point.x, await point.x.$copy()];
    """) == [[0, 1, 2], {"x": 1, "y": 2}, 1, 1]


def test_what_has_no_copy_says_so(program: Program):
    with pytest.raises(JavaScriptError, match=r"Counter cannot be copied") as caught:
        program.run("""
          const sample = await load("./sample.py");
          return await (await sample.Counter()).$copy();
        """)
    assert caught.value.name == "ArgumentTypeError"


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        ("(() => { const a = []; a.push({ a }); return a; })()", "WIRE_TOO_DEEP",
         "contains itself, through 2 containers"),
        ("Symbol('s')", "WIRE_UNSENDABLE", "a symbol"),
        ("new Date(NaN)", "WIRE_UNSENDABLE", "invalid Date"),
        ("Object.assign(new Float64Array(3), { shape: [2, 2] })", "WIRE_UNSENDABLE", "its shape"),
        ("2n ** 600000n", "WIRE_TOO_LARGE", "524288 bits"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_before_it_is_sent(
    program: Program, source: str, code: str, text: str
):
    with pytest.raises(JavaScriptError, match=text) as caught:
        call(program, "echo", source)
    assert (caught.value.name, caught.value.told["code"]) == ("InputLimitError", code)
    assert call(program, "echo", "1") == 1


def test_a_result_that_contains_itself_is_a_clear_error(program: Program):
    with pytest.raises(JavaScriptError, match="it contains itself") as caught:
        call(program, "cyclic", "")
    assert caught.value.name == "InputLimitError"


def test_an_object_of_a_getter_that_throws_throws_that(program: Program):
    with pytest.raises(JavaScriptError, match="mine") as caught:
        call(program, "echo", "({ get x() { throw new RangeError('mine'); } })")
    assert caught.value.name == "RangeError"
