"""``poserior shard``: annotated pictures to a few large files for training."""

from argparse import Namespace

from jsonargparse import ArgumentParser

SUMMARY = "pack annotated pictures into shards (tar files with an index) for training on big sets"


def parser() -> ArgumentParser:
    """Options of the verb."""
    verb = ArgumentParser(prog="poserior shard", description=SUMMARY)
    verb.add_argument("--annotations", type=str, required=True, help="COCO keypoint annotations, .json or .json.gz")
    verb.add_argument("--images", type=str, required=True, help="the annotated pictures: a folder, .tar or .zip")
    verb.add_argument("--output", type=str, required=True, metavar="DIR", help="folder of the shards")
    verb.add_argument("--skeleton", type=str, default="coco17", help="a skeleton's name or YAML file")
    verb.add_argument("--category", type=str | None, default=None, help="a category's name, where there are several")
    verb.add_argument("--per-shard", type=int, default=1000, help="pictures in each tar")
    return verb


def run(args: Namespace) -> int:
    """Write the folder and say how to train on it."""
    from poserior.datasets import CocoKeypoints, write_shards

    people = CocoKeypoints(args.annotations, args.images, skeleton=args.skeleton, category=args.category)
    folder = write_shards(people, args.output, args.per_shard, progress=True)
    print(
        f"{len(people)} people are in {folder}; train on them with the data set poserior.datasets.Shards"
        f" (init_args: folder: {folder})"
    )
    return 0
