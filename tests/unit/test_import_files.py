"""Files on their way to an import: fetched whole or not at all, unpacked, and as they were said."""

import gzip
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.contract.errors import BadInput
from jobs.import_logs import _arguments, choose, identity_of, main
from jobs.imports.files import fetch, safe_name, unpack
from jobs.imports.layout import look

BODY = b"u1\t2009-05-04T23:08:57Z\ta\tb\tc\td\n" * 1000
ROOM = 1_000_000


class Server(BaseHTTPRequestHandler):
    """Serves BODY; `/cut` ends early each time, `/cut-once` the first time."""

    tries = 0

    def do_GET(self):
        self.path = self.path.split("?")[0]
        if self.path == "/none":
            self.send_error(404)
            return
        type(self).tries += 1
        cut = self.path == "/cut" or (self.path == "/cut-once" and self.tries == 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:100] if cut else BODY)

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    Server.tries = 0
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_url_is_fetched(address, tmp_path):
    path = fetch(f"{address}/logs/my%20plays.tsv?key=1", tmp_path, ROOM, objects=None)
    assert (path.name, path.read_bytes()) == ("logs-my-plays.tsv", BODY)


def test_an_interrupted_download_starts_again(address, tmp_path):
    assert fetch(f"{address}/cut-once", tmp_path, ROOM, objects=None).read_bytes() == BODY
    assert Server.tries == 2


@pytest.mark.parametrize(
    ("path", "room", "says"),
    [
        ("/none", ROOM, "/none: the server answers 404 Not Found"),
        ("/cut", ROOM, "ended before the file did"),
        ("/big", 1000, "raise --max-gb"),
    ],
)
def test_a_failed_download_says_why(address, tmp_path, path, room, says):
    with pytest.raises(BadInput, match=says) as raised:
        fetch(f"{address}{path}?key=secret", tmp_path, room, objects=None)
    assert "secret" not in str(raised.value)


def test_a_dead_server_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"127.0.0.1:1/log: not downloaded in 3 tries"):
        fetch("http://127.0.0.1:1/log", tmp_path, ROOM, objects=None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere.csv: there is no such file"):
        fetch("nowhere.csv", tmp_path, ROOM, objects=None)


def packed(kind, path):
    members = {"README.txt": b"hello", "a/plays.tsv": BODY, "b/_hidden.tsv": b"x"}
    if kind == "gz":
        path.write_bytes(gzip.compress(BODY))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, body in members.items():
                archive.writestr(name, body)
    elif kind == "tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            for name, body in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
    else:
        path.write_bytes(BODY)
    return path


@pytest.mark.parametrize("kind", ["plain", "gz", "zip", "tar.gz"])
def test_packed_files_are_unpacked_whatever_their_name(tmp_path, kind):
    (file,) = unpack(packed(kind, tmp_path / "log"), tmp_path, ROOM)
    assert file.read_bytes() == BODY


@pytest.mark.parametrize("kind", ["gz", "zip", "tar.gz"])
def test_damaged_and_swelling_archives_are_refused(tmp_path, kind):
    path = packed(kind, tmp_path / "log")
    with pytest.raises(BadInput, match="larger than"):
        unpack(path, tmp_path / "small", 1000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match="cannot be unpacked"):
        unpack(path, tmp_path / "cut", ROOM)


@pytest.mark.parametrize("name", ["_a.csv", "../../x y.csv", "a*{b}[c]?.csv", "", "...", "é"])
def test_names_are_safe_for_s3_and_spark(name):
    assert safe_name(name)[0] not in "._-"
    assert not set(safe_name(name)) & set("/*?[]{} ,")


COLUMNS = ("--format", "columns", "--map", "user_id=who,track_id=what,timestamp=when")


@pytest.mark.parametrize(
    ("body", "options", "says"),
    [
        (b"", ("--format", "30music"), "empty"),
        (b"<html>", ("--format", "30music"), "not a Parquet file"),
        (b"PAR1 and no more", ("--format", "30music"), "damaged Parquet file"),
        (b"\n \n", ("--format", "listenbrainz"), "no rows"),
        (b"<html>\n", ("--format", "listenbrainz"), "no JSON object"),
        (b'{"listened_at": 1}\n', ("--format", "listenbrainz"), "missing column track_metadata"),
        (b'{"listened_at": 1, "track_metadata": 1}', ("--format", "listenbrainz"), "user_name"),
        (b'{"user_id": "u"}', ("--format", "nocturne"), "track_id, timestamp, action; it has user"),
        (b"a,b\n1,2\n", ("--format", "lastfm-1k"), "1 tab-separated columns, not 6"),
        (b"who,when\n1,2\n", COLUMNS, "missing column what; it has who, when"),
        (b"who,what,when\n", COLUMNS, "a header and no rows"),
        (b"a,b\n1,2\n", (*COLUMNS[:3], "user_id=a"), "no column for track_id, timestamp"),
    ],
)
def test_a_file_that_is_not_as_said(tmp_path, body, options, says):
    path = tmp_path / "log"
    path.write_bytes(body)
    args = _arguments([str(path), *options])
    with pytest.raises(BadInput, match=says):
        look(path, args.format, args.reading)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"user_id": [1], "song_id": [2]}, "missing column ts; it has user_id, song_id"),
        ({"user_id": [1.5], "song_id": [2], "ts": [3]}, "user_id is double, not string"),
        ({"user_id": ["a"], "song_id": [2], "ts": ["3"]}, "ts is string, not bigint"),
    ],
)
def test_parquet_columns_that_do_not_fit(tmp_path, columns, says):
    pq.write_table(pa.table(columns), tmp_path / "log")
    with pytest.raises(BadInput, match=says):
        look(tmp_path / "log", "30music", _arguments(["x", "--format", "30music"]).reading)


def test_an_archive_may_hold_other_files(tmp_path, capsys):
    for name, body in (("plays.tsv", BODY), ("profile.tsv", b"user_1\tm\t30\n")):
        (tmp_path / name).write_bytes(body)
    asked = _arguments(["x", "--format", "lastfm-1k"]).reading
    files = [tmp_path / "profile.tsv", tmp_path / "plays.tsv"]
    assert list(choose(files, "lastfm-1k", asked)) == files[1:]
    assert "left out: profile.tsv" in capsys.readouterr().out


def test_an_import_is_known_by_bytes_and_reading(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.write_bytes(BODY)
    readings = [_arguments(["x", *COLUMNS, *more]).reading for more in ((), ("--no-header",))]
    ids = [identity_of(path, "columns", reading) for path in (one, two) for reading in readings]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2
    two.write_bytes(BODY + b"\n")
    assert identity_of(two, "columns", readings[0]) not in ids


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "vinyl"),
        ("--format", "columns"),
        ("--format", "30music", "--map", "user_id=a"),
        ("--format", "columns", "--map", "listener=a"),
        ("--format", "columns", "--map", "user_id=a", "--delimiter", "||"),
    ],
)
def test_arguments_that_make_no_sense(options):
    with pytest.raises(SystemExit):
        _arguments(["x", *options])


def test_main_says_what_is_wrong_in_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path / "gone.csv"), "--format", "lastfm-1k"]) == 1
    assert capsys.readouterr().err == f"import_logs: {tmp_path}/gone.csv: there is no such file\n"
