import sys

import numpy as np
import pytest

from poserior.errors import InputError
from poserior.outputs import VideoWriter
from poserior.pictures import Video

av = pytest.importorskip("av")

COLORS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (230, 120, 40),
    (20, 20, 20),
    (250, 250, 250),
    (90, 30, 160),
]


def picture(number, size):
    """The number in a row of eight blocks, black or white; below it one of the colours."""
    rgb = np.empty((*size, 3), np.uint8)
    rgb[:] = COLORS[number % len(COLORS)]
    blocks = np.repeat([255 * (number >> bit & 1) for bit in range(8)], 8)[: size[1]]
    rgb[:16, : len(blocks)] = blocks[None, :, None]
    return rgb


def number_of(rgb):
    return sum(int(rgb[8, 8 * bit + 4, 1] > 127) << bit for bit in range(8))


@pytest.mark.parametrize(("size", "fps"), [((48, 64), 25), ((49, 67), 30000 / 1001), ((36, 65), 12.5)])
def test_pictures_come_back_in_order_and_colour(tmp_path, size, fps):
    path = tmp_path / "deep" / "out.mp4"
    with VideoWriter(path, fps, size) as video:
        for number in range(150):
            video.write(picture(number, size))
    back = Video(path)
    assert back.fps == pytest.approx(fps, rel=1e-6)
    assert back.count == 150
    assert back.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    for number, rgb in back.frames():
        assert number_of(rgb) == number
        found = rgb[20 : size[0] - 4, 4:-4].reshape(-1, 3).mean(0)
        assert found == pytest.approx(COLORS[number % len(COLORS)], abs=6)
    assert number == 149
    assert [n for n, _ in back.frames(140)] == list(range(140, 150))
    assert [file.name for file in path.parent.iterdir()] == ["out.mp4"]


def test_the_format_is_one_that_players_know(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 25, (48, 64)) as video:
        video.write(picture(1, (48, 64)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # browsers can start before all has arrived


def test_the_doubled_edge_leaves_every_pixel_in_its_place(tmp_path):
    size = (33, 41)
    rgb = np.zeros((*size, 3), np.uint8)
    rgb[:, 32:] = rgb[24:] = 255
    with VideoWriter(tmp_path / "odd.mp4", 10, size) as video:
        for _ in range(3):
            video.write(rgb)
    _, back = list(Video(tmp_path / "odd.mp4").frames())[-1]
    assert back.shape == (34, 42, 3)
    assert np.abs(back[:33, :41].astype(int) - rgb).max() < 40
    assert back[33].min() > 200
    assert back[:, 41].min() > 200


def test_after_an_exception_nothing_new_is_there(tmp_path):
    path, size = tmp_path / "a.mp4", (48, 64)
    path.write_bytes(b"old")

    def fill(pictures, stop=False):
        with VideoWriter(path, 25, size) as video:
            for rgb in pictures:
                video.write(rgb)
            if stop:
                raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fill([picture(1, size)], stop=True)
    with pytest.raises(InputError, match=r"found one of \(64, 48\)"):
        fill([picture(1, size), picture(1, size[::-1])])
    with pytest.raises(InputError, match="found none; write at least one"):
        fill([])
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.mp4", b"old")]


@pytest.mark.parametrize(
    ("name", "fps", "size"),
    [("a.avi", 25, (4, 4)), ("a.mp4", 0, (4, 4)), ("a.mp4", float("nan"), (4, 4)), ("a.mp4", 25, (0, 4))],
)
def test_bad_arguments_are_explained(tmp_path, name, fps, size):
    with pytest.raises(InputError, match="expected"):
        VideoWriter(tmp_path / name, fps, size)


def test_folders_that_are_none_and_missing_packages(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another"):
        VideoWriter(tmp_path / "file" / "a.mp4", 25, (4, 4)).__enter__()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'pip install "poserior\[video\]"'):
        VideoWriter(tmp_path / "a.mp4", 25, (4, 4)).__enter__()
