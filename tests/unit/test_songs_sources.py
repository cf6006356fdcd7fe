"""Files as people write them: every row is read, or said to be unreadable."""

import csv
import gzip
import json

import pytest

from jobs.contract.errors import BadInput
from jobs.songs.columns import RAW, UNREADABLE
from jobs.songs.sources import catalogue_files, landing_name, read_source

MESSY = [
    ["id", "track name"],
    ["1", 'He said "no", twice'],
    ["2", "two\nlines, and\r\nthree"],
    ["3", "a \\ backslash and a \\"],
    ["4", '"'],
    ["5", "ünïcödé 音楽 🎵"],
    ["6", " , "],
]


def cells(source):
    rows = source.collect()
    assert all(row[UNREADABLE] is None for row in rows)
    return sorted([v or "" for v in json.loads(row[RAW]).values()] for row in rows)


@pytest.mark.parametrize("delimiter", [",", "|", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_quotes_newlines_and_marks(spark, tmp_path, delimiter, line_end, encoding):
    path = tmp_path / {",": "a.csv", "|": "a.psv", "\t": "a.tsv"}[delimiter]
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter, lineterminator=line_end).writerows(MESSY)
    source = read_source(spark, str(path), path.name)
    assert source.columns[:2] == MESSY[0]
    # Where lines end in CR LF, Spark writes one inside quotes as LF; a title has neither.
    expected = json.loads(json.dumps(MESSY[1:]).replace("\\r", "" if line_end == "\r\n" else "\\r"))
    assert cells(source) == expected


def test_a_row_of_another_length_is_unreadable(spark, tmp_path):
    (tmp_path / "a.csv").write_text("id,name\n1,one\n2\n3,three,more\n\n")
    rows = read_source(spark, str(tmp_path / "a.csv"), "a.csv").collect()
    assert [row[UNREADABLE] for row in rows] == [None, "2", "3,three,more"]
    assert [row[RAW] for row in rows] == ['{"id":"1","name":"one"}', "2", "3,three,more"]


@pytest.mark.parametrize("line", ["not json", '{"id": "2"', "[1]", '"text"'])
def test_a_line_that_is_no_object_is_unreadable(spark, tmp_path, line):
    (tmp_path / "a.jsonl").write_text('{"id": 7, "title": "x", "n": {"a": [1]}}\n' + line + "\n")
    rows = read_source(spark, str(tmp_path / "a.jsonl"), "a.jsonl").collect()
    assert [row[UNREADABLE] for row in rows] == [None, line]
    assert json.loads(rows[0][RAW]) == {"id": "7", "title": "x", "n": {"a": ["1"]}}


def test_a_mark_before_json_is_no_part_of_it(spark, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1"}\r\n{"id": "2"}\r\n', encoding="utf-8-sig")
    assert cells(read_source(spark, str(tmp_path / "a.jsonl"), "a.jsonl")) == [["1"], ["2"]]


def test_a_file_of_unreadable_lines_alone(spark, tmp_path):
    (tmp_path / "a.json").write_text("no\nnever\n")
    rows = read_source(spark, str(tmp_path / "a.json"), "a.json").collect()
    assert [row[RAW] for row in rows] == ["no", "never"]


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl"])
def test_an_empty_file_has_no_rows(spark, tmp_path, name):
    (tmp_path / name).write_text("")
    assert read_source(spark, str(tmp_path / name), name).count() == 0


def test_compressed_files_parquet_and_odd_names(spark, tmp_path):
    text = "id,title\n1,one\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b (1) é.csv").write_text(text)
    spark.createDataFrame([(1, "one")], "id int, title string").write.parquet(
        str(tmp_path / "c.parquet")
    )
    for path in sorted(tmp_path.iterdir()):
        assert cells(read_source(spark, str(path), path.name)) in ([["1", "one"]], [[1, "one"]])


def test_what_is_not_as_its_name_says_is_refused_by_name(spark, tmp_path):
    (tmp_path / "a.parquet").write_text("no parquet")
    with pytest.raises(BadInput, match=r"landing/a\.parquet cannot be read as \.parquet"):
        read_source(spark, str(tmp_path / "a.parquet"), "landing/a.parquet")
    with pytest.raises(BadInput, match=r"a \[1\]\.csv: .* rename it"):
        read_source(spark, str(tmp_path / "a [1].csv"), "a [1].csv")
    with pytest.raises(BadInput, match=r"notes\.txt: a catalogue file ends in"):
        read_source(spark, "notes.txt", "notes.txt")


def test_which_keys_are_catalogue_files():
    names = ["B.CSV", "a/b.json.gz", "x.parquet/part-0.parquet", "x.parquet/_SUCCESS", "notes.txt"]
    names += ["_hidden.csv", "csv", ""]
    files, others = catalogue_files([f"landing/songs/{name}" for name in names], "landing/songs")
    assert files == [f"landing/songs/{name}" for name in ("B.CSV", "a/b.json.gz", "x.parquet")]
    assert others == [f"landing/songs/{name}" for name in ("notes.txt", "_hidden.csv", "csv")]


def test_a_file_lands_under_its_own_name():
    assert landing_name("/data/tracks_ms.psv") == "tracks_ms.psv"
    assert landing_name("https://a.b/c/my%20songs.csv.gz?key=1") == "my songs.csv.gz"
    assert landing_name("songs [1].jsonl") == "songs -1-.jsonl"
    with pytest.raises(BadInput, match=r"songs\.xlsx: .*\.csv"):
        landing_name("songs.xlsx")
