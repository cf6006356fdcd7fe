"""User files: the same reading and accounting as songs, with fewer rules."""

import pytest

from jobs.contract.fields import names
from jobs.contract.songs import USER
from jobs.songs.decide import kept, rejected
from jobs.songs.sources import read_source
from jobs.songs.users import choose_users, user_rows


@pytest.mark.parametrize("header", ["user_id,username", "userid,name", "id,display_name"])
def test_users_and_what_is_refused(spark, tmp_path, header):
    (tmp_path / "u.csv").write_text(f"{header}\n1, Ann \n2,\n1,\n,Bob\n3,C,D\n{'x' * 129},E\n")
    decided = choose_users(user_rows(read_source(spark, str(tmp_path / "u.csv"), "u.csv")))
    users = kept(decided, USER)
    assert users.columns == names(USER)
    assert sorted(map(tuple, users.collect())) == [("1", "Ann"), ("2", None)]
    assert sorted((row.reason, row.source_file) for row in rejected(decided).collect()) == [
        ("bad_id", "u.csv"),
        ("duplicate_of_better_row", "u.csv"),
        ("missing_id", "u.csv"),
        ("unreadable_row", "u.csv"),
    ]
