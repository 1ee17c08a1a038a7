import threading
import weakref

import numpy as np
import pytest

from poserior.jobs.readahead import read_ahead


class Living:
    """Counts the pictures that are alive."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def picture(self, shape=(4, 5, 3)):
        image = np.zeros(shape, np.uint8)
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        weakref.finalize(image, self._gone)
        return image

    def _gone(self):
        with self.lock:
            self.now -= 1


def size(image):
    return image.nbytes


@pytest.mark.parametrize("threads", [1, 3])
def test_everything_comes_once_and_in_order(threads):
    found = list(read_ahead(range(50), lambda n: -n, lambda _: 1, threads, at_most=7))
    assert found == [(n, -n) for n in range(50)]


def test_only_so_many_pictures_are_alive():
    living = Living()
    for _ in read_ahead(range(500), lambda n: living.picture(), size, threads=3, at_most=10):
        pass
    assert living.most <= 10 + 1
    large = Living()
    for _ in read_ahead(range(60), lambda n: large.picture((100, 100, 3)), size, 2, at_most=50, max_bytes=150_000):
        pass
    assert large.most <= 5 + 1  # 150 kB are 5 of these


def test_what_comes_is_asked_for_as_it_goes():
    asked = []

    def things():
        for n in range(1000):
            asked.append(n)
            yield n

    reading = read_ahead(things(), lambda n: n, lambda _: 1, threads=2, at_most=8)
    assert [next(reading)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(asked) <= 5 + 8
    reading.close()
    assert len(asked) <= 5 + 8


def test_reading_goes_on_while_the_first_is_worked_on():
    """The second thing is read before the first is given back: the reader waits for nobody."""
    second = threading.Event()
    reading = read_ahead([1, 2, 3], lambda n: second.set() if n == 2 else n, lambda _: 1, threads=2)
    assert next(reading) == (1, 1)
    assert second.wait(10)
    reading.close()
