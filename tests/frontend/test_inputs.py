"""The `--input` grammar and the inputs given in Python."""

import numpy as np
import pytest

from netglot.errors import RequestError
from netglot.frontend.inputs import Inputs, InputSpec, as_numpy, parse_inputs, parse_spec, tensors_only
from netglot.pivot.dims import Dim

B, T, H, W = map(Dim.symbol, "BTHW")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("1,3,224,224", InputSpec((B, 3, 224, 224))),
        ("1!,3,224,224", InputSpec((1, 3, 224, 224))),
        ("B,3,H,W", InputSpec((B, 3, H, W))),
        ("N,3", InputSpec((Dim.symbol("N"), 3))),
        ("8", InputSpec((B,))),
        ("x=2,4", InputSpec((B, 4), name="x")),
        ("int64 B,T", InputSpec((B, T), "int64")),
        ("ids=int64 B,T@0:30522", InputSpec((B, T), "int64", "ids", 0, 30522)),
        ("ids = long  B, T @ 0:10", InputSpec((B, T), "int64", "ids", 0, 10)),
        ("x=float16 B,8@-1.5:1.5", InputSpec((B, 8), "float16", "x", -1.5, 1.5)),
        ("step=int64 ()", InputSpec((), "int64", "step")),
        ("mask=bool B,T", InputSpec((B, T), "bool", "mask")),
    ],
)
def test_grammar(text, spec):
    assert parse_spec(text) == spec
    if "!" not in text and spec.shape and all(isinstance(size, Dim) for size in spec.shape[:1]):
        assert parse_spec(str(spec)) == spec  # what is printed can be given again


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not"),
        ("1,3,x y", "is not a size"),
        ("1,,3", "'' is not a size"),
        ("1,-3", "'-3' is not a size"),
        ("0,3", "leaves nothing"),
        ("float31 B,3", "'float31' is not a dtype"),
        ("B,3@5:1", "is empty"),
        ("int64 B@0:x", "is not a range"),
        ("1x3x224x224", "is not a size"),
        ("B,3@0", "is not"),
    ],
)
def test_what_does_not_parse_is_one_clear_error(text, says):
    with pytest.raises(RequestError, match=says) as caught:
        parse_spec(text)
    assert "\n" not in caught.value.message


def test_positional_and_keyword_inputs():
    inputs = parse_inputs(["B,3,8,8", "mask=bool B,T"])
    assert inputs == Inputs((InputSpec((B, 3, 8, 8)),), {"mask": InputSpec((B, T), "bool", "mask")})
    assert inputs.symbols() == ["B", "T"]


def test_arrays_open_their_first_axis_and_are_kept():
    array = np.zeros((2, 5), "int32")
    (spec,) = parse_inputs(array).specs
    assert (spec.shape, spec.dtype) == ((B, 5), "int32")
    assert spec.example is array


def test_tensors():
    torch = pytest.importorskip("torch")
    (spec,) = parse_inputs([torch.ones(2, 3, dtype=torch.bfloat16)]).specs
    assert (spec.shape, spec.dtype) == ((B, 3), "bfloat16")
    np.testing.assert_array_equal(as_numpy(torch.ones(2, requires_grad=True)), np.ones(2))


def test_shapes_and_strings_alone_are_inputs_too():
    assert (
        parse_inputs((1, 3, 8, 8))
        == parse_inputs("1,3,8,8")
        == parse_inputs(["1,3,8,8"])
        == parse_inputs([(1, 3, 8, 8)])
    )
    assert parse_inputs([("B", 3), ("B", "T", 4)]).specs == [InputSpec((B, 3)), InputSpec((B, T, 4))]
    assert len(parse_inputs(["B", "T"]).specs) == 2


def test_a_pair_of_positional_and_keyword_inputs():
    inputs = parse_inputs(((np.ones((1, 2)),), {"flag": True, "y": "B,4"}))
    assert [spec.shape for spec in inputs.specs] == [(B, 2), (B, 4)]
    assert inputs.keyword["flag"] is True


def test_nests_keep_their_form():
    inputs = parse_inputs({"state": (np.ones((1, 2)), [np.ones((1, 3)), None]), "batch": {"ids": "int64 B,T"}})
    positional, keyword = inputs.map(lambda spec: spec.shape)
    assert positional == ()
    assert keyword == {"state": ((B, 2), [(B, 3), None]), "batch": {"ids": (B, T)}}


def test_the_batch_has_a_letter_of_its_own():
    batch = Dim.symbol("batch")
    assert parse_inputs(["1,B,3", "2,4"]).specs == [InputSpec((batch, B, 3)), InputSpec((batch, 4))]


def test_one_name_twice():
    with pytest.raises(RequestError, match="two inputs are called x"):
        parse_inputs(["x=1,2", "x=1,3"])


def test_what_is_no_input():
    with pytest.raises(RequestError, match="cannot be a object"):
        parse_inputs([object()])


def test_what_is_no_tensor():
    given = parse_inputs(["1,3", "rate:=16000", "mode:='fast'", ":=0.5", "scales := [1, 2]"])
    assert given.positional[1] == 0.5
    assert given.keyword == {"rate": 16000, "mode": "fast", "scales": [1, 2]}
    assert parse_inputs({"flip": ":=True"}).keyword == {"flip": True}
    assert [str(spec) for spec in given.specs] == ["float32 B,3"]


@pytest.mark.parametrize("wrong", ["rate:=16 000", "rate:=", "rate:=open('f')", "rate:=" + "(" * 500])
def test_what_python_does_not_write_so(wrong):
    with pytest.raises(RequestError, match="is no plain value"):
        parse_inputs([wrong])


def test_a_file_takes_tensors():
    with pytest.raises(RequestError, match="rate is a tensor in the file"):
        tensors_only(parse_inputs(["1,3", "rate:=3"]))


def test_first_axes_as_they_were_given():
    inputs = parse_inputs(["5,4", (7, 2), np.zeros((3, 2)), "N,2", {"mask": "2!,6"}]).as_given()
    assert [spec.shape for spec in inputs.specs] == [(5, 4), (7, 2), (3, 2), (Dim.symbol("N"), 2), (2, 6)]
