import subprocess
import sys

import pytest

import poserior
from poserior.cli import main
from poserior.cli.main import VERBS
from poserior.errors import InputError


def verb(monkeypatch, error):
    """Make the verb `train` fail with `error`."""
    from poserior.cli import train

    def fail(_args):
        raise error

    monkeypatch.setattr(train, "run", fail)


HEAVY = ("torch", "numpy", "scipy", "cv2", "matplotlib", "PIL", "onnxruntime", "pycocotools", "lightning", "timm")
"""What takes long to import, and telling the verbs needs none of."""


def test_help_is_fast_and_imports_no_torch():
    code = (
        "import sys, time; from poserior.cli import main; main(['--help']);"
        f"print(any(name in sys.modules for name in {HEAVY}), time.process_time())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    imported, seconds = zip(*(run.stdout.splitlines()[-1].split() for run in runs), strict=True)
    assert set(imported) == {"False"}
    assert min(map(float, seconds)) < 0.5  # of the processor: what else the machine does takes no part
    done = runs[0]
    for name in VERBS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", ["demo", "evaluate", "predict"])
def test_help_of_light_verbs_imports_no_torch(name):
    code = (
        "import sys\nfrom poserior.cli import main\n"
        f"try:\n    main(['{name}', '--help'])\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"poserior {poserior.__version__}\n"


def test_unknown_verb(capsys):
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == (
        f"poserior: expected a verb ({', '.join(VERBS)}), found 'trian'; see poserior --help\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("expected a,\nfound b"), 2, "poserior: expected a, found b\n"),
        (PermissionError(13, "Permission denied", "/x"), 2, "refuses at /x: Permission denied\n"),
        (OSError(28, "No space left on device"), 2, "refuses: No space left on device\n"),
        (KeyboardInterrupt(), 130, "\nstopped\n"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "exported models predict, and convert and doctor data work)\n",
        ),
    ],
)
def test_failures_are_one_line_on_stderr(monkeypatch, capsys, small_config, error, code, text):
    verb(monkeypatch, error)
    assert main(["train", "--config", str(small_config)]) == code
    assert capsys.readouterr().err.endswith(text)


def test_a_defect_is_not_hidden(monkeypatch, small_config):
    for error in (ZeroDivisionError(), ModuleNotFoundError(name="poserior.gone")):
        verb(monkeypatch, error)
        with pytest.raises(type(error)):
            main(["train", "--config", str(small_config)])


def test_the_module_runs():
    done = subprocess.run([sys.executable, "-m", "poserior", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"poserior {poserior.__version__}\n"
