"""Send live events of a simulated world, to Kafka or to POST /events, at a steady rate.

Events happen in the order of real sessions; their clock is the rate's. At --speed 1 each has
the time at which it is sent. At --speed S the clock runs S times as fast and ends at the
present, so that a minute at --speed 60 fills the last hour. SIGINT and SIGTERM stop it after
the events under way; a second one ends it at once.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

from jobs.contract.settings import Settings, load_settings
from jobs.contract.tokens import listener_token
from jobs.simulate.live import Event, live_events
from jobs.simulate.senders import Counts, HttpSender, LogSender, ReceiverAway, Sender
from jobs.simulate_history import read_world
from jobs.stores.events import BrokerUnavailable, EventLog

TICK_S = 0.25
"""Events of one tick are sent together."""

COMPLAINTS_SHOWN = 5


def main(argv: list[str] | None = None) -> int:
    """Send for `--seconds`; return 1 if any event was not acknowledged."""
    options = _parse(argv)
    stop = _stop_on_signals()
    counts, started = Counts(), time.monotonic()
    events = live_events(read_world(options.world), time.time_ns() // 1_000_000, options.to)
    with closing(_sender(load_settings(), options)) as sender:
        try:
            for batch in paced(events, options.rate, options.seconds, options.speed, stop):
                sender.send(batch, counts)
        except ReceiverAway as error:
            print(f"stopped: {error}", file=sys.stderr)
    for complaint in counts.complaints[:COMPLAINTS_SHOWN]:
        print(f"refused: {complaint}", file=sys.stderr)
    print(
        f"sent {counts.sent:,} events to {options.to} in {time.monotonic() - started:.1f} s: "
        f"{counts.acknowledged:,} acknowledged, {counts.failed:,} failed"
    )
    return 1 if counts.failed else 0


def paced(
    events: Iterator[Event], rate: float, seconds: float, speed: float, stop: threading.Event
) -> Iterator[list[Event]]:
    """Yield what is due at each tick, timestamped, until all is sent or `stop` is set.

    The n-th event is due n / rate seconds after the start: after a slow answer the next tick
    catches up, and the total stays rate x seconds.
    """
    started, started_ms, sent = time.monotonic(), time.time() * 1000, 0
    first_ms = started_ms - 1000 * seconds * (speed - 1)
    total = round(rate * seconds)
    while sent < total and not stop.is_set():
        due = min(int((time.monotonic() - started) * rate) + 1, total)
        batch = list(islice(events, due - sent))
        for place, event in enumerate(batch, start=sent):
            event["timestamp"] = int(first_ms + 1000 * speed * place / rate)
        if batch:
            yield batch
        sent = due
        stop.wait(TICK_S)


def _sender(settings: Settings, options: argparse.Namespace) -> Sender:
    if options.to == "http":
        return HttpSender(options.url, partial(listener_token, settings))
    return LogSender(EventLog(settings), BrokerUnavailable)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def stop_once(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_once)
    return stop


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--world", type=Path, required=True, help="folder of simulate_history")
    parser.add_argument("--to", choices=("kafka", "http"), default="kafka", help="kafka (default)")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the app, for --to http")
    parser.add_argument("--rate", type=float, default=20, help="events per second (20)")
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--speed", type=float, default=1, help="clock speed; 1: real time (1)")
    options = parser.parse_args(argv)
    if options.rate <= 0 or options.seconds <= 0 or options.speed < 1:
        parser.error("--rate and --seconds must be above 0, --speed at least 1")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
