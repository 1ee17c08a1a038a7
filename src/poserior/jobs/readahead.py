"""Reading in threads while the network computes, with a bound on what waits in memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Read = TypeVar("Read")


def read_ahead(
    things: Iterable[Thing],
    read: Callable[[Thing], Read],
    size: Callable[[Read], int],
    threads: int = 2,
    at_most: int = 64,
    max_bytes: int = 256 * 2**20,
) -> Generator[tuple[Thing, Read], None, None]:
    """Every thing with what was read of it, in order; the next ones are read meanwhile.

    Args:
        things: what there is to read; taken from as it goes.
        read: called in the threads.
        size: bytes of what was read.
        threads: how many read at a time.
        at_most: so many wait to be taken.
        max_bytes: with the largest seen so far, those that wait hold about so much (but one per thread is always on
            its way).

    >>> list(read_ahead([1, 2, 3], lambda n: n * n, size=lambda n: 8))
    [(1, 1), (2, 4), (3, 9)]
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    waiting: deque[tuple[Thing, Future[Read]]] = deque()
    limit, largest = threads, 1
    try:
        for thing in things:
            waiting.append((thing, pool.submit(read, thing)))
            while len(waiting) >= limit:
                first, result = waiting[0][0], waiting.popleft()[1].result()
                largest = max(largest, size(result))
                limit = min(max(max_bytes // largest, threads), at_most)
                yield first, result
                del result
        while waiting:
            first, result = waiting[0][0], waiting.popleft()[1].result()
            yield first, result
            del result
    finally:
        pool.shutdown(cancel_futures=True)
