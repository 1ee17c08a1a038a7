"""Every head for 500 steps at ten times the recommended learning rate, in mixed precision: does a NaN appear?

The recommended rate of the demo's network is 4e-3; here it is 4e-2, with gradient clipping (norm 100) and no warm-up.
Run: ``OMP_NUM_THREADS=1 python benchmarks/stress.py [--heads A,B] [--steps 500]``.
"""

import argparse

import torch
from heads_on_figures import OPTIONS, scene

from poserior import heads
from poserior.models import ModelSpec, build_model
from poserior.training.memory import load_into_memory
from poserior.training.presets import HEADS
from poserior.transforms import TopDown, collate

RATE, CLIP, BATCH, SIZE = 4e-2, 100.0, 16, (64, 48)
OBJECTIVES = ("nce", "nce+", "kld-is", "dsm", "sm", "mcmc")


def cases() -> dict[str, dict[str, object]]:
    """Every preset, and the energy head with each of its objectives."""
    found: dict[str, dict[str, object]] = {
        name: {"class_path": part["class_path"], "init_args": {**part["init_args"], **OPTIONS.get(name, {})}}
        for name, part in HEADS.items()
    }
    for objective in OBJECTIVES:
        found[f"Energy[{objective}]"] = {"class_path": "Energy", "init_args": {"objective": objective}}
    return found


def train(head: dict[str, object], batches: list, skeleton: object, steps: int) -> tuple[float, float]:
    torch.manual_seed(0)
    backbone = {"name": "resnet18", "channels": [16, 32, 64, 128]}
    model = build_model(ModelSpec(backbone, head, skeleton, SIZE)).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
    first = last = float("nan")
    for step in range(steps):
        images, target = batches[step % len(batches)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model.loss(images.float() / 255, target)
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        last = loss.item()
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise SystemExit(f"{head}: loss {last} and gradient norm {float(norm)} in step {step}")
        first = last if step == 0 else first
        optimiser.step()
    bad = [name for name, parameter in model.named_parameters() if not parameter.isfinite().all()]
    if bad:
        raise SystemExit(f"{head}: not finite after training: {', '.join(bad)}")
    return first, last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", default="")
    parser.add_argument("--steps", type=int, default=500)
    args = parser.parse_args()
    people = load_into_memory(scene(40 * BATCH, 0), "people", workers=1)
    crop = TopDown(SIZE)
    samples = [crop(people[index]) for index in range(len(people))]
    batches = [collate(samples[start : start + BATCH]) for start in range(0, len(samples), BATCH)]
    chosen = args.heads.split(",") if args.heads else list(cases())
    assert {part["class_path"] for part in cases().values()} == set(heads.__all__) - {"Head"}
    for name in chosen:
        first, last = train(cases()[name], batches, people.skeleton, args.steps)
        print(f"{name:22s} finite for {args.steps} steps: loss {first:8.2f} -> {last:8.2f}", flush=True)


if __name__ == "__main__":
    main()
