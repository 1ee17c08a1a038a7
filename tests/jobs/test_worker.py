"""Parts, their order, their memory, and what is left when a worker is stopped; with a model that answers at once."""

import json
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from poserior import jobs, skeletons
from poserior.errors import InputError
from poserior.jobs import worker as module
from poserior.pictures import Picture, PictureBoxes
from poserior.portable import PortablePrediction

SKELETON = skeletons.load("lsp14")


class Model:
    """Answers with the picture's first pixel; may be told to fail at a call."""

    spec = SimpleNamespace(skeleton=SKELETON, area_per_box=0.5)

    def __init__(self):
        self.calls, self.fails_at = [], None

    def __call__(self, images, boxes, scores, image_ids):
        if len(self.calls) == self.fails_at:
            raise KeyboardInterrupt
        self.calls.append(len(images))
        return [
            [person(image, box, name) for box in ([[0, 0, 9, 9]] if here is None else here)]
            for image, here, name in zip(images, boxes, image_ids, strict=True)
        ]


def person(image, box, name):
    points = np.full((14, 2), float(image[0, 0, 0]), np.float32)
    return PortablePrediction(
        points,
        np.zeros((14, 2, 2), np.float32),
        points[:, 0] * 0,
        points[:, 0] * 0,
        0.5,
        np.float32(box),
        SKELETON,
        name,
    )


@pytest.fixture
def model(monkeypatch):
    made = Model()
    monkeypatch.setattr(module, "load_predictor", lambda job: made)
    return made


def make(inputs, output, **options):
    return jobs.Job((str(inputs),), ("run",), str(output), **{"overlays": False, **options}).absolute()


def read(folder):
    return json.loads((folder / "results.json").read_text())


def do(job):
    worker = jobs.Worker(job)
    total = sum((summary for _, summary in worker.run(worker.sources.parts)), jobs.Summary())
    return jobs.join(job), total


def test_parts_cover_all_pictures_in_order(pictures, tmp_path, model):
    job = make(pictures, tmp_path / "out", part_size=4)
    assert jobs.plan(job) == [jobs.Part(0, 0, 0, 4), jobs.Part(1, 0, 4, 8), jobs.Part(2, 0, 8, 11)]
    worker = jobs.Worker(job)
    assert jobs.run_part(worker, jobs.plan(job)[1]) == jobs.Summary(pictures=4, people=4)
    lines = [json.loads(line) for line in (tmp_path / "out" / "parts" / "00001.jsonl").read_text().splitlines()]
    assert [entry.get("image_id") for entry in lines] == ["04.png", "05.png", "06.png", "07.png", None]
    assert lines[-1] == {"part": 1, "pictures": 4, "left_out": 0, "unreadable": 0, "people": 4}
    assert jobs.run_part(worker, jobs.plan(job)[1]).people == 4
    assert model.calls == [4]  # the second time nothing is done
    with pytest.raises(InputError, match=r"expected all 3 parts .*found 1 \(not 0, 2\)"):
        jobs.join(job)
    assert not (tmp_path / "out" / "results.json").exists()
    assert do(job)[0] == jobs.Summary(pictures=11, people=11)
    assert [entry["image_id"] for entry in read(tmp_path / "out")] == [f"{n:02d}.png" for n in range(11)]
    assert not (tmp_path / "out" / "parts").exists()


@pytest.mark.parametrize("stop", range(6))
def test_stopped_at_any_chunk_and_taken_up_again(pictures, tmp_path, model, monkeypatch, stop):
    monkeypatch.setattr(module, "PICTURES", 2)
    job = make(pictures, tmp_path / "out", part_size=4, batch_size=2)
    model.fails_at = stop
    with pytest.raises(KeyboardInterrupt):
        do(job)
    assert model.calls == [2] * stop
    whole = sorted((tmp_path / "out").rglob("*.jsonl"))
    assert [path.name for path in whole] == [f"{n:05d}.jsonl" for n in range(stop // 2)]
    model.fails_at = None
    do(job)
    expected = [Picture(path.name, path).read()[0, 0, 0] - 0.5 for path in sorted(pictures.iterdir())]
    assert [entry["keypoints"][0] for entry in read(tmp_path / "out")] == expected
    assert model.calls[stop:] == [2, 2, 2, 2, 2, 1][2 * (stop // 2) :]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results.json"]


def test_thousands_of_pictures_leave_few_in_memory(tmp_path, model, monkeypatch):
    """However many there are, no more are alive than are read ahead, collected, and worked on."""
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(1000):
        (folder / f"{n:04d}.png").touch()
    lock, counts = threading.Lock(), {"now": 0, "most": 0}

    def gone():
        with lock:
            counts["now"] -= 1

    def read_fake(self, upright=True):
        image = np.full((4, 4, 3), int(self.name[:4]) % 251, np.uint8)
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        weakref.finalize(image, gone)
        return image

    monkeypatch.setattr(Picture, "read", read_fake)
    total, _ = do(make(folder, tmp_path / "out", part_size=500, readers=3))
    assert total == jobs.Summary(pictures=1000, people=1000)
    assert counts["most"] <= 2 * 64 + 2
    assert counts["now"] <= 1
    assert [entry["keypoints"][0] + 0.5 for entry in read(tmp_path / "out")] == [n % 251 for n in range(1000)]
    assert model.calls == [64] * 7 + [52] + [64] * 7 + [52]


def test_large_pictures_come_in_smaller_groups(pictures, tmp_path, model, monkeypatch):
    monkeypatch.setattr(module, "BYTES", 3 * 25 * 30 * 3)
    do(make(pictures, tmp_path / "out"))
    assert model.calls == [4, 3, 3, 1]  # of 20 rows, 24 rows, 27 rows and more


def test_people_of_several_pictures_share_groups(pictures, tmp_path, model, monkeypatch):
    monkeypatch.setattr(module, "PEOPLE", 5)
    rows = [{"image_id": n, "bbox": [1, 2, 5, 6], "score": 0.9, "category_id": 1} for n in (1, 1, 1, 1, 2, 3, 5)]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    total, _ = do(make(pictures, tmp_path / "out", boxes=str(tmp_path / "boxes.json"), batch_size=2))
    assert total == jobs.Summary(pictures=11, left_out=7, people=7)
    assert model.calls == [2, 2]  # pictures 1 and 2 have 5 people, 3 and 5 have 2
    assert [entry["image_id"] for entry in read(tmp_path / "out")] == [1, 1, 1, 1, 2, 3, 5]


def boxes_of(number, image):
    """As many as the rows' remainder by 3."""
    count = len(image) % 3
    rows = np.array([[1, 2, 3, len(image)]] * count, np.float32).reshape(-1, 4)
    return PictureBoxes(number, rows, np.ones(count, np.float32))


def test_a_detector_gives_the_boxes(pictures, tmp_path, model, monkeypatch):
    asked = []

    def detect(images):
        asked.append(len(images))
        return [boxes_of(n, image) for n, image in enumerate(images)]

    monkeypatch.setattr(module, "load_detector", lambda job: detect)
    total, _ = do(make(pictures, tmp_path / "out", detector="any"))
    assert asked == [8, 3]
    expected = [(f"{n:02d}.png", 20 + n - 2) for n in range(11) for _ in range((20 + n) % 3)]
    assert [(entry["image_id"], entry["bbox"][3]) for entry in read(tmp_path / "out")] == expected
    assert total.people == len(expected)


def test_nothing_readable_gives_no_results(tmp_path, model):
    (tmp_path / "bad").mkdir()
    for n in range(5):
        (tmp_path / "bad" / f"{n}.jpg").write_bytes(b"no picture")
    said = []
    job = make(tmp_path / "bad", tmp_path / "out", part_size=2, skip_unreadable=True)
    for _ in jobs.Worker(job, say=said.append).run(jobs.plan(job)):
        pass
    assert len(said) == 5
    with pytest.raises(InputError, match="found none of 5"):
        jobs.join(job)
    assert not (tmp_path / "out" / "results.json").exists()


def test_the_same_duplicates_go_as_in_the_library():
    import torch

    from poserior.jobs.duplicates import without_duplicates
    from poserior.metrics import oks_nms

    rng = np.random.default_rng(0)
    for count in (1, 2, 9):
        points = (rng.normal(size=(1, 14, 2)) * 20 + rng.normal(size=(count, 14, 2)) * 2).astype(np.float32)
        people = [
            PortablePrediction(
                points[n], np.zeros((14, 2, 2), np.float32), np.ones(14, np.float32), np.ones(14, np.float32),
                float(rng.choice([0.2, 0.5, 0.7])), np.array([0, 0, 30 + n, 40], np.float32), SKELETON,
            )
            for n in range(count)
        ]  # fmt: skip
        area = torch.tensor([0.5 * (30 + n) * 40 for n in range(count)])
        for threshold in (0.3, 0.6, 0.9):
            expected = oks_nms(
                torch.tensor(points), torch.tensor([p.score for p in people]), area, SKELETON.oks_sigmas, threshold
            )
            kept = without_duplicates(people, 0.5, threshold)
            assert [people.index(p) for p in kept] == sorted(expected)


def test_a_job_is_plain_json():
    job = jobs.Job(("a/*.jpg", "b"), ("run",), "out", boxes="boxes.json", oks_nms=0.9)
    assert jobs.Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job
    assert job.absolute().inputs[0].endswith("/a/*.jpg")
    with pytest.raises(InputError, match="a difference in colour"):
        jobs.Job.from_dict({**job.to_dict(), "colour": "red"})
    for options in ({"part_size": 0}, {"readers": 0}, {"boxes": "x", "detector": "y"}):
        with pytest.raises(InputError, match=r"expected .*found .*;"):
            jobs.Job(("a",), ("run",), "out", **options)
