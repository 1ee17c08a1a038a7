import pytest
from hypothesis import given
from hypothesis import strategies as st

from poserior import formats
from poserior.errors import InputError


def labels(names):
    images = tuple(formats.LabelledImage(name) for name in names)
    people = tuple(formats.LabelledPerson(n // 2, ((1.0, 1.0, 2),)) for n in range(2 * len(images)))
    return formats.Annotations(images, people, ("nose",))


@given(count=st.integers(3, 60), seed=st.integers(0, 9), share=st.floats(0.2, 0.8))
def test_every_picture_is_in_one_part_and_shares_are_kept(count, seed, share):
    parts = formats.split(labels([f"{n}.jpg" for n in range(count)]), (share, 1 - share), seed).parts()
    found = {name: {image.name for image in part.images} for name, part in parts.items()}
    assert set(found) == {"train", "val"}
    assert not found["train"] & found["val"]
    assert len(found["train"] | found["val"]) == count
    assert abs(len(found["train"]) - share * count) <= 1
    assert all(len(part.people) == 2 * len(part.images) for part in parts.values())


def test_groups_stay_together_and_the_seed_decides():
    names = [f"dog{n % 7}_{n}.jpg" for n in range(70)]
    one, same, other = (formats.split(labels(names), (0.7, 0.2, 0.1), seed, r"^(\w+?)_") for seed in (0, 0, 1))
    assert one == same != other
    dogs = {part: {image.name[:4] for image in found.images} for part, found in one.parts().items()}
    assert sorted(map(len, dogs.values())) == [1, 1, 5]
    assert len(set.union(*dogs.values())) == 7


@pytest.mark.parametrize(
    ("shares", "group", "says"),
    [
        ((1.0,), None, "two or three positive shares"),
        ((1.0, 0.0), None, "two or three positive shares"),
        ((0.5, float("nan")), None, "two or three positive shares"),
        ((0.5, 0.5), "(", "expected a regular expression"),
        ((0.5, 0.5), "cat", r"expected --group 'cat' to match every picture's name, found '0.jpg'"),
        ((0.5, 0.5), "jpg", "expected pictures for 2 parts, found 3 in 1 groups"),
    ],
)
def test_impossible_splits_are_refused(shares, group, says):
    with pytest.raises(InputError, match=says):
        formats.split(labels(["0.jpg", "1.jpg", "2.jpg"]), shares, 0, group)
