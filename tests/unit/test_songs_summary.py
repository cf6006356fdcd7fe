"""What a job says of its rows."""

from jobs.phases import summary
from jobs.songs.summary import lines


def test_lines_per_file_and_per_reason():
    accounts = [("b.csv", None, 3), ("b.csv", "bad_date", 2), ("a.csv", "bad_date", 1)]
    assert lines(accounts, "songs") == [
        "a.csv: 1 rows, 0 songs, 1 rejected",
        "b.csv: 5 rows, 3 songs, 2 rejected",
        "rejected as bad_date: 3",
    ]


def test_the_table_that_ends_a_log():
    head, row = summary("etl_users", 1_200, 1_190, 10, 61.26).splitlines()
    assert head.split("  ")[-1].strip() == "seconds"
    assert row.split() == ["etl_users", "1,200", "1,190", "10", "61.3"]
    assert len(head) == len(row)
