import json

import pytest

from poserior.errors import InputError
from poserior.json_files import read_json
from poserior.outputs import read_annotations, read_results, write_json, write_json_list


def test_round_trip(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"AP": 0.5})
    assert read_json(tmp_path / "deep" / "a.json") == {"AP": 0.5}


@pytest.mark.parametrize("entries", [[], [{"a": 1}], [{"a": 1}, {"b": [2.5]}]])
def test_lists_are_written_as_they_come(tmp_path, entries):
    assert write_json_list(tmp_path / "r.json", iter(entries)) == len(entries)
    assert json.loads((tmp_path / "r.json").read_text()) == entries


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path):
    write_json(tmp_path / "r.json", [1])

    def failing():
        yield 2
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_json_list(tmp_path / "r.json", failing())
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "r.json", float("nan"))
    assert read_json(tmp_path / "r.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_bad_files_are_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    for name in ("broken.json", "missing.json", "."):
        with pytest.raises(InputError, match="expected"):
            read_results(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another"):
        write_json(tmp_path / "file" / "a.json", 1)


def test_results_and_annotations_have_their_forms(tmp_path):
    write_json(tmp_path / "list.json", [{"image_id": 1}])
    write_json(tmp_path / "dict.json", {"images": [], "annotations": []})
    assert read_results(tmp_path / "list.json") == [{"image_id": 1}]
    assert read_annotations(tmp_path / "dict.json") == {"images": [], "annotations": []}
    with pytest.raises(InputError, match="keys images, annotations"):
        read_results(tmp_path / "dict.json")
    with pytest.raises(InputError, match="a list of dict"):
        read_annotations(tmp_path / "list.json")
