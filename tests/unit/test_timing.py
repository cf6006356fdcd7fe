"""What the bench makes of its measurements."""

import pytest

from infra.local.timing import BenchFailed, Samples, rows, table

MEASURED = {
    "GET /livez": Samples([0.001] * 50, seconds=0.05),
    "peer": Samples([0.004] * 98 + [0.1] * 2, seconds=0.5),
}


def test_rows_are_in_milliseconds_and_relative_to_the_peer():
    livez, peer = rows(MEASURED, 8, peer="peer")
    assert (livez.target, livez.connections, livez.requests) == ("GET /livez", 8, 50)
    assert (livez.p50_ms, livez.p99_ms, livez.requests_per_s) == (1, 1, 1000)
    assert livez.p50_to_peer == 0.25
    assert (peer.p50_ms, peer.p99_ms, peer.requests_per_s, peer.p50_to_peer) == (4, 100, 200, 1)


def test_a_target_that_never_answered_is_named():
    with pytest.raises(BenchFailed, match="GET /livez answered nothing"):
        rows(MEASURED | {"GET /livez": Samples()}, 1, peer="peer")


def test_the_columns_of_the_table_line_up():
    lines = table(rows(MEASURED, 1, peer="peer")).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len({tuple(i for i, c in enumerate(line) if c == "|") for line in lines}) == 1
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == [
        *("peer", "1", "100", "4.00", "100.00", "200", "1.00"),
    ]
