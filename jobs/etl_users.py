"""User files in landing/users/ -> master/users and MongoDB's users.

Reads files as etl_master_data does. Every row ends in master/users or, with its reason, in
master/users_rejected. A second run over the same files changes nothing, and vectors are never
written. Rows of erased listeners are left out of both. User files are optional: without one,
nothing is changed. The rules are in jobs/songs/users.py.
"""

import sys
from collections.abc import Sequence
from contextlib import closing

from pyspark.sql import DataFrame

from jobs.contract.names import LANDING_USERS, MASTER_USERS, MASTER_USERS_REJECTED
from jobs.contract.settings import Settings
from jobs.contract.songs import USER
from jobs.master_list import MasterList, run
from jobs.songs.users import choose_users, user_rows, without_erased
from jobs.stores.documents import Documents
from jobs.stores.erasures import Erasures


def leave_out_erased(settings: Settings, rows: DataFrame) -> DataFrame:
    """Leave out whoever asked to be erased, or the files would bring them back every night."""
    with closing(Erasures(settings)) as erasures:
        return without_erased(rows, erasures.hashes())


USER_LIST = MasterList(
    job="etl_users",
    name="users",
    landing=LANDING_USERS,
    master=MASTER_USERS,
    rejected=MASTER_USERS_REJECTED,
    fields=USER,
    rows=user_rows,
    choose=choose_users,
    upsert=Documents.upsert_users,
    needed=False,
    allowed=leave_out_erased,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where there are files but no row can be used."""
    return run(USER_LIST, argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
