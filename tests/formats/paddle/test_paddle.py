"""PaddlePaddle's files against what PaddlePaddle 2.6 and 3.3 compute of them."""

import json
import pathlib

import numpy as np
import pytest

from netglot.dialects.paddle.read import read_paddle
from netglot.errors import InputError, UnsupportedOps, WeightsError
from netglot.formats.registry import format_of
from netglot.passes.structure import NOTE
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

HERE = pathlib.Path(__file__).parent
RECORDED = {}
for _path in sorted(HERE.glob("recorded_*.npz")):
    with np.load(_path) as _file:
        RECORDED |= {f"{_path.stem.split('_')[1]}-{name}": _file[name] for name in _file.files}
NAMES = sorted({name.split("/")[0] for name in RECORDED})


def written(folder, name):
    path = folder / ("net.json" if name.startswith("pir") else "net.pdmodel")
    path.write_bytes(RECORDED[f"{name}/program"].tobytes())
    if len(RECORDED[f"{name}/params"]):
        path.with_name("net.pdiparams").write_bytes(RECORDED[f"{name}/params"].tobytes())
    return path


def arrays_of(name, kind="in"):
    return [RECORDED[key] for key in sorted(RECORDED) if key.startswith(f"{name}/{kind}/")]


def outputs(graph, arrays):
    given = {value.name: array for value, array in zip(graph.inputs, arrays, strict=True)}
    found = evaluate(graph, given, precision="float64")
    return list(found.values()) if isinstance(found, dict) else [found]


def kinds(graph):
    return [type(node.op).__name__ for node in graph.nodes]


@pytest.mark.parametrize("name", NAMES)
def test_computes_what_paddle_computes(name, tmp_path):
    graph = read_paddle(written(tmp_path, name))
    used = [int(value.name[1:]) for value in graph.inputs]
    arrays = arrays_of(name)
    found, expected = outputs(graph, [arrays[i] for i in used]), arrays_of(name, "out")
    assert len(found) == len(expected)
    for place, (got, want) in enumerate(zip(found, expected, strict=True)):
        assert got.shape == want.shape, place
        np.testing.assert_allclose(got, want, rtol=3e-5, atol=3e-5, err_msg=str(place))


def test_there_are_enough_networks():
    assert len(NAMES) >= 80
    assert {"resnet", "mobilenet_v3", "vgg", "lstm_deep", "gru_both", "encoder"} <= {n.partition("-")[2] for n in NAMES}


@pytest.mark.parametrize("version", ["pir", "program"])
def test_the_batch_stays_open(version, tmp_path):
    for name, shape in (
        ("resnet", "B, 3, 32, 32"),
        ("lstm", "B, 5, 4"),
        ("gru_both", "5, T, 4"),
        ("encoder", "B, T, 8"),
    ):
        graph = read_paddle(written(tmp_path, f"{version}-{name}"))
        assert str(graph.inputs[0].type) == f"float32[{shape}]"
        assert set(graph.notes) <= {NOTE}


@pytest.mark.parametrize("version", ["pir", "program"])
def test_convolutions_have_their_bias_and_recurrences_their_layers(version, tmp_path):
    found = kinds(read_paddle(written(tmp_path, f"{version}-vgg")))
    assert "Reshape" not in found[:2] and found.count("Conv") == 2
    convs = [n.op for n in read_paddle(written(tmp_path, f"{version}-vgg")).nodes if isinstance(n.op, ops.Conv)]
    assert all(one.bias is not None for one in convs)
    assert kinds(read_paddle(written(tmp_path, f"{version}-lstm_deep"))).count("Lstm") == 2


def test_layers_keep_their_classes_and_blocks(tmp_path):
    graph = read_paddle(written(tmp_path, "pir-resnet"))
    assert {"sequential_1.0", "sequential_2.0.sequential"} <= graph.modules.keys()
    assert graph.modules["sequential_1.0"].class_name == "Block"
    assert "sequential_1.0.conv2d.weight" in graph.parameters
    named = read_paddle(written(tmp_path, "program-named_blocks"))
    assert {"block2", "block3"} <= named.modules.keys() and "block2.a.weight" in named.parameters


def test_momentum_is_the_weight_of_the_old_statistics(tmp_path):
    (norm,) = [n.op for n in read_paddle(written(tmp_path, "pir-norms")).nodes if isinstance(n.op, ops.BatchNorm)]
    assert (norm.epsilon, norm.momentum) == (1e-3, 0.2)


def test_dropout_that_scales_in_inference(tmp_path):
    """`downscale_in_infer` multiplies by what is kept, the usual mode by nothing."""
    assert kinds(read_paddle(written(tmp_path, "program-dropouts"))) == ["Dropout", "Dropout", "Multiply"]


def test_a_padding_row_reads_as_zeros(tmp_path):
    """Whatever stands in it; a row of zeros is the layer's own way."""
    assert "Where" in kinds(read_paddle(written(tmp_path, "pir-embeddings")))
    found = [n.op for n in read_paddle(written(tmp_path, "pir-gru_started")).nodes if isinstance(n.op, ops.Embedding)]
    assert found[0].padding_idx == 0


def test_the_file_is_known_by_its_first_bytes(tmp_path):
    path = written(tmp_path, "pir-vgg")
    assert format_of(path).name == "paddle" and format_of(path.with_suffix(".pdiparams")).name == "paddle"
    other = tmp_path / "model.json"
    other.write_text(json.dumps({"class_name": "Sequential"}))
    assert format_of(other) is None
    assert read_paddle(path.with_suffix(".pdiparams")).parameters.keys() == read_paddle(path).parameters.keys()


def test_a_folder_of_single_weights(tmp_path):
    """Before version 2, each weight had a file of its own beside `__model__`."""
    from netglot.formats.paddle import read_program

    path = written(tmp_path, "program-vgg")
    expected = outputs(read_paddle(path), arrays_of("program-vgg"))
    data, at = path.with_name("net.pdiparams").read_bytes(), 0
    for name in sorted(read_program(path).parameters):
        size = int.from_bytes(data[at + 16 : at + 20], "little")
        shape = read_program(path).parameters[name].shape
        end = at + 20 + size + 4 * int(np.prod(shape))
        (tmp_path / name).write_bytes(data[at:end])
        at = end
    path.with_name("net.pdiparams").unlink()
    found = outputs(read_paddle(path.rename(tmp_path / "__model__")), arrays_of("program-vgg"))
    np.testing.assert_array_equal(found[0], expected[0])


def test_without_weights_they_are_random_and_said_to_be(tmp_path):
    path = written(tmp_path, "program-vgg")
    path.with_name("net.pdiparams").unlink()
    graph = read_paddle(path)
    assert "no weights were given: they are random" in graph.notes
    assert np.isfinite(outputs(graph, arrays_of("program-vgg"))[0]).all()


def test_weights_of_another_network_and_pickles_are_refused(tmp_path):
    path = written(tmp_path, "pir-vgg")
    path.with_name("net.pdiparams").write_bytes(RECORDED["pir-resnet/params"].tobytes())
    with pytest.raises(WeightsError, match="not the"):
        read_paddle(path)
    path.with_name("net.pdiparams").write_bytes(b"\x80\x04\x95" + bytes(80))
    with pytest.raises(InputError, match="pickle") as error:
        read_paddle(path)
    assert "paddle.jit.save" in error.value.advice


def test_refusals_are_told_together_and_with_their_place(tmp_path):
    path = written(tmp_path, "pir-vgg")
    path.write_text(path.read_text().replace('"1.relu"', '"1.multiclass_nms3"').replace('"1.softmax"', '"3.mine"'))
    with pytest.raises(UnsupportedOps) as refused:
        read_paddle(path)
    assert [one.what for one in refused.value.refused] == ["multiclass_nms3"]
    assert refused.value.refused[0].where == "relu"


@pytest.mark.parametrize("version", ["pir", "program"])
def test_custom_operators_are_read_by_an_extension(version, tmp_path):
    from netglot.frontend.extending import extended

    path = written(tmp_path, f"{version}-vgg")
    old, new = b"\x1a\x04relu", b"\x1a\x04reli"
    path.write_bytes(path.read_bytes().replace(b'"1.relu"', b'"3.reli"').replace(old, new))
    with pytest.raises(UnsupportedOps) as refused:
        read_paddle(path)
    assert "reli" in str(refused.value)
    file = tmp_path / "my_ops.py"
    file.write_text(
        "from netglot.dialects.paddle.dialect import paddle\nfrom netglot.pivot import ops\n\n\n"
        '@paddle.reads("reli")\ndef reli(node, x):\n    return ops.Relu(x)\n'
    )
    with extended([file]):
        found = outputs(read_paddle(path), arrays_of(f"{version}-vgg"))
    np.testing.assert_allclose(found[0], arrays_of(f"{version}-vgg", "out")[0], rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("name", ["pir-conv_options", "program-conv_options", "pir-lstm", "program-lstm"])
def test_damaged_files_are_errors(name, damage, tmp_path):
    path = written(tmp_path, name)
    for file in (path, path.with_name("net.pdiparams")):
        whole = file.read_bytes()
        damage(file, lambda: read_paddle(path), any_bytes=True)
        file.write_bytes(whole)


def test_a_network_without_names_has_blocks(tmp_path):
    """A program says nothing of layers within layers: what repeats becomes a block."""
    graph = read_paddle(written(tmp_path, "program-resnet"))
    assert {"stage1.0", "stage1.1", "stage2.0", "stage2.1"} <= graph.modules.keys()
    assert "conv2d_0.weight" in graph.parameters
