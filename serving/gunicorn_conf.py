"""How gunicorn runs the app; address and number of workers may be given on the command line.

`preload_app` must stay off: the clients of MongoDB, Milvus and Kafka do not survive a fork.
Threads, because those clients block inside C, where neither gevent nor asyncio can switch; two
workers, because ranking holds the interpreter's lock: see infra/decisions/0011.
"""

import ctypes
import gc
import os
import shutil
import tempfile
from typing import Any

M_ARENA_MAX = -8
"""Of glibc's mallopt."""
NEW_OBJECTS = 10_000
"""A home page makes thousands of objects that live no longer than it: looking for garbage as often
as Python does by default took a fifteenth of all CPU time."""

# prometheus_client looks at this when it is imported, so before the app is loaded.
_shared = "PROMETHEUS_MULTIPROC_DIR"
if not os.environ.get(_shared):
    os.environ[_shared] = tempfile.mkdtemp(prefix="nocturne-metrics-")
    _made: str | None = os.environ[_shared]
else:
    _made = None

worker_class = "serving.worker.Worker"
workers = 2
threads = 16
timeout = 60
graceful_timeout = 10
# Short: a worker that is to end waits for connections that are kept.
keepalive = 5
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 4094
preload_app = False
accesslog = None
errorlog = "-"
# Its default is one path per user, which two stacks of that user would share.
control_socket_disable = True


def post_fork(_server: Any, _worker: Any) -> None:
    """Let a worker's threads share two heaps, as one for each would only ever grow."""
    gc.set_threshold(NEW_OBJECTS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)


def child_exit(_server: Any, worker: Any) -> None:
    """Let the gauges of a worker that ended be counted no more."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Remove the folder of the metrics, if it was made here."""
    if _made:
        shutil.rmtree(_made, ignore_errors=True)
