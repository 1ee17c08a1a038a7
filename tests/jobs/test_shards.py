import pytest
from hypothesis import given
from hypothesis import strategies as st

from poserior.errors import InputError
from poserior.jobs import Part, parse_shard, share


def test_where_a_shard_comes_from():
    assert parse_shard("0/1", {}) == (0, 1)
    array = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "4"}
    assert parse_shard("auto", array) == (1, 3)
    ranks = {"RANK": "2", "WORLD_SIZE": "4"}
    assert parse_shard("auto", {**array, **ranks}) == (1 * 4 + 2, 12)
    assert parse_shard("3/9", ranks) == (3, 9)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("3/3", {}),
        ("-1/3", {}),
        ("1", {}),
        ("a/b", {}),
        ("auto", {}),
        ("auto", {"RANK": "1"}),
        ("auto", {"RANK": "x", "WORLD_SIZE": "2"}),
        ("auto", {"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "2"}),
    ],
)
def test_no_shard_is_one_sentence(text, environment):
    with pytest.raises(InputError, match=r"expected .*found .*;"):
        parse_shard(text, environment)


@given(st.integers(0, 40), st.integers(1, 9))
def test_every_part_has_one_shard(count, shards):
    parts = [Part(n, 0, 10 * n, 10 * n + 10) for n in range(count)]
    shares = [share(parts, (number, shards)) for number in range(shards)]
    assert sorted(part for some in shares for part in some) == parts
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
