"""A data set held in memory: what is slow to make is made once."""

import pickle
import time
from collections.abc import Sequence

from torch.utils.data import DataLoader
from tqdm import tqdm

from poserior.datasets import KeypointDataset
from poserior.errors import InputError
from poserior.structures import Sample


class InMemory(KeypointDataset):
    """People that are there already.

    Args:
        samples: people in whole pictures, of one skeleton.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        if not samples:
            raise InputError("expected at least one person, found none; give the data set a length")
        self.samples, self.skeleton = samples, samples[0].skeleton

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def load_into_memory(
    dataset: KeypointDataset, title: str, seconds: float | None = None, workers: int = 2, chunk: int = 16
) -> InMemory:
    """All people of a data set, or as many of the first as there is time for, with a progress bar.

    Args:
        dataset: where they come from.
        title: what the bar is called.
        seconds: stop after so long (but not before the first chunk).
        workers: processes.
        chunk: people a process hands over at a time.
    """
    started = time.monotonic()
    # The chunks travel as bytes: tensors would each keep a file of shared memory open.
    loader = DataLoader(
        dataset, batch_size=chunk, num_workers=min(workers, -(-len(dataset) // chunk)), collate_fn=pickle.dumps
    )
    samples: list[Sample] = []
    with tqdm(total=len(dataset), desc=title, unit="person", dynamic_ncols=True) as bar:
        for packed in loader:
            samples += pickle.loads(packed)
            bar.update(min(chunk, len(dataset) - bar.n))
            if seconds is not None and time.monotonic() - started > seconds:
                break
    return InMemory(samples)
