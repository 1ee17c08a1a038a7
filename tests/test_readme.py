"""The README's Python runs as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_first_screen_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], "README.md", "exec"), {})
    shapes, log_prob, share = capsys.readouterr().out.splitlines()
    assert shapes == "torch.Size([8, 17, 2]) torch.Size([8, 17, 2, 2])"
    assert log_prob.startswith("tensor(")
    assert 0 <= float(share.removeprefix("tensor(").split(",")[0].removesuffix(")")) <= 1


def test_the_table_names_every_head():
    from poserior import heads

    named = set(re.findall(r"^\| `(\w+)`", README, re.MULTILINE))
    assert named == set(heads.__all__) - {"Head"}
