"""Any split: the files that are taken and refused, and a checkerboard with one right answer."""

import pandas as pd
import pytest

from jobs.contract.errors import BadInput
from jobs.evaluate_split import evaluate_split, lines, read_pairs
from jobs.training.recipe import Recipe


def pairs_of(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    return read_pairs(path)


def test_ids_are_any_strings_and_pairs_add_up(tmp_path) -> None:
    found = pairs_of(tmp_path, 'user,item,count\n007,"NA",2\n007,NA,3\nü b,"x,y",1.5\n')
    assert found.to_dict("records") == [
        {"user": "007", "item": "NA", "count": 5.0},
        {"user": "ü b", "item": "x,y", "count": 1.5},
    ]


def test_without_counts_each_pair_is_one(tmp_path) -> None:
    assert pairs_of(tmp_path, "item,user\na,u\n")["count"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,song\nu,a\n", "no column item"),
        ("user,item\n", "no rows"),
        ("user,item,count\nu,a,1\nu,b,many\n", "line 3"),
        ("user,item,count\nu,a,0\n", "above 0"),
        ("user,item\n,a\n", "must not be empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, said) -> None:
    with pytest.raises(BadInput, match=said):
        pairs_of(tmp_path, text)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(BadInput, match=r"nothing\.csv"):
        read_pairs(tmp_path / "nothing.csv")


def test_the_own_taste_is_found_exactly(spark) -> None:
    everything = [(f"u{u}", f"i{i}") for u in range(20) for i in range(24) if u % 2 == i % 2]
    missed = [(u, i) for u, i in everything if (int(u[1:]) // 2 + int(i[1:]) // 2) % 5 == 0]
    train = pd.DataFrame([p for p in everything if p not in missed], columns=["user", "item"])
    test = pd.DataFrame([*missed, ("u0", "never seen")], columns=["user", "item"])
    recipe = Recipe(8, 0.1, 40.0, 8, "log", 1)
    table = evaluate_split(spark, train.assign(count=1.0), test, recipe)
    ones = len({u for u, _ in missed})
    found = sum(u == "u0" for u, _ in missed)
    assert table["als"]["recall_20"] == pytest.approx((ones - 1 + found / (found + 1)) / ones)
    assert table["als"]["hr_10"] == 1.0
    assert table["popularity"]["ndcg_10"] < table["als"]["ndcg_10"]
    assert lines(table)[1].startswith("als")


def test_what_was_seen_is_not_ranked(spark) -> None:
    train = pd.DataFrame(
        [(f"u{u}", f"i{i}", 1.0) for u in range(4) for i in range(4)],
        columns=["user", "item", "count"],
    )
    train = train[~((train["user"] == "u0") & train["item"].isin(["i2", "i3"]))]
    test = pd.DataFrame([("u0", "i3")], columns=["user", "item"])
    seen = pd.DataFrame([("u0", "i2")], columns=["user", "item"])
    recipe = Recipe(2, 0.1, 10.0, 3, "log", 1)
    assert evaluate_split(spark, train, test, recipe, seen)["als"]["ndcg_10"] == 1.0
