"""``poserior import-weights``: a published checkpoint to a run folder."""

from argparse import Namespace

from jsonargparse import ArgumentParser

SUMMARY = "turn published weights of an RLE model into a run folder"


def parser() -> ArgumentParser:
    """Options of the verb."""
    verb = ArgumentParser(prog="poserior import-weights", description=SUMMARY)
    verb.add_argument("--weights", type=str, required=True, metavar="FILE", help="the checkpoint (.pth, .safetensors)")
    verb.add_argument("--kind", type=str, required=True, metavar="rle|mmpose", help="whose code the weights are from")
    verb.add_argument("--output", type=str, required=True, metavar="DIR", help="folder of the run")
    verb.add_argument("--skeleton", type=str, default="coco17", help="a skeleton's name or YAML file")
    verb.add_argument(
        "--image-size", type=tuple[int, int], default=(256, 192), metavar="[H,W]", help="crops the model was trained on"
    )
    return verb


def run(args: Namespace) -> int:
    """Write the folder and say where it is."""
    from poserior.inference import import_weights

    folder = import_weights(args.weights, args.kind, args.output, args.skeleton, args.image_size)
    print(f"the model is in {folder}; see how good it is with: poserior evaluate --run {folder} ...")
    return 0
