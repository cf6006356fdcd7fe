"""Start one program of the stack once what it needs is there, and nothing of its last run.

    waitfor.py PROGRAM [CONDITION...] -- COMMAND...

A condition is `tcp:PORT`, `http:PORT/PATH` (answers 200) or `done:PROGRAM` (a one-shot that
ended well). The command replaces this process, so signals from supervisord reach it.
"""

import os
import socket
import sys
import time
import urllib.request
import xmlrpc.client
from pathlib import Path

from infra.local.processes import end, members

PATIENCE_SECONDS = 6
POLL_SECONDS = 0.5


def met(condition: str) -> bool:
    """Say whether a condition holds now."""
    kind, _, rest = condition.partition(":")
    try:
        if kind == "tcp":
            socket.create_connection(("127.0.0.1", int(rest)), timeout=2).close()
            return True
        if kind == "http":
            with urllib.request.urlopen(f"http://127.0.0.1:{rest}", timeout=5) as answer:
                return bool(answer.status == 200)
        if kind == "done":
            supervisor = xmlrpc.client.ServerProxy(os.environ["NOCTURNE_SUPERVISOR_URL"])
            state = supervisor.supervisor.getProcessInfo(rest)
            return bool(state["statename"] == "EXITED" and state["exitstatus"] == 0)
    except (OSError, xmlrpc.client.Error):
        return False
    raise SystemExit(f"waitfor: unknown condition {condition}")


def main(arguments: list[str]) -> None:
    """Reap, wait, and become the command."""
    split = arguments.index("--")
    (program, *conditions), command = arguments[:split], arguments[split + 1 :]
    state = Path(os.environ["NOCTURNE_STATE"])
    left_over = end(members(state, program), PATIENCE_SECONDS)
    if left_over:
        print(f"waitfor: ended {left_over} processes that the last {program} left", flush=True)
    for condition in conditions:
        said = False
        while not met(condition):
            if not said:
                print(f"waitfor: {program} waits for {condition}", flush=True)
                said = True
            time.sleep(POLL_SECONDS)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
