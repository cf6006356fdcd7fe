"""The summary adds up: rows in = kept + rejected."""

from jobs.songs.summary import lines


def test_lines_per_file_per_reason_and_in_all():
    accounts = [("b.csv", None, 3), ("b.csv", "bad_date", 2), ("a.csv", "bad_date", 1)]
    assert lines(accounts, "songs", 1.25) == [
        "a.csv: 1 rows, 0 songs, 1 rejected",
        "b.csv: 5 rows, 3 songs, 2 rejected",
        "rejected as bad_date: 3",
        "rows in 6 = songs 3 + rejected 3, 1.2 s",
    ]
