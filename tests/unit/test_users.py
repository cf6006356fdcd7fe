"""User files: the same reading and accounting as songs, with fewer rules."""

import pytest

from jobs.contract.fields import names
from jobs.contract.songs import USER
from jobs.songs.decide import kept, rejected
from jobs.songs.sources import read_source
from jobs.songs.users import choose_users, user_rows


@pytest.mark.parametrize("header", ["user_id,username", "userid,name", "id,display_name"])
def test_users_and_what_is_refused(spark, tmp_path, header):
    rows = ["1, Ann ,folk", "2,,", "1,,", ",Bob,", "3,C,,D", f"{'x' * 129},E,"]
    (tmp_path / "u.csv").write_text("\n".join([f"{header},likes", *rows]))
    decided = choose_users(user_rows(read_source(spark, str(tmp_path / "u.csv"), "u.csv")))
    users = kept(decided, USER)
    assert users.columns == names(USER)
    assert sorted(map(tuple, users.collect())) == [("1", "Ann", "folk"), ("2", None, None)]
    assert sorted((row.reason, row.source_file) for row in rejected(decided).collect()) == [
        ("bad_id", "u.csv"),
        ("duplicate_of_better_row", "u.csv"),
        ("missing_id", "u.csv"),
        ("unreadable_row", "u.csv"),
    ]
