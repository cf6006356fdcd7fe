"""Make an earlier generation live again: the one before the live one, or --to.

The same switch as a publication: what goes live is checked and asked for over the app first,
and nothing is deleted. Who did it, and why, is kept with both generations. The generation that was
left stays servable; only a rollback makes it live again.
"""

import argparse
import getpass
import sys
from contextlib import closing

from jobs.contract.errors import NocturneError
from jobs.contract.generations import generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.publish import Publisher
from jobs.stores.away import stores_named
from jobs.stores.generations import Generations


def kept(settings: Settings) -> list[str]:
    """Return a line for each generation that can be live at once, the last published first."""
    with closing(Generations(settings)) as generations:
        live = generations.live().generation
        found = [generations.find(generation) for generation in generations.servable()]
    return [
        f"{d['_id']}  as of {d['as_of']}{'  live' if d['_id'] == live else ''}" for d in found if d
    ] or ["nothing was published yet"]


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where nothing was rolled back."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=generation_id, help="default: what was live before")
    parser.add_argument(
        "--expect", metavar="LIVE", type=generation_id, help="only while this one is live"
    )
    parser.add_argument("--list", action="store_true", help="only show what can be live")
    parser.add_argument("--reason", default="", help="kept with the generations")
    parser.add_argument("--by", default=getpass.getuser(), help="who rolls back (this user)")
    args = parser.parse_args(argv)
    try:
        settings = load_settings()
        if args.list:
            print(*kept(settings), sep="\n")
            return 0
        with stores_named(), closing(Publisher(settings)) as publisher:
            for warning in publisher.roll_back(args.to, args.reason, args.by, args.expect):
                print(f"rollback: warning: {warning}; the next run tries again", file=sys.stderr)
    except NocturneError as error:
        print(f"rollback: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
