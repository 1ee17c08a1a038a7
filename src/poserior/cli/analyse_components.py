"""``poserior analyse components``: what each component of one-stage networks is for."""

import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.dense.spec import DenseSpec


def run_components(args: Namespace, folders: Mapping[str, Path]) -> int:
    """Look at the runs on the same pictures, write ``components.json`` and ``components.html``."""
    from poserior import analyses, outputs, report
    from poserior.cli.analyse import plain
    from poserior.dense.component_results import average_precision
    from poserior.dense.component_speed import read_setting, time_settings
    from poserior.dense.records import gather_records
    from poserior.dense.spec import load_dense

    if not (math.isfinite(args.score) and 0 <= args.score <= 1):
        raise InputError(f"expected --score from 0 to 1, found {args.score}; change it")
    settings = list(dict.fromkeys(part.strip() for part in (args.settings or "").split(",") if part.strip()))
    for setting in settings:
        read_setting(setting)
    loaded = {name: load_dense(folder) for name, folder in folders.items()}
    specs = {name: spec for name, (_, spec) in loaded.items()}
    data, source = _pictures(args, next(iter(folders.values())), specs)
    timings = time_settings(loaded, settings, data, args.device) if settings else {}
    results: dict[str, analyses.Components] = {}
    displaced: Mapping[str, Mapping[str, float]] | None = None
    for name, (model, spec) in loaded.items():
        said = gather_records(
            model,
            spec,
            data,
            batch_size=max(1, args.batch_size // 8),  # whole pictures are larger than crops
            workers=args.workers,
            device=args.device,
            least_score=args.score,
            title=f"components {name}",
        )
        subsets = None
        if spec.skeleton is not None:
            subsets = analyses.subset_average_precision(said.results["all"], said.annotations, spec.skeleton, 1)
            displaced = displaced or analyses.displaced_average_precision(
                said.annotations, spec.skeleton, category_id=1
            )
        results[name] = analyses.describe_components(
            said.found,
            said.at_truth,
            said.truth,
            spec.categories,
            spec.skeleton,
            args.score,
            {key: average_precision(found, said.annotations, spec.skeleton) for key, found in said.results.items()},
            subsets,
            displaced,
            timings.get(name, ()),
            analyses.read_learning(folders[name] / "log.csv"),
            said.shown,
        )
    output = Path(args.output) if args.output is not None else next(iter(folders.values()))
    content = {"subject": "components", "data": source, "pictures": len(data)}
    content["runs"] = {name: plain(result) for name, result in results.items()}
    outputs.write_json(output / "components.json", content)
    facts = {"Runs": ", ".join(results), "Data": source, "Pictures": str(len(data)), "Least score": f"{args.score:g}"}
    page = report.write_analysis("components", results, output / "components.html", facts)
    print(f"{report.analysis_lead('components', results)}\ncomponents.json and {page.name} are in {output}")
    return 0


def _pictures(args: Namespace, folder: Path, specs: "Mapping[str, DenseSpec]") -> tuple[Any, str]:
    """The pictures to look at, evenly taken, and where they are from."""
    import yaml
    from torch.utils.data import Subset

    from poserior import datasets
    from poserior.dense.data import BoxesOnly
    from poserior.dense.run import scenes

    first = next(iter(specs.values()))
    for name, spec in specs.items():
        if (spec.categories, spec.skeleton) != (first.categories, first.skeleton):
            raise InputError(
                f"expected runs of the same categories and keypoints, found others in {name}; analyse them one by one"
            )
    pictures: Any
    if args.annotations is not None:
        pictures = datasets.CocoScenes(args.annotations, args.images, first.skeleton, first.categories, with_empty=True)
        source = Path(args.annotations).name
    else:
        config: Any = {}
        if (folder / "config.yaml").is_file():
            config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        part = config.get("val_data") if isinstance(config, dict) else None
        if part is None:
            raise InputError(
                f"expected --annotations and --images for a run without validation data of its own ({folder}), found"
                " none; give both"
            )
        pictures = scenes(part, "val_data")
        source = f"validation data of {folder.resolve().name} ({part['class_path']})"
        if first.skeleton is None:
            pictures = BoxesOnly(pictures)
    if (tuple(pictures.categories), pictures.skeleton) != (first.categories, first.skeleton):
        raise InputError(
            f"expected pictures of {', '.join(first.categories[:5])} with the run's keypoints, found"
            f" {', '.join(pictures.categories[:5])}; give the data it was trained for"
        )
    count = len(pictures)
    if count > args.people:
        return Subset(pictures, [i * count // args.people for i in range(args.people)]), source
    return pictures, source
