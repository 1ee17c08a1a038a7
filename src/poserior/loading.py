"""Which predictor a path is for: a run's folder (torch), or an exported file (no torch). Heavy imports wait inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.inference import Predictor
    from poserior.portable import OnnxPredictor


def is_exported(path: str | Path) -> bool:
    """Whether a path is called like an exported model.

    >>> is_exported("model.onnx"), is_exported("runs/rle")
    (True, False)
    """
    return Path(path).suffix.lower() == ".onnx"


def load(
    run: str | Path | Sequence[str | Path],
    flip_test: bool | None = None,
    batch_size: int = 64,
    device: str | None = None,
    regions: float | None = None,
    threads: int | None = None,
    engine: str | None = None,
) -> "Predictor | OnnxPredictor":
    """The predictor of a run's folder, of several runs as an ensemble, or of an exported ``.onnx`` file.

    Args:
        run: a folder with ``model.yaml`` and ``model.safetensors``, several of them, or a file of ``poserior export``.
        flip_test: fuse every density with the mirrored crop's. By default yes for a run; a file does as it was exported
            to do, and nothing else can be asked of it.
        batch_size: crops per pass.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU if there is one.
        regions: the coverage of the regions; see `poserior.inference.Predictor`.
        threads: for a file: how many the engine may use.
        engine: for a file: ``"onnxruntime"`` (the default) or ``"openvino"``.

    Raises:
        InputError: there is no such model, or an option does not go with it.
    """
    paths = [run] if isinstance(run, str | Path) else list(run)
    if not any(map(is_exported, paths)):
        if threads is not None or engine is not None:
            raise InputError("expected threads and engine with an .onnx file, found them with a run; leave them out")
        try:
            from poserior.inference import load as load_runs
        except ModuleNotFoundError as error:
            raise InputError(
                f"expected an exported .onnx file where {error.name} is not installed, found {run}; export the run, or"
                " install Poserior with its dependencies"
            ) from None
        return load_runs(run, True if flip_test is None else flip_test, batch_size, device, regions)
    if len(paths) > 1:
        raise InputError(
            f"expected one .onnx file, found it among {len(paths)} models; an ensemble is made of runs' folders only"
        )
    from poserior.portable import OnnxPredictor

    predictor = OnnxPredictor(
        paths[0], batch_size, threads, _providers(device), regions, engine=engine or "onnxruntime"
    )
    if flip_test is not None and flip_test != predictor.flip_test:
        raise InputError(
            f"expected a file exported {'with' if flip_test else 'without'} the flip test, found {paths[0]} exported"
            f" {'without' if flip_test else 'with'} it; export the run again"
        )
    return predictor


def _providers(device: str | None) -> list[str] | None:
    if device is None:
        return None
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise InputError(f"expected the device cpu or cuda for an .onnx file, found {device!r}; correct it")
    return ["CPUExecutionProvider"] if kind == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
