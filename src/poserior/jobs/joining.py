"""All parts of a job become its results."""

import shutil
from functools import reduce
from itertools import chain
from operator import add

from poserior import outputs
from poserior.errors import InputError
from poserior.jobs.folder import JobFolder, Summary
from poserior.jobs.job import Job
from poserior.jobs.sources import Sources


def join(job: Job, sources: Sources | None = None) -> Summary:
    """Join a job's finished parts to ``results.json``, entry by entry, and remove them.

    Several processes may try at once: the file is the same whoever writes it last, and none sees half of it.

    Args:
        job: which.
        sources: its pictures, if they were looked for already.

    Raises:
        InputError: parts are missing, or none of the pictures could be read.
    """
    folder, parts = JobFolder(job.folder), (sources or Sources(job)).parts
    missing = folder.missing(parts)
    if missing:
        if folder.results.exists():  # joined by another process a moment ago
            return Summary()
        some = ", ".join(str(part.index) for part in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise InputError(
            f"expected all {len(parts)} parts in {folder.parts}, found {len(parts) - len(missing)} (not {some});"
            " run the job again to do the rest"
        )
    try:
        total: Summary = reduce(add, map(folder.summary, parts), Summary())
        if total.unreadable and total.unreadable == total.pictures:
            raise InputError(
                f"expected at least one picture that can be read, found none of {total.unreadable}; replace them"
            )
        together = folder.parts / folder.results.name
        outputs.write_json_list(together, chain.from_iterable(map(folder.entries, parts)))
        together.replace(folder.results)
    except FileNotFoundError:
        if not folder.results.exists():
            raise
        return Summary()
    shutil.rmtree(folder.parts, ignore_errors=True)
    return total
