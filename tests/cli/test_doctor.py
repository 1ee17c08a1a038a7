import json

import cv2
import numpy as np
import pytest

from poserior import skeletons
from poserior.cli import main

NAMES = ["nose", "left_eye", "right_eye", "left_wrist", "tail"]
TRUE = np.array([0.026, 0.025, 0.025, 0.062, 0.15])


def annotations(seed, people=300, ids=0, names=NAMES, images=0):
    """People in pictures of three, each annotator's errors drawn with the variance sigma^2 area."""
    scene, own = np.random.default_rng(0), np.random.default_rng(seed)
    rows = []
    for n in range(people):
        corner, side = np.array([n % 3 * 300.0, 50.0]), scene.uniform(50, 200)
        points = corner + scene.uniform(0.2, 0.8, (5, 2)) * side
        area = side * side / 2
        points += own.normal(0, 1, (5, 2)) * (TRUE[: len(points)] * np.sqrt(area / 2))[:, None]
        flags = np.full(5, 2.0)
        flags[4] = 2 * (n < people - 20)
        triples = np.concatenate([points * (flags > 0)[:, None], flags[:, None]], 1)[: len(names)]
        row = {"id": n + 1 + ids, "image_id": n // 3 + images, "category_id": 1, "iscrowd": 0, "area": area}
        rows.append(row | {"bbox": [*corner.tolist(), side, side], "keypoints": triples.flatten().tolist()})
    pictures = [{"id": n, "file_name": f"{n}.jpg"} for n in range(images, images + (people + 2) // 3)]
    category = {"id": 1, "name": "cat", "keypoints": names, "skeleton": [[1, 2], [1, 3], [9, 9]]}
    return {"images": pictures, "categories": [category], "annotations": rows}


def results(seed):
    return [
        {key: row[key] for key in ("image_id", "category_id", "keypoints")} | {"score": 1.0}
        for row in annotations(seed)["annotations"]
    ]


@pytest.fixture
def write(tmp_path):
    def file(name, content):
        path = tmp_path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    return file


def rows(printed):
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    return {line[0]: line[1:] for line in lines[2:]}


@pytest.mark.parametrize("ids", [0, 5000])
def test_sigmas_from_people_annotated_twice(ids, write, tmp_path, capsys):
    one, two = write("a.json", annotations(1)), write("b.json", annotations(2, ids=ids))  # by id, or by their boxes
    output = tmp_path / "new" / "cat.yaml"
    assert main(["doctor", "sigmas", "--annotations", one, "--repeated", two, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "300 people annotated twice (of 300 and 300)" in printed
    skeleton = skeletons.load(output)
    assert (skeleton.name, list(skeleton.keypoints)) == ("cat5", NAMES)
    assert (skeleton.edges, skeleton.flip_pairs) == (((0, 1), (0, 2)), (("left_eye", "right_eye"),))
    assert np.allclose(skeleton.oks_sigmas, TRUE, rtol=0.15)
    for name, true, cells in zip(NAMES, TRUE, rows(printed).values(), strict=True):
        low, high = map(float, cells[1].split(" to "))
        assert low < float(cells[0]) < high
        assert 0.9 * low < true < 1.1 * high
        assert cells[2:] == ["280" if name == "tail" else "300", "repeats"]


def test_sigmas_from_results_are_anchored_at_coco(write, tmp_path, capsys):
    words = ["doctor", "sigmas", "--annotations", write("a.json", annotations(1)), "--output", str(tmp_path / "o.yaml")]
    words += ["--results", write("r.json", results(2))]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "so that nose, left_eye, right_eye, left_wrist agree" in printed
    assert "upper bounds" in printed
    anchored = skeletons.load(tmp_path / "o.yaml").oks_sigmas
    assert np.allclose(anchored, TRUE, rtol=0.2)
    assert np.exp(np.mean(np.log(anchored[:4]))) == pytest.approx(np.exp(np.mean(np.log(TRUE[:4]))), rel=0.01)
    assert main([*words, "--anchor", "none"]) == 0
    bounds = skeletons.load(tmp_path / "o.yaml").oks_sigmas
    assert np.allclose(bounds, TRUE * np.sqrt(2), rtol=0.2)  # the model errs as much as the label
    assert rows(capsys.readouterr().out)["tail"][2:] == ["280", "results"]
    assert main([*words, "--anchor", "left_eye=0.05"]) == 0
    assert skeletons.load(tmp_path / "o.yaml").oks_sigmas[1] == pytest.approx(0.05)


def test_sigmas_from_names_alone(write, capsys):
    assert main(["doctor", "sigmas", "--annotations", write("a.json", annotations(1, people=1))]) == 0
    printed = capsys.readouterr().out
    found = rows(printed)
    assert found["left_wrist"] == ["0.0620", "-", "-", "by name: wrist"]
    assert found["tail"] == ["0.0720", "-", "-", "unknown name: COCO's middle"]
    assert "Guesses by the keypoints' names" in printed


def test_a_rare_keypoint_goes_by_its_name(write, capsys):
    one, two = (annotations(seed, people=45) for seed in (1, 2))  # 25 tails
    assert main(["doctor", "sigmas", "--annotations", write("a.json", one), "--repeated", write("b.json", two)]) == 0
    found = rows(capsys.readouterr().out)
    assert found["tail"] == ["0.0720", "-", "25", "unknown name: COCO's middle (30 needed)"]
    assert found["nose"][2:] == ["45", "repeats"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "expected --annotations FILE, found none"),
        (["A", "--repeated", "B", "--results", "R"], "expected --repeated or --results, found both"),
        (["A", "--anchor", "left_eye=1"], "expected --anchor with --results"),
        (["A", "--results", "R", "--anchor", "left_eye"], "NAME=SIGMA with positive sigmas, found 'left_eye'"),
        (["A", "--results", "R", "--anchor", "paw=1"], "expected a keypoint of skeleton 'cat5' .* found 'paw'"),
        (["A", "--average", "mode"], "expected --average mean or median, found 'mode'"),
        (["A", "--repeated", "FEW"], "labelled twice in at least 30 people, found at most 9 for each"),
        (["A", "--repeated", "A"], "expected annotations by two people, found a keypoint with no difference"),
        (["A", "--repeated", "ELSEWHERE"], "found none of 300 with the same image_id"),
        (["A", "--repeated", "OTHER"], r"expected the 5 keypoints of skeleton 'cat5' .* found 4"),
        (["A", "--results", "R", "--skeleton", "coco17"], "expected 17 keypoints of coco17"),
        (["NAMELESS"], "expected one list of keypoint names under 'categories' .* found 0; add it, or give --skeleton"),
    ],
)
def test_bad_input_gives_one_sentence(given, says, write, capsys):
    nameless = annotations(1, people=3) | {"categories": [{"id": 1, "name": "cat"}]}
    files = {
        "A": write("a.json", annotations(1)),
        "B": write("b.json", annotations(2)),
        "R": write("r.json", results(3)),
        "FEW": write("few.json", annotations(2, people=9)),
        "ELSEWHERE": write("elsewhere.json", annotations(2, images=900)),
        "OTHER": write("other.json", annotations(2, names=NAMES[:4])),
        "NAMELESS": write("nameless.json", nameless),
    }
    words = ["--annotations", *(files.get(word, word) for word in given)] if given else []
    assert main(["doctor", "sigmas", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    import re

    assert re.search(says, printed.err), printed.err


def test_the_subject_is_named(capsys):
    assert main(["doctor"]) == 2
    assert main(["doctor", "legs"]) == 2
    said = capsys.readouterr().err
    assert "expected a subject (data, sigmas), found none" in said
    assert "found 'legs'" in said


def test_data_tells_what_is_wrong_and_ends_with_one(write, tmp_path, capsys):
    content = annotations(1)
    assert main(["doctor", "data", "--annotations", write("a.json", content), "--output", str(tmp_path / "g")]) == 1
    assert "edges of the category name keypoints that do not exist" in capsys.readouterr().out
    content["categories"][0] |= {"skeleton": [[1, 2], [1, 3]], "keypoints": [*NAMES[:3], "beak", "tail"]}
    assert main(["doctor", "data", "--annotations", write("good.json", content)]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    content["annotations"][4]["bbox"] = [0, 0, 0, 0]
    content["annotations"][7]["area"] = -1
    output = tmp_path / "findings.json"
    assert main(["doctor", "data", "--annotations", write("bad.json", content), "--output", str(output)]) == 1
    printed = capsys.readouterr().out
    assert printed.index("ERROR") < printed.index("HINT")
    assert "e.g. annotation 5 in 1.jpg" in printed
    findings = json.loads(output.read_text())["findings"]
    said = {one["what"]: (one["count"], one["examples"]) for one in findings if one["severity"] == "error"}
    assert said["1 boxes have no extent or a negative one"] == (1, ["annotation 5 in 1.jpg"])
    assert said["1 people have an area of 0 or less"] == (1, ["annotation 8 in 2.jpg"])


def test_data_looks_for_leaks_between_two_sets(write, tmp_path, capsys):
    for name, seed in (("0.jpg", 0), ("1.jpg", 1), ("2.jpg", 0)):
        noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(str(tmp_path / name), cv2.resize(noise, (900, 300), interpolation=cv2.INTER_CUBIC))
    train, val = write("t.json", annotations(1, people=6)), write("v.json", annotations(1, people=3, images=2))
    assert main(["doctor", "data", "--annotations", train, "--val", val, "--images", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "1 pairs of equal picture files are in training and validation at once" in printed
    assert "0.jpg (train) and 2.jpg (val)" in printed


def test_data_refuses_what_is_not_its_own(write, capsys):
    file = write("a.json", annotations(1, people=3))
    assert main(["doctor", "data", "--annotations", file, "--repeated", file]) == 2
    assert "expected --repeated with doctor sigmas, found it with doctor data" in capsys.readouterr().err
    assert main(["doctor", "data", "--annotations", file + ".none"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
