"""Let tokens be good no more: one token, or every token of a listener or a service key."""

import argparse
import sys
from contextlib import closing

from jobs.contract.errors import NocturneError
from jobs.contract.settings import load_settings
from jobs.contract.tokens import read_token
from jobs.stores.away import stores_named
from jobs.stores.revocations import Revocations


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when nothing was revoked."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--token", help="the token itself")
    what.add_argument("--subject", help="a listener, or the name of a service key")
    args = parser.parse_args(argv)
    try:
        settings = load_settings()
        with stores_named(), closing(Revocations(settings)) as revocations:
            if args.token:
                claims = read_token(settings, args.token)
                revocations.revoke_token(claims)
                print(f"revoke_tokens: one token of {claims.subject!r}")
            else:
                revocations.revoke_subject(args.subject)
                print(f"revoke_tokens: every token of {args.subject!r} that there is")
    except NocturneError as error:
        print(f"revoke_tokens: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
