import gzip

import pytest

from poserior.errors import InputError
from poserior.json_files import read_json


def test_read_plain_and_compressed(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2]")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[1, 2]", mtime=0))
    assert read_json(tmp_path / "a.json") == read_json(str(tmp_path / "a.json.gz")) == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.json", None, "expected a readable JSON file at .*none.json, found: No such file"),
        ("cut.json.gz", gzip.compress(b"[1, 2]" * 99, mtime=0)[:-12], "expected a readable JSON file at .*cut.json.gz"),
        ("plain.json.gz", b"[1]", "expected a readable JSON file at .*plain.json.gz, found: Not a gzipped file"),
        ("text.json", b"hello", "expected JSON in .*text.json, found: Expecting value"),
        ("bytes.json", b"\xff\xfe\x00\x01", "expected JSON in .*bytes.json"),
    ],
)
def test_unreadable_files_are_one_sentence(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / name)
