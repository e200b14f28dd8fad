"""Weights from files: what is read, what is refused, and what is said of those that do not fit."""

import json
import zipfile

import pytest

from netglot.errors import InputError, WeightsError
from netglot.frontend.weights import load_into, read_weights

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight


class Code:
    """Something that a state dict has no business to hold."""


@pytest.fixture
def state():
    torch.manual_seed(1)
    return Tied().state_dict()


def loaded(path, **changes):
    torch.manual_seed(2)
    module = Tied()
    notes = load_into(module, path, **changes)
    return module, notes


def check(path, state):
    module, notes = loaded(path)
    for key, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, state[key], rtol=0, atol=0)
    assert module.head.weight is module.embedding.weight
    assert module.body[0].weight.requires_grad
    return notes


@pytest.mark.parametrize("legacy", [False, True])
def test_state_dicts(tmp_path, state, legacy):
    torch.save(state, tmp_path / "net.pt", _use_new_zipfile_serialization=not legacy)
    assert check(tmp_path / "net.pt", state) == []


@pytest.mark.parametrize("nest", ["state_dict", "model", "model_state_dict", "anything"])
def test_checkpoints(tmp_path, state, nest):
    torch.save({nest: state, "epoch": 3, "lr": [0.1]}, tmp_path / "net.pth")
    assert any(repr(nest) in note for note in check(tmp_path / "net.pth", state))


def test_the_named_nest_goes_before_others(tmp_path, state):
    other = {key: torch.zeros_like(tensor) for key, tensor in state.items()}
    torch.save({"ema": other, "state_dict": state, "optimizer": {"state": other}}, tmp_path / "net.pt")
    check(tmp_path / "net.pt", state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_wrappers_prefixes(tmp_path, state, prefix):
    torch.save({prefix + key: tensor for key, tensor in state.items()}, tmp_path / "net.pt")
    assert any(prefix in note for note in check(tmp_path / "net.pt", state))


def contiguous(state):
    return {key: tensor.clone() for key, tensor in state.items() if key != "head.weight"}


def test_safetensors_without_the_tied_copy(tmp_path, state):
    save_file(contiguous(state), tmp_path / "net.safetensors")
    check(tmp_path / "net.safetensors", state)
    check(tmp_path, state)  # a folder with one file in it


def test_shards(tmp_path, state):
    parts = contiguous(state)
    keys = list(parts)
    files = {key: f"net-0000{1 + (i % 2)}.safetensors" for i, key in enumerate(keys)}
    for name in set(files.values()):
        save_file({key: parts[key] for key in keys if files[key] == name}, tmp_path / name)
    index = tmp_path / "net.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    check(index, state)
    check(tmp_path, state)
    (tmp_path / "net-00002.safetensors").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"net-00002.safetensors: no such file"):
        read_weights(index)
    index.write_text("{}")
    with pytest.raises(InputError, match="not an index of shards"):
        read_weights(index)
    index.write_text(json.dumps({"weight_map": {"a": "../secret.pt"}}))
    with pytest.raises(InputError, match="outside its folder"):
        read_weights(index)


def test_nothing_is_read_before_it_is_used(tmp_path):
    save_file({"a": torch.ones(4, 2, dtype=torch.bfloat16)}, tmp_path / "net.safetensors")
    weights = read_weights(tmp_path / "net.safetensors")
    assert (weights["a"].shape, weights["a"].dtype) == ((4, 2), "bfloat16")
    torch.testing.assert_close(weights["a"].load(), torch.ones(4, 2, dtype=torch.bfloat16))


def test_another_dtype_is_converted_and_said(tmp_path, state):
    torch.save({key: t.half() if t.is_floating_point() else t for key, t in state.items()}, tmp_path / "net.pt")
    module, notes = loaded(tmp_path / "net.pt")
    assert module.body[0].weight.dtype == torch.float32
    assert notes == ["weights of dtype float16 were converted to the network's float32"]


def test_old_checkpoints_lack_the_batch_counter(tmp_path, state):
    del state["body.1.num_batches_tracked"]
    torch.save(state, tmp_path / "net.pt")
    loaded(tmp_path / "net.pt")


def test_a_pickle_that_needs_more_is_refused_with_the_way_out(tmp_path):
    for held in (Tied(), {"state_dict": {"a": torch.ones(1)}, "args": Code()}):
        torch.save(held, tmp_path / "net.pt")
        with pytest.raises(InputError, match="reading it would run code") as caught:
            read_weights(tmp_path / "net.pt")
        assert "Tied" in caught.value.message or "Code" in caught.value.message
        assert "state_dict()" in caught.value.advice


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("kept", [0, 1, 5, 40, 0.5, 0.9, 0.999])
def test_truncated_files(tmp_path, state, suffix, kept):
    path = tmp_path / f"net.{suffix}"
    if suffix == "pt":
        torch.save(state, path)
    else:
        save_file(contiguous(state), path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(InputError) as caught:
        loaded(path)
    assert "\n" not in caught.value.message


def test_rubbish(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"PK" + bytes(range(256)))
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 8 + b"{}" * 50)
    (tmp_path / "c.txt").write_text("hello, this is no file of weights")
    (tmp_path / "d.pt").write_bytes(b"\x80\x02}q\x00.")
    with zipfile.ZipFile(tmp_path / "e.pt", "w") as archive:
        archive.writestr("readme", "nothing")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputError):
            read_weights(path)


def test_files_that_hold_no_state_dict(tmp_path):
    for held in ([1, 2], {"a": 1}, torch.ones(3), {}):
        torch.save(held, tmp_path / "net.pt")
        with pytest.raises(WeightsError, match="no state dict"):
            read_weights(tmp_path / "net.pt")


def test_a_missing_file_offers_the_nearest(tmp_path, state):
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(InputError) as caught:
        read_weights(tmp_path / "weight.pt")
    assert "weights.pt" in caught.value.advice


def test_keys_that_do_not_match_are_all_told_with_the_nearest_names(tmp_path, state):
    state["body.0.wieght"] = state.pop("body.0.weight")
    state["extra"] = torch.ones(2)
    state["body.1.bias"] = torch.ones(7)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(WeightsError) as caught:
        loaded(tmp_path / "net.pt")
    message = caught.value.message
    assert "1 missing, 2 unexpected, 1 of another shape" in message
    assert "body.0.weight  (the file has body.0.wieght)" in message
    assert "body.0.wieght  (the network has body.0.weight)" in message
    assert "body.1.bias  file 7, network 3" in message


def test_a_live_state_dict(state):
    check(state, state)
    check({key: tensor.numpy() for key, tensor in state.items()}, state)
