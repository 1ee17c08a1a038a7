"""Which predictor a path is for: a run's folder (torch), or an exported file (no torch). Heavy imports wait inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.dense.predictor import DensePredictor
    from poserior.inference import Predictor
    from poserior.portable import OnnxPredictor


def is_exported(path: str | Path) -> bool:
    """Whether a path is called like an exported model.

    >>> is_exported("model.onnx"), is_exported("runs/rle")
    (True, False)
    """
    return Path(path).suffix.lower() == ".onnx"


def is_dense(path: str | Path) -> bool:
    """Whether a path is the folder of a one-stage run, by its ``model.yaml``."""
    try:
        content = yaml.safe_load((Path(path) / "model.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and content.get("kind") == "dense"


def load(
    run: str | Path | Sequence[str | Path],
    flip_test: bool | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    regions: float | None = None,
    threads: int | None = None,
    engine: str | None = None,
    **one_stage: Any,
) -> "Predictor | OnnxPredictor | DensePredictor":
    """The predictor of a run's folder, of several runs as an ensemble, or of an exported ``.onnx`` file.

    Of a one-stage run it is a `poserior.dense.predictor.DensePredictor`, which is called with pictures alone.

    Args:
        run: a folder with ``model.yaml`` and ``model.safetensors``, several of them, or a file of ``poserior export``.
        flip_test: fuse every density with the mirrored crop's. By default yes for a run, but no for a one-stage run; a
            file does as it was exported to do, and nothing else can be asked of it.
        batch_size: crops per pass, 64 by default; of a one-stage run pictures, 8 by default.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU if there is one.
        regions: the coverage of the regions; see `poserior.inference.Predictor`.
        threads: for a file: how many the engine may use.
        engine: for a file: ``"onnxruntime"`` (the default) or ``"openvino"``.
        one_stage: for a one-stage run: further options of `poserior.dense.predictor.DensePredictor`, e.g. ``scales``.

    Raises:
        InputError: there is no such model, or an option does not go with it.
    """
    paths = [run] if isinstance(run, str | Path) else list(run)
    if any(map(is_dense, paths)):
        return _load_dense(
            paths, flip_test, batch_size, device, {"regions": regions, "threads": threads, "engine": engine}, one_stage
        )
    if one_stage:
        raise InputError(
            f"expected a one-stage run with {', '.join(one_stage)}, found none at {paths[0]}; leave it out"
        )
    batch_size = 64 if batch_size is None else batch_size
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


def _load_dense(
    paths: list[str | Path],
    flip_test: bool | None,
    batch_size: int | None,
    device: str | None,
    others: dict[str, Any],
    options: dict[str, Any],
) -> "DensePredictor":
    if len(paths) > 1:
        raise InputError(f"expected one one-stage run, found {len(paths)} models; it has no ensembles")
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(f"expected no {given[0]} for a one-stage run, found some for {paths[0]}; leave it out")
    from poserior.dense.predictor import DensePredictor
    from poserior.dense.spec import load_dense

    model, spec = load_dense(paths[0])
    size = 8 if batch_size is None else batch_size
    return DensePredictor(model, spec, flip_test=bool(flip_test), batch_size=size, device=device, **options)


def _providers(device: str | None) -> list[str] | None:
    if device is None:
        return None
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise InputError(f"expected the device cpu or cuda for an .onnx file, found {device!r}; correct it")
    return ["CPUExecutionProvider"] if kind == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
