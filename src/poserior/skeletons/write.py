"""A skeleton as the YAML that `load` reads."""

import yaml

from poserior.skeletons.skeleton import Skeleton


def to_yaml(skeleton: Skeleton, exact: bool = False) -> str:
    """The skeleton's file, with constants rounded to four digits after the point (never to 0) unless `exact`.

    >>> from poserior.skeletons import load
    >>> print(to_yaml(load("coco17")).splitlines()[2])
    - {name: nose, sigma: 0.026}
    """
    names = skeleton.keypoints
    sigmas = [float(sigma) if exact else max(round(sigma, 4), 0.0001) for sigma in skeleton.oks_sigmas]
    content = {
        "keypoints": [{"name": name, "sigma": sigma} for name, sigma in zip(names, sigmas, strict=True)],
        "edges": [[names[a], names[b]] for a, b in skeleton.edges],
        "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
        "upper_body": list(skeleton.upper_body),
        "parts": {part: list(members) for part, members in skeleton.parts},
    }
    kept = {key: value for key, value in content.items() if value}
    # one keypoint or pair per line
    return yaml.safe_dump({"name": skeleton.name}) + yaml.safe_dump(
        kept, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True
    )
