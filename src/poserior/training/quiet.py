"""Lightning without its remarks to the developer, for as long as a run takes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# Known, and nothing that the user of a finished program could or should change.
_HARMLESS = (
    r".*does not have many workers.*",
    r".*GPU available but not used.*",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r".*Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`.*",
    r".*The number of training batches .* is smaller than the logging interval.*",
    r".*`_maybe_get_iterator|.*Checkpoint directory .* exists and is not empty.*",
    r".*when logging on epoch level in distributed setting.*",  # the values are sums over all processes already
    r".*No device id is provided via `init_process_group`.*",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Only errors of Lightning's loggers pass; the loggers and the warning filters are as before afterwards."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        for message in _HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        yield
