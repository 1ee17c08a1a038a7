"""pycocotools' keypoint evaluation, its two slow steps done for the whole file at once."""

import contextlib
import copy
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from poserior.metrics.coco_files import Json

KEYS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
_AT_ONCE = 4_000_000  # numbers of one array of distances: 32 MB


class KeypointEval(COCOeval):
    """COCO's evaluation of one category of people: OKS once, then any number of scores.

    What is counted, and how, is pycocotools' own `accumulate` and `summarize`; only who is matched with whom is worked
    out here, by its rules and to the last bit. OKS does not depend on scores, so it is computed once, for all pairs of
    all pictures together; the matching then meets the few pairs alone whose OKS reaches the lowest threshold.

    Args:
        truth: what `load_annotations` returned.
        entries: what `load_results` returned.
        oks_sigmas: one constant per keypoint.

    Attributes:
        similarity: by picture, the OKS of its entries (rows) with its people (columns).
        rows: by picture, which entries these are.
    """

    def __init__(self, truth: Json, entries: list[Json], oks_sigmas: Sequence[float]) -> None:
        super().__init__(iouType="keypoints")
        self.params.imgIds = [image["id"] for image in truth["images"]]
        self.params.catIds = [truth["category_id"]]
        self.params.kpt_oks_sigmas = np.asarray(oks_sigmas, dtype=np.float64)
        people = truth["annotations"]
        self.scores = [entry["score"] for entry in entries]
        self.areas = np.array([entry["area"] for entry in entries], np.float64)
        self.rows = _by_picture(entries, self.params.imgIds)
        columns = _by_picture(people, self.params.imgIds)
        self.people = {
            image: [(person["area"], bool(person["iscrowd"]), person["num_keypoints"] == 0) for person in members]
            for image, members in ((image, [people[n] for n in index]) for image, index in columns.items())
        }
        self.similarity = _similarity(people, entries, columns, self.rows, self.params.kpt_oks_sigmas)
        # Of each entry: the people of its picture that it could be matched with at all, and the OKS.
        lowest = min(float(self.params.iouThrs.min()), 1 - 1e-10)
        self.rivals: list[list[tuple[int, float]]] = [[] for _ in entries]
        for image, oks in self.similarity.items():
            row, column = np.nonzero(oks >= lowest)
            for r, p, value in zip(row.tolist(), column.tolist(), oks[row, column].tolist(), strict=True):
                self.rivals[self.rows[image][r]].append((p, value))

    def counted(self, image: int) -> list[int]:
        """Which people of a picture are to be found: no crowds, somebody with a label."""
        return [n for n, (_, crowd, empty) in enumerate(self.people[image]) if not (crowd or empty)]

    def evaluate(self) -> None:
        """Match everybody in every picture by the present `scores`."""
        self.evalImgs: list[Any] = []
        for low, high in self.params.areaRng:
            self.evalImgs += self._matches(low, high)
        self._paramsEval = copy.deepcopy(self.params)

    def stats_of(self) -> dict[str, float]:
        """AP and AR by the present scores; not a number where no object is in the range."""
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools has no quiet mode
            self.evaluate()
            self.accumulate()
            self.summarize()
        return {key: float(value) if value >= 0 else float("nan") for key, value in zip(KEYS, self.stats, strict=True)}

    def precision(self, scores: NDArray[np.float64]) -> float:
        """AP of other scores, over people of all sizes; not a number where there is nobody to find."""
        given, areas, labels = self.scores, self.params.areaRng, self.params.areaRngLbl
        self.scores, self.params.areaRng, self.params.areaRngLbl = scores.tolist(), areas[:1], labels[:1]
        with contextlib.redirect_stdout(io.StringIO()):
            self.evaluate()
            self.accumulate()
        self.scores, self.params.areaRng, self.params.areaRngLbl = given, areas, labels
        values = np.asarray(self.eval["precision"])
        values = values[values > -1]
        return float(values.mean()) if values.size else float("nan")

    def _matches(self, low: float | int, high: float | int) -> list[Json | None]:
        """What `accumulate` asks of every picture; people of other areas are to be passed over, as crowds are."""
        most, thresholds = self.params.maxDets[-1], self.params.iouThrs.tolist()
        ordered = [sorted(rows, key=lambda row: -self.scores[row])[:most] for rows in self.rows.values()]
        entries = np.array([row for rows in ordered for row in rows], np.int64)
        matched = np.zeros((len(thresholds), len(entries)), bool)
        beside = np.zeros((len(thresholds), len(entries)), bool)
        passed = [
            [empty or crowd or area < low or area > high for area, crowd, empty in people]
            for people in self.people.values()
        ]
        ends = np.cumsum([0, *map(len, ordered)]).tolist()
        for start, rows, people, ignored in zip(ends, ordered, self.people.values(), passed, strict=False):
            crowds = {n for n, (_, crowd, _) in enumerate(people) if crowd}
            # People who do not count come last: whoever has found one who counts looks no further.
            rivals = [(d, self.rivals[r]) for d, r in enumerate(rows, start) if self.rivals[r]]
            rivals = [(d, sorted(those, key=lambda pair: ignored[pair[0]])) for d, those in rivals]
            highest = max((oks for _, those in rivals for _, oks in those), default=-1.0)
            for t, threshold in enumerate(thresholds):
                lowest = min(threshold, 1 - 1e-10)
                if highest < lowest:
                    continue
                taken: set[int] = set()
                for d, those in rivals:
                    best, found = lowest, -1
                    for person, oks in those:
                        if person in taken and person not in crowds:
                            continue
                        if found > -1 and not ignored[found] and ignored[person]:
                            break
                        if oks >= best:
                            best, found = oks, person
                    if found > -1:
                        taken.add(found)
                        matched[t, d], beside[t, d] = True, ignored[found]
        areas = self.areas[entries]
        beside |= ~matched & ((areas < low) | (areas > high))
        return [
            {
                "dtMatches": matched[:, start:end],
                "dtScores": [self.scores[row] for row in rows],
                "gtIgnore": np.array(ignored, np.int64),
                "dtIgnore": beside[:, start:end],
            }
            if rows or ignored
            else None
            for start, end, rows, ignored in zip(ends[:-1], ends[1:], ordered, passed, strict=True)
        ]


def _by_picture(entries: list[Json], images: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {image: [] for image in images}
    for number, entry in enumerate(entries):
        found[entry["image_id"]].append(number)
    return found


def _similarity(
    people: list[Json],
    entries: list[Json],
    columns: dict[int, list[int]],
    rows: dict[int, list[int]],
    sigmas: NDArray[np.float64],
) -> dict[int, NDArray[np.float64]]:
    """OKS of all entries with all people of their picture, ``(entries, people)`` by picture."""
    count = len(sigmas)
    truth = np.array([person["keypoints"] for person in people], np.float64).reshape(-1, count, 3)
    said = np.array([entry["keypoints"] for entry in entries], np.float64).reshape(-1, count, 3)
    boxes = np.array([person["bbox"] for person in people], np.float64).reshape(-1, 4)
    area = np.array([person["area"] for person in people], np.float64)
    both = [image for image in rows if rows[image] and columns[image]]
    entry = np.concatenate([np.repeat(rows[i], len(columns[i])) for i in both] or [np.zeros(0, int)])
    person = np.concatenate([np.tile(columns[i], len(rows[i])) for i in both] or [np.zeros(0, int)])
    labelled = truth[..., 2] > 0
    number = labelled.sum(1)
    oks = np.zeros(len(entry))
    for some in np.unique(number[person]):  # equally many labels: their sums are rows of one array
        those = np.flatnonzero(number[person] == some)
        for part in np.array_split(those, -(-those.size * count // _AT_ONCE)):
            p, points = person[part], said[entry[part], :, :2]
            if some:
                offset = points - truth[p, :, :2]
            else:  # how far outside of the doubled box
                low, high = boxes[p, :2] - boxes[p, 2:], boxes[p, :2] + boxes[p, 2:] * 2
                offset = np.maximum(0, low[:, None] - points) + np.maximum(0, points - high[:, None])
            square = offset[..., 0] ** 2 + offset[..., 1] ** 2
            exponent = square / (sigmas * 2) ** 2 / (area[p] + np.spacing(1))[:, None] / 2
            if some:
                exponent = exponent[labelled[p]].reshape(-1, some)
            oks[part] = np.exp(-exponent).sum(1) / exponent.shape[1]
    ends = np.cumsum([len(rows[image]) * len(columns[image]) for image in both])
    tables = {
        image: table.reshape(len(rows[image]), -1)
        for image, table in zip(both, np.split(oks, ends[:-1]) if both else [], strict=True)
    }
    return {image: tables.get(image, np.zeros((len(rows[image]), len(columns[image])))) for image in rows}
