"""Exit 0 while the stream driver writes its heartbeat: a stuck one has a living process too."""

import sys
import time

from jobs.contract.settings import load_settings
from jobs.stores.stream_health import StreamHealth

settings = load_settings()
last = StreamHealth(settings).read().get("at", 0)
sys.exit(time.time() - last > settings.stream_stale_seconds)
