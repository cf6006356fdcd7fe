"""User files in `landing/users/` -> `master/users` and MongoDB's users.

Every row ends in `master/users` or, with its reason, in `master/users_rejected`; the rules are
in jobs/songs/users.py. A second run over the same files changes nothing, and vectors are never
written. User files are optional: without one, nothing is changed.
"""

import time
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame

from jobs.contract.errors import BadInput
from jobs.contract.names import LANDING_USERS, MASTER_USERS, MASTER_USERS_REJECTED
from jobs.contract.settings import load_settings
from jobs.contract.songs import USER
from jobs.session import spark_session
from jobs.songs.decide import account, kept, rejected
from jobs.songs.landing import arguments, land, landed
from jobs.songs.sources import read_source
from jobs.songs.summary import lines
from jobs.songs.users import choose_users, user_rows
from jobs.stores.documents import Documents
from jobs.stores.lake import overwrite, url
from jobs.stores.objects import Objects


def main(argv: Sequence[str] | None = None) -> None:
    """Raise BadInput when there are user files, but no row of any could be used."""
    args = arguments(argv, __doc__, LANDING_USERS)
    started = time.monotonic()
    settings = load_settings()
    bucket, objects = settings.lake_bucket, Objects(settings)
    for source in args.input:
        print(f"{source} -> {land(objects, bucket, LANDING_USERS, source)}")
    files = landed(objects, bucket, LANDING_USERS)
    if not files:
        print(f"{bucket}/{LANDING_USERS}/ has no user file, and needs none: nothing to do")
        return

    spark = spark_session(settings, "etl_users")
    sources = [user_rows(read_source(spark, url(settings, file), file)) for file in files]
    decided = choose_users(reduce(DataFrame.unionByName, sources)).persist()
    accounts = [(row.source_file, row.reason, row.rows) for row in account(decided).collect()]
    overwrite(rejected(decided), url(settings, MASTER_USERS_REJECTED))
    if any(reason is None for _, reason, _ in accounts):
        users = kept(decided, USER)
        overwrite(users, url(settings, MASTER_USERS))
        documents = Documents(settings)
        documents.ensure_indexes()
        documents.upsert_users(row.asDict() for row in users.toLocalIterator())
    print(*lines(accounts, "users", time.monotonic() - started), sep="\n")
    if all(reason is not None for _, reason, _ in accounts):
        raise BadInput(f"no row could be used, so the users stay: see {MASTER_USERS_REJECTED}")


if __name__ == "__main__":
    main()
