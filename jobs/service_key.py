"""Print a key for a program that speaks for no listener."""

import argparse
import sys

from jobs.contract.errors import NocturneError
from jobs.contract.settings import load_settings
from jobs.contract.tokens import SCOPES, service_key


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where keys cannot be signed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the program, by which its keys can be revoked")
    parser.add_argument("scopes", nargs="+", choices=SCOPES, help="what the key is good for")
    parser.add_argument("--days", type=int, default=365, help="how long it lives (365)")
    args = parser.parse_args(argv)
    if not args.name:
        parser.error("whose key? make service-key NAME=<who>")
    try:
        print(service_key(load_settings(), args.name, args.scopes, args.days))
    except NocturneError as error:
        print(f"service_key: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
