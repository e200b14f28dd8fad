"""What is written appears whole or not at all."""

import os

import pytest

from netglot.errors import RequestError
from netglot.output import staged


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_new_folder_appears_at_once(tmp_path):
    with staged(tmp_path / "a" / "out") as folder:
        (folder / "model.py").write_text("x")
        assert not (tmp_path / "a" / "out").exists()
    assert names(tmp_path) == ["a/out/model.py"]
    assert (tmp_path / "a" / "out").stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_files_that_stand_beside_stay(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "model.py").write_text("old")
    with staged(out) as folder:
        (folder / "model.py").write_text("new")
        (folder / "deep").mkdir()
        (folder / "deep" / "one").write_text("1")
    assert names(out) == ["deep/one", "model.py", "notes.txt"]
    assert (out / "model.py").read_text() == "new"
    assert names(tmp_path) == ["out/deep/one", "out/model.py", "out/notes.txt"]


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_when_the_work_fails(tmp_path, exists, error):
    if exists:
        (tmp_path / "a" / "out").mkdir(parents=True)
    with pytest.raises(error), staged(tmp_path / "a" / "out") as folder:
        (folder / "model.py").write_text("half")
        raise error
    assert names(tmp_path) == []
    assert (tmp_path / "a").exists() is exists


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RequestError, match="is a file"), staged(tmp_path / "out"):
        pass
    with pytest.raises(RequestError, match="cannot be written"), staged(tmp_path / "out" / "deeper"):
        pass
    assert (tmp_path / "out").read_text() == "mine"
