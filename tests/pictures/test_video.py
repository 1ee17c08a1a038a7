"""Videos whose pictures carry their number in black and white blocks."""

import struct
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior.errors import InputError
from poserior.pictures import VIDEO_SUFFIXES, Video

av = pytest.importorskip("av")

COUNT, HEIGHT, WIDTH, BLOCK = 53, 34, 48, 16


def marked(number):
    """Six bits in two rows of three blocks, a red edge on the right."""
    bits = np.array([number >> bit & 1 for bit in range(6)], np.uint8).reshape(2, 3)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: 2 * BLOCK] = 255 * np.kron(bits, np.ones((BLOCK, BLOCK), np.uint8))[..., None]
    return picture


def number_of(picture):
    middles = picture[BLOCK // 2 : 2 * BLOCK : BLOCK, BLOCK // 2 :: BLOCK, 1] > 127
    return int((middles.ravel() * 2 ** np.arange(6)).sum())


def write(path, codec="libx264", times=None, options=None, rotation=0, cut=None):
    """A video of `COUNT` pictures at thousandths of a second `times`, 40 apart if not given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(marked(number), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if cut is not None:
        data = path.read_bytes()
        path.write_bytes(data[: int(cut * len(data))])
    return path


OPEN = {"g": "12", "bf": "3", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
UNEVEN = np.cumsum(1 + np.random.default_rng(0).integers(5, 90, COUNT)).tolist()
FILES = {
    "closed.mp4": {"options": {"g": "10", "bf": "2"}},
    "open.mp4": {"options": OPEN},
    "open.mkv": {"options": OPEN},
    "uneven.mp4": {"options": OPEN, "times": UNEVEN},
    "uneven.mkv": {"options": {"g": "9", "bf": "3"}, "times": UNEVEN},
    "stream.ts": {"options": {"g": "10", "bf": "2"}},
    "old.avi": {"codec": "mpeg4", "options": {"g": "10"}},
    "bframes.avi": {"options": {"g": "10", "bf": "2"}},
    "old.mpg": {"codec": "mpeg1video", "options": {"g": "10", "bf": "2"}},
    "web.webm": {"codec": "libvpx", "options": {"g": "10", "deadline": "realtime"}},
    "one_key.mov": {"options": {"g": "600"}},
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return {name: Video(write(folder / name, **how)) for name, how in FILES.items()}


@pytest.mark.parametrize("name", FILES)
def test_pictures_have_their_numbers_from_any_start(videos, name):
    video = videos[name]
    assert video.size == (HEIGHT, WIDTH)
    whole = list(video.frames())
    assert [(n, number_of(picture)) for n, picture in whole] == [(n, n) for n in range(COUNT)]
    assert whole[0][1].dtype == np.uint8
    for start in (1, 9, 10, 11, 12, 13, 23, 24, 25, 37, COUNT - 1):
        found = list(video.frames(start, start + 3))
        assert [n for n, _ in found] == list(range(start, min(start + 3, COUNT)))
        for n, picture in found:
            assert np.array_equal(picture, whole[n][1]), (start, n)  # bit by bit: its references were all there
    assert list(video.frames(COUNT)) == list(video.frames(7, 7)) == list(video.frames(9, 2)) == []


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, COUNT + 3), st.none() | st.integers(0, COUNT + 3))
def test_any_range_is_that_range(videos, name, start, stop):
    found = [(n, number_of(picture)) for n, picture in videos[name].frames(start, stop)]
    assert found == [(n, n) for n in range(COUNT)[start:stop]]


def test_a_seek_enters_at_the_last_key_frame(videos, monkeypatch):
    from poserior.pictures import video as module

    decoded = []
    original = module._decoded

    def counted(packets):
        for frame in original(packets):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(module, "_decoded", counted)
    for name in ("closed.mp4", "uneven.mkv", "open.mp4"):
        decoded.clear()
        assert [n for n, _ in videos[name].frames(45, 47)] == [45, 46]
        assert len(decoded) <= 14, name


def test_rates_and_counts(videos):
    assert videos["closed.mp4"].fps == 25
    assert videos["closed.mp4"].count == COUNT
    assert videos["open.mkv"].count is None
    assert videos["uneven.mp4"].fps == pytest.approx(1000 * (COUNT - 1) / (UNEVEN[-1] - UNEVEN[0]), rel=0.05)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_pictures_are_turned_as_players_turn_them(tmp_path, degrees, turns):
    plain = Video(write(tmp_path / "plain.mp4"))
    turned = Video(write(tmp_path / "turned.mp4", rotation=degrees))
    assert turned.size == ((WIDTH, HEIGHT) if turns % 2 else (HEIGHT, WIDTH))
    for start in (0, 30):
        (_, expected), (_, found) = next(plain.frames(start)), next(turned.frames(start))
        assert np.array_equal(found, np.rot90(expected, turns))
        assert found.shape[:2] == turned.size
        assert found.flags.c_contiguous


def test_a_turn_written_by_hand_goes_clockwise(tmp_path):
    """The matrix of a phone held upright: (x, y) of the stored picture is shown at (H - y, x), a clockwise turn."""
    path = write(tmp_path / "phone.mp4")
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", data[place : place + 36]) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    before = next(Video(path).frames(5, 6))[1]
    path.write_bytes(data)
    assert np.array_equal(next(Video(path).frames(5, 6))[1], np.rot90(before, -1))


def test_trimmed_beginnings_are_not_counted(tmp_path):
    """An edit list that starts the show at 0.4 s: the ten pictures before are decoded, and not shown."""
    path = write(tmp_path / "trimmed.mp4", options={"g": "25", "bf": "0"})
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 4 + 8
    duration, media_time = struct.unpack(">ii", data[place : place + 8])
    scale = struct.unpack(">i", data[data.index(b"mdhd") + 4 + 12 :][:4])[0]
    data[place : place + 8] = struct.pack(">ii", duration - 400, media_time + 10 * scale // 25)
    path.write_bytes(data)
    video = Video(path)
    assert [(n, number_of(p)) for n, p in video.frames(0, 3)] == [(0, 10), (1, 11), (2, 12)]
    assert [(n, number_of(p)) for n, p in video.frames(20, 22)] == [(20, 30), (21, 31)]
    assert [n for n, _ in video.frames(40)] == [40, 41, 42]


def test_reading_can_stop_early_and_run_twice_at_once(videos):
    video = videos["open.mp4"]
    one, two = video.frames(), video.frames(20)
    assert [next(one)[0], next(two)[0], next(one)[0], next(two)[0]] == [0, 20, 1, 21]
    one.close()
    assert next(two)[0] == 22
    two.close()


def test_a_cut_off_video_is_refused_with_the_place(tmp_path):
    path = tmp_path / "whole.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0", "qp": "10"})
        stream.height, stream.width, stream.pix_fmt = 64, 80, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(30):
            picture = noise.integers(0, 255, (64, 80, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    video = Video(path)
    seen = []
    with pytest.raises(InputError, match=r"whole.mp4, found it damaged or cut off at 0\.\d\d s; replace it"):
        seen.extend(n for n, _ in video.frames())
    assert seen == list(range(len(seen)))
    with pytest.raises(InputError, match="cut off"):
        list(video.frames(12))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("noise.mp4", np.random.default_rng(1).bytes(4000)),
        ("text.avi", b"no video\n" * 200),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nother.mp4\n"),
        ("list.mkv", b"ffconcat version 1.0\nfile other.mp4\n"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, name, content):
    write(tmp_path / "other.mp4")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}, found.*; replace it"):
        Video(tmp_path / name)


def test_cut_before_its_table_missing_and_folders(tmp_path):
    for path in (write(tmp_path / "cut.mp4", cut=0.6), tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(InputError, match=f"{path.name}.*replace it"):
            Video(path)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="found none among its streams"):
        Video(tmp_path / "sound.mp4")


def test_numbers_count_from_zero(videos):
    with pytest.raises(InputError, match="found -1 to None"):
        videos["closed.mp4"].frames(-1)


def test_without_pyav_the_extra_is_named(videos, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'pip install "poserior\[video\]"'):
        Video(videos["closed.mp4"].path)
    assert ".mp4" in VIDEO_SUFFIXES
