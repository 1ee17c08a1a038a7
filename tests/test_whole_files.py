import pytest

from poserior.errors import InputError
from poserior.outputs import write_json_list
from poserior.whole_files import write_bytes


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    resource = pytest.importorskip("resource")
    (tmp_path / "old").write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))  # the system refuses what goes beyond
    try:
        with pytest.raises(InputError, match=r"expected to write 0.0 MB to .*old, found File too large; what.* make"):
            write_bytes(tmp_path / "old", b"x" * 5000)
        with pytest.raises(OSError, match="File too large"):
            write_json_list(tmp_path / "list.json", (["y" * 50] for _ in range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"old": b"before"}
    write_bytes(tmp_path / "deep" / "er" / "new", b"after")
    assert (tmp_path / "deep" / "er" / "new").read_bytes() == b"after"
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"expected a folder to write x in .*found (Not a directory|File exists)"):
        write_bytes(tmp_path / "file" / "x", b"")
