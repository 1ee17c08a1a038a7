"""One picture: people are sampled, posed, framed, rendered, half hidden and measured."""

from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from poserior.datasets.figures.background import paint_background
from poserior.datasets.figures.body import Pose3d, Shape, pose_body, sample_shape
from poserior.datasets.figures.camera import Camera, sample_camera
from poserior.datasets.figures.figure import SHOWN_BY, add_figure, add_stool, cloud, keypoints, reaches
from poserior.datasets.figures.light import Light, sample_light
from poserior.datasets.figures.occluders import draw_occluder
from poserior.datasets.figures.outfit import Outfit, colour, sample_outfit
from poserior.datasets.figures.poses import Motion, sample_motion
from poserior.datasets.figures.raycast import Buffers, Parts, cast, prepare
from poserior.datasets.figures.shading import Wearer, shade

FRAMES_PER_SECOND = 12
_LEAST_KEYPOINTS = 7
_SHEET = 640
_STOOLS = ("8b5e3c", "3b3f46", "c9a77c", "7a2e2e", "2f5d62", "e8e2d6")


@dataclass(frozen=True)
class Settings:
    """What pictures are like; see `Figures`."""

    picture_size: tuple[int, int]
    people: tuple[int, int]
    clip_length: int
    occluders: float
    truncation: float
    supersample: int


@dataclass(frozen=True, eq=False)
class Person:
    """One person as the picture shows it; pixels are continuous, with the origin at the picture's corner.

    Attributes:
        keypoints: ``(17, 2)``, exact, also where outside the picture.
        visibility: ``(17,)`` 2 seen, 1 in the picture but hidden, 0 outside.
        joints_3d: ``(17, 3)`` metres in the camera's frame.
        mask: the pixels that show the person.
        box_xyxy: about the mask and the keypoints inside the picture.
    """

    keypoints: Float[np.ndarray, "K 2"]
    visibility: Int[np.ndarray, "K"]
    joints_3d: Float[np.ndarray, "K 3"]
    mask: Bool[np.ndarray, "H W"]
    box_xyxy: Float[np.ndarray, "4"]

    @property
    def area(self) -> float:
        """The mask's pixels."""
        return float(np.count_nonzero(self.mask))


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered picture. The first of `people` is the nearest to the camera."""

    image: UInt8[np.ndarray, "H W 3"]
    people: tuple[Person, ...]
    camera: Camera


@dataclass(frozen=True, eq=False)
class Actor:
    """Somebody who is about to be painted."""

    shape: Shape
    motion: Motion
    outfit: Outfit
    heading: float
    place: Float[np.ndarray, "2"]
    stool: Float[np.ndarray, "3"]

    @cached_property
    def start(self) -> Pose3d:
        """The body at the clip's first frame."""
        return self.pose(0.0)

    @cached_property
    def outline(self) -> Float[np.ndarray, "N 3"]:
        """Points about the body at the clip's first frame."""
        return cloud(self.shape, self.start)

    def pose(self, seconds: float) -> Pose3d:
        """The body in the world, its lowest point on the ground."""
        body = pose_body(self.shape, self.motion.at(seconds), self.heading)
        walked = self.motion.speed * seconds * self.shape.height / 1.75
        shift = np.array([self.place[0], 0.0, self.place[1]])
        shift += np.array([np.sin(self.heading), 0.0, np.cos(self.heading)]) * walked
        shift[1] = self.motion.hop - cloud(self.shape, body)[:, 1].min()
        return Pose3d(body.points + shift, body.frames, body.head + shift)


def paint(seed: int, clip: int, frame: int, settings: Settings) -> Picture:
    """The picture at a frame of a clip; the same for the same arguments, whatever was painted before."""
    rng, actors, camera = stage(seed, clip, settings)
    return _render(rng, actors, camera, frame / FRAMES_PER_SECOND, settings)


def stage(seed: int, clip: int, settings: Settings) -> tuple[np.random.Generator, list[Actor], Camera]:
    """Who is in a clip, the nearest first, and the camera; with the chance that paints everything else."""
    attempt = 0
    while True:
        # Chance is drawn in the same order for every frame of a clip: only the time differs.
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, clip, attempt])))
        actors = _cast_actors(rng, settings)
        camera = _frame(rng, actors, settings)
        # The nearest person comes first, is well in the picture, and stays so for the whole clip.
        actors.sort(key=lambda actor: float(camera.to_camera(actor.start.points[0])[2]))
        if attempt >= 20 or _in_view(actors[0], camera, settings):
            return rng, actors, camera
        attempt += 1


def _cast_actors(rng: np.random.Generator, settings: Settings) -> list[Actor]:
    count = int(rng.integers(settings.people[0], settings.people[1] + 1))
    actors: list[Actor] = []
    places: list[Float[np.ndarray, "2"]] = []
    spacing, reach = 0.62, 0.75 * np.sqrt(count - 1) + 0.01
    while len(places) < count:
        place = rng.uniform(-reach, reach, 2) * [1.0, 1.0]
        if all(np.linalg.norm(place - other) > spacing for other in places):
            places.append(place)
        reach *= 1.02
    for place in places:
        shape, motion = sample_shape(rng), sample_motion(rng)
        skirted = not motion.gait and bool((motion.start[[7, 13], 0] < 40).all())
        outfit = sample_outfit(rng, shape.bust > 0, skirted)
        stool = colour(_STOOLS[rng.integers(len(_STOOLS))])
        actors.append(Actor(shape, motion, outfit, float(rng.uniform(-np.pi, np.pi)), place, stool))
    return actors


def _pose(actor: Actor, seconds: float) -> Pose3d:
    return actor.start if seconds == 0 else actor.pose(seconds)


def _outline(actor: Actor, seconds: float) -> Float[np.ndarray, "N 3"]:
    return actor.outline if seconds == 0 else cloud(actor.shape, actor.pose(seconds))


def _times(settings: Settings) -> list[float]:
    last = (settings.clip_length - 1) / FRAMES_PER_SECOND
    return [0.0] if last == 0 else [0.0, last / 2, last]


def _frame(rng: np.random.Generator, actors: list[Actor], settings: Settings) -> Camera:
    points = [_outline(actor, time) for actor in actors for time in _times(settings)]
    return sample_camera(rng, np.concatenate(points), settings.picture_size, settings.truncation)


def _in_view(actor: Actor, camera: Camera, settings: Settings) -> bool:
    height, width = settings.picture_size
    for time in _times(settings):
        points = camera.to_camera(keypoints(actor.shape, _pose(actor, time)))
        pixels = camera.project(points)
        inside = ((pixels > 0) & (pixels < [width, height])).all(1) & (points[:, 2] > 0.4)
        if np.count_nonzero(inside) < _LEAST_KEYPOINTS or (points[:, 2] < 0.4).any():
            return False
    return True


def _render(
    rng: np.random.Generator, actors: list[Actor], camera: Camera, seconds: float, settings: Settings
) -> Picture:
    light = sample_light(rng)
    poses = [_pose(actor, seconds) for actor in actors]
    parts = Parts()
    for number, (actor, pose) in enumerate(zip(actors, poses, strict=True)):
        add_figure(parts, number, actor.shape, pose, actor.outfit)
    for actor, pose in zip(actors, poses, strict=True):
        if actor.motion.seated:
            add_stool(parts, pose.joint("pelvis") - [0, 0.058 * actor.shape.height, 0], actor.stool)
    quadrics = prepare(parts, camera)
    buffers = cast(quadrics, camera, settings.picture_size, settings.supersample)
    wearers = [wearer(actor, pose, camera) for actor, pose in zip(actors, poses, strict=True)]
    figures = shade(parts, quadrics, buffers, camera, light, wearers, settings.supersample)
    shadow = _shadow(parts, camera, light, settings.picture_size)
    background = paint_background(rng, camera, settings.picture_size, light, shadow)
    _compose(background, figures, buffers, settings.supersample)
    image = np.ascontiguousarray(background.astype(np.uint8).transpose(1, 2, 0))
    height, width = settings.picture_size
    hidden = np.zeros(settings.picture_size, np.uint8)
    if rng.random() < settings.occluders:
        for _ in range(1 + (rng.random() < 0.25)):
            chosen = actors[rng.integers(len(actors))]
            pixels = camera.project(camera.to_camera(chosen.outline))
            box = np.clip(np.concatenate([pixels.min(0), pixels.max(0)]), 0, [width, height, width, height])
            hidden = np.maximum(hidden, draw_occluder(rng, image, box))
    image = develop(rng, image)
    people = tuple(
        measure(number, actor.shape, pose, parts, buffers, hidden, camera, settings)
        for number, (actor, pose) in enumerate(zip(actors, poses, strict=True))
    )
    return Picture(image, people, camera)


def _compose(
    background: Float32[np.ndarray, "3 H W"], figures: UInt8[np.ndarray, "h w 4"], buffers: Buffers, supersample: int
) -> None:
    """Put the figures in front of the background, their fine pixels averaged."""
    rows, columns = place(buffers, supersample)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    planes = cv2.split(cv2.resize(figures, size, interpolation=cv2.INTER_AREA))
    # The figures' colours are already weighted by their coverage: nothing is black.
    behind = background[:, rows, columns]
    behind *= np.float32(1) - planes[3] * np.float32(1 / 255)
    for channel in range(3):
        behind[channel] += planes[channel]
    np.clip(background, 0, 255, out=background)


def place(buffers: Buffers, supersample: int) -> tuple[slice, slice]:
    """The rows and columns of the picture that the buffers cover."""
    height, width = buffers.part.shape
    top, left = buffers.top // supersample, buffers.left // supersample
    return slice(top, top + height // supersample), slice(left, left + width // supersample)


def wearer(actor: Actor, pose: Pose3d, camera: Camera) -> Wearer:
    """What shading needs of a person."""
    chest = pose.joint("chest") + pose.frame("chest")[:, 1] * 0.17 * actor.shape.trunk
    return Wearer(
        actor.outfit,
        _inverse(camera, pose.frame("chest"), chest, actor.shape.height),
        _inverse(camera, pose.frame("neck"), pose.head, actor.shape.head),
    )


def _inverse(
    camera: Camera, frame: Float[np.ndarray, "3 3"], centre: Float[np.ndarray, "3"], size: float
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """The map from the camera's frame to a local one, in units of `size`."""
    matrix = (camera.rotation @ frame).T / size
    return matrix, -matrix @ camera.to_camera(centre)


def _shadow(parts: Parts, camera: Camera, light: Light, picture_size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """How much of the key light is kept from the ground, 0..1: every part thrown onto it along the light."""
    height, width = picture_size
    mask = np.zeros((height // 2, width // 2), np.uint8)
    centre, axes, cone = parts.centres, parts.frames, parts.is_cone
    ends = np.stack([centre, centre + np.where(cone[:, None], axes[:, :, 2], 0.0)], 1)
    ends = ends - light.direction * (ends[..., 1:2] / light.direction[1])
    seen = camera.to_camera(ends)
    lengths = np.linalg.norm(axes, axis=1)
    radius = np.where(cone, lengths[:, 0], np.cbrt(lengths.prod(1)))
    good = (seen[..., 2] > 0.3).all(1) & (radius > np.where(cone, 0.02, 0.055))
    seen[..., 2] = np.maximum(seen[..., 2], 0.3)
    pixels = np.clip(camera.project(seen) / 2, -4000, 4000)
    thick = np.maximum(radius * camera.focal / seen[:, 0, 2], 1.0)
    for (start, end), wide in zip(np.round(pixels[good] * 8).astype(int).tolist(), thick[good].tolist(), strict=True):
        cv2.line(mask, start, end, 255, max(1, round(wide * 0.9)), cv2.LINE_8, 3)
    soft: Float32[np.ndarray, "H W"] = cv2.resize(cv2.blur(mask, (5, 5)), (width, height)).astype(
        np.float32
    ) * np.float32(1 / 255)
    return soft


@cache
def _grain() -> tuple[UInt8[np.ndarray, "S S 3"], UInt8[np.ndarray, "S S 3"]]:
    """A sensor's noise as what it adds and what it takes, one sheet for all pictures; each takes its own piece."""
    sheet = np.random.Generator(np.random.PCG64(0)).normal(0, 3.0, (_SHEET, _SHEET, 3)).round()
    return np.maximum(sheet, 0).astype(np.uint8), np.maximum(-sheet, 0).astype(np.uint8)


def develop(rng: np.random.Generator, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Exposure, contrast, a cast of colour, at times a little softness, and grain."""
    level = np.linspace(0, 1, 256)
    gain, contrast = rng.normal(1.02, 0.07), rng.normal(1.08, 0.09)
    tint = rng.normal(1.0, 0.025, 3)
    curve = np.clip((level[:, None] - 0.5) * contrast + 0.5, 0, 1) ** (1 / gain) * tint
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
    image = cv2.LUT(image, table)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (3, 3), 0)
    height, width = image.shape[:2]
    x, y = rng.integers(0, 200, 2)
    plus, minus = _grain()
    for top in range(0, height, _SHEET - 200):
        for left in range(0, width, _SHEET - 200):
            piece = image[top : top + _SHEET - 200, left : left + _SHEET - 200]
            rows, columns = slice(y, y + piece.shape[0]), slice(x, x + piece.shape[1])
            cv2.add(piece, plus[rows, columns], dst=piece)
            cv2.subtract(piece, minus[rows, columns], dst=piece)
    return image


def measure(
    number: int,
    shape: Shape,
    pose: Pose3d,
    parts: Parts,
    buffers: Buffers,
    hidden: UInt8[np.ndarray, "H W"],
    camera: Camera,
    settings: Settings,
) -> Person:
    """Keypoints, what is seen of them, the mask and the box."""
    height, width = settings.picture_size
    joints = camera.to_camera(keypoints(shape, pose))
    pixels = camera.project(joints)
    # A person's parts follow each other in the list.
    first, count = parts.person.index(number), parts.person.count(number)
    fine = ((buffers.part >= first) & (buffers.part < first + count)).view(np.uint8) * np.uint8(255)
    rows, columns = place(buffers, settings.supersample)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    share = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    mask = np.zeros((height, width), np.bool_)
    np.logical_and(share > 128, hidden[rows, columns] < 128, out=mask[rows, columns])
    visibility = np.zeros(len(pixels), np.int64)
    inside = ((pixels > 0) & (pixels < [width, height])).all(1) & (joints[:, 2] > 0)
    fully = np.floor(pixels[inside] * settings.supersample).astype(np.int64)
    parts_met, depth = buffers.at(fully)
    met, before = parts_met.tolist(), (joints[inside, 2] - depth).tolist()
    covered = (hidden[fully[:, 1] // settings.supersample, fully[:, 0] // settings.supersample] >= 128).tolist()
    reach = reaches(shape)
    for at, k in enumerate(np.flatnonzero(inside).tolist()):
        # Where the ray meets nothing, just off an outline, nothing hides the keypoint either.
        own = met[at] < 0 or (parts.person[met[at]] == number and parts.label[met[at]] in SHOWN_BY[k])
        visibility[k] = 2 if own and before[at] <= reach[k] and not covered[at] else 1
    return Person(pixels, visibility, joints, mask, _box(mask, pixels[inside], settings.picture_size))


def _box(
    mask: Bool[np.ndarray, "H W"], pixels: Float[np.ndarray, "N 2"], picture_size: tuple[int, int]
) -> Float[np.ndarray, "4"]:
    height, width = picture_size
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    corners = [pixels]
    if len(rows):
        corners.append(np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], dtype=np.float64))
    every = np.concatenate(corners)
    if len(every) == 0:
        return np.zeros(4)
    box: Float[np.ndarray, "4"] = np.clip(np.concatenate([every.min(0), every.max(0)]), 0, [width, height] * 2)
    return box
