import csv
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from poserior import __version__
from poserior.errors import InputError
from poserior.outputs import SCHEMA, coco_entry, table_columns, write_table
from poserior.outputs import tables as module
from poserior.skeletons import Skeleton

HANDS = Skeleton("hands", ("left_hand", "right_hand", "nose"), (), (("left_hand", "right_hand"),), (0.06, 0.06, 0.03))


def entry(number, image_id=None, regions=True, area=True, dims=2):
    draw = np.random.default_rng(number)
    factor = draw.normal(size=(3, dims, dims))
    radius = draw.uniform(1, 4, 3)
    radius[number % 3] = np.inf
    person = SimpleNamespace(
        keypoints=draw.uniform(0, 500, (3, dims)),
        covariance=factor @ factor.transpose(0, 2, 1),
        visibility=draw.uniform(size=3),
        confidence=draw.uniform(size=3),
        score=draw.uniform(),
        box_xyxy=np.array([1.25, 2.5, 101.75, 203.125]) + number,
        skeleton=HANDS,
        image_id=number if image_id is None else image_id,
        area=draw.uniform(100, 1000) if area else None,
        regions={0.9: SimpleNamespace(radius=radius), 0.975: SimpleNamespace(radius=radius + 1)} if regions else {},
    )
    return coco_entry(person)


def expected_row(one):
    """Written out by hand, key by key."""
    row = {name: one[name] for name in ("schema", "image_id", "category_id", "score")}
    row.update(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), one["bbox"], strict=True))
    row["area"] = one.get("area")
    for k, name in enumerate(HANDS.keypoints):
        row[f"{name}_x"], row[f"{name}_y"] = one["keypoints"][3 * k : 3 * k + 2]
        row[f"{name}_xx"], row[f"{name}_xy"] = one["covariance"][k][:2]
        row[f"{name}_yy"] = one["covariance"][k][3 if len(one["covariance"][k]) == 4 else 4]
        row[f"{name}_visibility"], row[f"{name}_confidence"] = one["visibility"][k], one["confidence"][k]
        for key in ("region_90", "region_97.5"):
            if key in one:
                row[f"{name}_{key}"] = one[key][k]
    return row


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("regions", [True, False])
def test_csv_has_the_numbers_of_the_results_file(tmp_path, regions):
    entries = [entry(n, regions=regions, area=n != 1) for n in range(4)]
    assert write_table(iter(entries), tmp_path / "t.csv", HANDS) == 4
    rows = read_csv(tmp_path / "t.csv")
    assert list(rows[0]) == table_columns(HANDS, ["region_90", "region_97.5"] if regions else [])
    for row, one in zip(rows, entries, strict=True):
        expected = expected_row(one)
        assert set(row) == set(expected)
        for name, value in expected.items():
            assert row[name] == "" if value is None else float(row[name]) == value, name
    assert rows[0]["schema"] == str(SCHEMA) == "2"


@pytest.mark.parametrize("dims", [2, 3])
def test_parquet_has_them_with_types_and_in_groups(tmp_path, monkeypatch, dims):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 3)
    alive = []

    def stream():
        for n in range(8):
            alive.append(n)
            yield entry(n, f"{n}.jpg", dims=dims)

    assert write_table(stream(), tmp_path / "t.parquet", HANDS) == 8
    file = parquet.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)] == [3, 3, 2]
    schema = file.schema_arrow
    assert schema.metadata[b"poserior_schema"] == b"2"
    assert schema.metadata[b"skeleton"] == b"hands"
    assert schema.metadata[b"poserior_version"] == __version__.encode()
    assert {str(schema.field(name).type) for name in schema.names[3:]} == {"double"}
    assert [str(schema.field(name).type) for name in schema.names[:3]] == ["int32", "string", "int64"]
    assert not schema.field("nose_x").nullable
    assert file.read().to_pylist() == [expected_row(entry(n, f"{n}.jpg", dims=dims)) for n in range(8)]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_numbers_of_pictures_stay_numbers_and_further_keys_get_columns(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    entries = [
        {**entry(n, regions=False), "frame": 10 * n, "time": 0.5 * n, "clip": "a", "modes": [[]]} for n in range(2)
    ]
    del entries[1]["clip"]
    for name in ("t.parquet", "t.csv"):
        write_table(entries, tmp_path / name, HANDS)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table["image_id"].to_pylist() == [0, 1]
    assert table["frame"].to_pylist() == [0, 10]
    assert table["time"].to_pylist() == [0.0, 0.5]
    assert table["clip"].to_pylist() == ["a", None]
    assert [row["clip"] for row in read_csv(tmp_path / "t.csv")] == ["a", ""]
    assert not [name for name in table.column_names if "modes" in name]


def test_nobody_is_a_table_too(tmp_path):
    assert write_table([], tmp_path / "t.csv", HANDS) == 0
    assert (tmp_path / "t.csv").read_text().strip().split(",") == table_columns(HANDS)
    parquet = pytest.importorskip("pyarrow.parquet")
    assert write_table([], tmp_path / "t.parquet", HANDS) == 0
    assert parquet.read_table(tmp_path / "t.parquet").column_names == table_columns(HANDS)


def test_names_with_commas_and_quotes_survive(tmp_path):
    name = 'a,"b"\n.jpg'
    write_table([entry(0, name)], tmp_path / "t.csv", HANDS)
    assert read_csv(tmp_path / "t.csv")[0]["image_id"] == name


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_wrong_entries_are_named_and_leave_what_was_there(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"old")
    good, short, bare = entry(0), entry(1), entry(2, regions=False)
    short["keypoints"] = short["keypoints"][:-3]
    without = {key: value for key, value in good.items() if key != "covariance"}
    for bad, message in ((short, "6 numbers"), (bare, "in entry 1"), (without, "no 'covariance' in entry 1")):
        with pytest.raises(InputError, match=message):
            write_table([good, bad], path, HANDS)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(path.name, b"old")]


def test_pictures_are_named_in_one_way_in_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    for first, second in ((7, "a.jpg"), ("a.jpg", 7)):
        with pytest.raises(InputError, match=r"one type per column .* or write \.csv"):
            write_table([entry(0, first), entry(1, second)], tmp_path / "t.parquet", HANDS)
    assert list(tmp_path.iterdir()) == []
    assert write_table([entry(0, 7), entry(1, "a.jpg")], tmp_path / "t.csv", HANDS) == 2


def test_other_suffixes_and_missing_packages(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        write_table([], tmp_path / "t.xlsx", HANDS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r'pip install "poserior\[parquet\]"'):
        write_table([], tmp_path / "t.parquet", HANDS)
