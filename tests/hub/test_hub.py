"""Runs saved in the Hub's form, loaded again, and pushed to a Hub that only writes down what it is asked."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from huggingface_hub.errors import HTTPError
from safetensors.torch import load_file

import poserior
from poserior import hub, skeletons
from poserior.errors import InputError
from poserior.hub.predictor import FILES
from poserior.inference import Predictor, load
from poserior.models import ModelSpec, build_model, save_model

METRICS = {"AP": 0.5123, "NLL": -2.34567, "num_people": 400, "APL": None, "per_keypoint": {"nose": {"OKS": 0.9}}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of an untrained model, with metrics."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    torch.manual_seed(0)
    spec = ModelSpec({"name": "test_resnet"}, {"class_path": "Laplace"}, skeletons.load("lsp14"), (64, 48))
    save_model(build_model(spec), spec, folder)
    (folder / "metrics.json").write_text(json.dumps(METRICS), encoding="utf-8")
    data = {"class_path": "CocoKeypoints", "init_args": {"annotations": "/home/me/secret.json", "max_boxes": 7}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"train_data": data}), encoding="utf-8")
    return folder


def test_a_saved_model_predicts_as_the_run(run, tmp_path):
    saved = hub.save_pretrained(run, tmp_path / "saved")
    assert {path.name for path in saved.iterdir()} == set(FILES)
    picture = np.random.default_rng(0).integers(0, 255, (80, 70, 3), np.uint8)
    boxes = [[[5.0, 6.0, 60.0, 70.0]]]
    [[one]] = load(run)([picture], boxes)
    [[other]] = hub.from_pretrained(saved)([picture], boxes)
    assert torch.equal(one.keypoints, other.keypoints)
    assert torch.equal(one.covariance, other.covariance)
    assert poserior.from_pretrained(saved, flip_test=False, batch_size=3).batch_size == 3


def test_config_and_weights_are_plain(run, tmp_path):
    saved = hub.save_pretrained(run, tmp_path / "saved")
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    assert (config["library_name"], config["image_size"], config["skeleton"]["name"]) == ("poserior", [64, 48], "lsp14")
    weights, again = load_file(run / "model.safetensors"), load_file(saved / "model.safetensors")
    assert weights.keys() == again.keys()
    assert all(torch.equal(weights[key], again[key]) for key in weights)


def test_the_card_tells_what_was_measured_and_no_more(run, tmp_path):
    text = (hub.save_pretrained(run, tmp_path / "mine", license="cc-by-4.0") / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---")[1])
    assert (header["license"], header["library_name"]) == ("cc-by-4.0", "poserior")
    assert "# mine\n" in text
    assert "| AP (OKS) | 0.5123 |" in text
    assert "| NLL, nats per keypoint (crop-normalised) | -2.346 |" in text
    assert "| people | 400 |" in text
    assert "ECE" not in text
    assert "Trained on**: CocoKeypoints (max_boxes=7)" in text
    assert "secret" not in text
    bare = (hub.save_pretrained(run, tmp_path / "bare") / "README.md").read_text(encoding="utf-8")
    assert "license" not in yaml.safe_load(bare.split("---")[1])
    assert "no licence" in bare


class Hub:
    """Stands for the Hub's client."""

    calls: list = []  # noqa: RUF012

    def __init__(self, token=None):
        self.calls.append(("token", token))

    def create_repo(self, **options):
        self.calls.append(("create", options))
        return SimpleNamespace(repo_id=options["repo_id"])

    def upload_folder(self, folder_path, **options):
        files = {path.name: path.read_bytes() for path in folder_path.iterdir()}
        self.calls.append(("upload", options | {"files": files}))
        return "https://hub.example/commit/1"


def test_push_makes_the_repository_and_uploads_once(run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Hub)
    monkeypatch.setattr(Hub, "calls", [])
    assert hub.push_to_hub(run, "me/pose", private=True, token="t") == "https://hub.example/commit/1"
    (_, token), (_, created), (_, uploaded) = Hub.calls
    assert token == "t"
    assert created == {"repo_id": "me/pose", "private": True, "exist_ok": True}
    assert set(uploaded["files"]) == set(FILES)
    assert (uploaded["repo_id"], uploaded["repo_type"]) == ("me/pose", "model")
    card = uploaded["files"]["README.md"].decode()
    assert "\n# pose\n" in card
    assert 'from_pretrained("me/pose")' in card


class Unreachable(Hub):
    def create_repo(self, **options):
        raise HTTPError("connection refused")


def test_a_hub_that_cannot_be_reached_or_refuses(run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Unreachable)
    with pytest.raises(InputError, match=r"upload to 'me/pose', .* refuses \(connection refused\); check"):
        hub.push_to_hub(run, "me/pose")
    with pytest.raises(InputError, match=r"upload to 'no//such name'"):
        hub.PretrainedPredictor.from_pretrained(run).push_to_hub("no//such name")


def test_the_mixin_of_the_hub_is_what_it_is(run, tmp_path, monkeypatch):
    """Its methods, its options, its class: a saved model loaded and saved again says what it said."""
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Hub)
    monkeypatch.setattr(Hub, "calls", [])
    first = hub.PretrainedPredictor.from_pretrained(run, flip_test=False, batch_size=5, device="cpu")
    assert isinstance(first, Predictor)
    assert isinstance(first, PyTorchModelHubMixin)
    assert first.save_pretrained(tmp_path / "one", model_card_kwargs={"license": "mit"}) is None
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "README.md").write_text("an older card", encoding="utf-8")
    second = hub.PretrainedPredictor.from_pretrained(tmp_path / "one", local_files_only=True, regions=None)
    address = second.save_pretrained(tmp_path / "two", push_to_hub=True, repo_id="me/two", commit_message="two")
    assert address == "https://hub.example/commit/1"
    one, two = ({name: (tmp_path / place / name).read_bytes() for name in FILES} for place in ("one", "two"))
    assert two["README.md"] == one["README.md"].replace(b"# one\n", b"# two\n").replace(b'"one"', b'"two"')
    assert b"Trained on**: CocoKeypoints (max_boxes=7)" in two["README.md"]
    assert b"license: mit" in two["README.md"]
    assert all(one[name] == two[name] for name in FILES if name != "README.md")
    pushed = Hub.calls[-1][1]
    assert pushed["commit_message"] == "two"
    assert pushed["files"]["model.safetensors"] == one["model.safetensors"]
    tags = ModelCard.load(tmp_path / "two" / "README.md").data.tags
    assert {"keypoint-detection", "pytorch_model_hub_mixin"} <= set(tags)


def test_nothing_is_unpickled(run, tmp_path):
    """Where the Hub's mixin would take a pickle of the weights, this refuses."""
    saved = hub.save_pretrained(run, tmp_path / "saved")
    torch.save(load_file(saved / "model.safetensors"), saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"expected a run folder with model\.safetensors"):
        hub.PretrainedPredictor.from_pretrained(saved)


def test_a_strange_config_changes_nothing(run, tmp_path):
    """The model is built from model.yaml: config.json is for the Hub and for those who read."""
    saved = hub.save_pretrained(run, tmp_path / "saved")
    for text in ("[1, 2]", '{"flip_test": false, "batch_size": -1, "license": 3, "trained_on": {}}'):
        (saved / "config.json").write_text(text, encoding="utf-8")
        model = hub.from_pretrained(saved)
        assert (model.flip_test, model.batch_size, model.license, model.data) == (True, 64, None, {})


def test_a_model_of_the_hub_is_fetched_without_anything_but_its_files(run, tmp_path, monkeypatch):
    saved = hub.save_pretrained(run, tmp_path / "saved")
    asked = {}

    def fetch(repo_id, **options):
        asked.update(options, repo_id=repo_id)
        return str(saved)

    monkeypatch.setattr(hub.predictor, "snapshot_download", fetch)
    assert hub.from_pretrained("me/pose", revision="v1").spec.skeleton.name == "lsp14"
    assert (asked["repo_id"], asked["revision"]) == ("me/pose", "v1")
    assert asked["allow_patterns"] == list(FILES)


def test_what_cannot_be(run, tmp_path):
    with pytest.raises(InputError, match="expected a run folder with model"):
        hub.save_pretrained(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="another folder than the run's own"):
        hub.save_pretrained(run, run)
    with pytest.raises(InputError, match="expected a folder or a model on the Hub"):
        hub.from_pretrained("no//such name")
