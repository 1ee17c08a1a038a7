"""Several files that belong together: all of them appear, or none."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poserior.errors import InputError


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """A folder to write in, whose files move to `output` only when the block ends well.

    Files of the same names that are there already are replaced, others stay.

    Raises:
        InputError: the folder cannot be made.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists() and not output.is_dir():
            raise InputError(f"expected a folder at {output}, found a file; choose another")
        temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
    except OSError as error:
        raise InputError(
            f"expected a place to make the folder {output}, found {error.strerror}; choose another"
        ) from None
    try:
        yield temporary
        temporary.chmod(0o755)
        if output.exists():
            for path in sorted(temporary.iterdir()):
                path.replace(output / path.name)
        else:
            temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
