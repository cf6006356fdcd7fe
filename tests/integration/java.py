"""A JVM that stays while the tests run, for jobs that they start by themselves.

A job of a few hundred plays spends most of its time on the start of its JVM. What Airflow runs
starts its own all the same, as it does in every installation.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from pyspark.java_gateway import launch_gateway


class Java:
    """The JVM of one stack, whose Spark one job at a time has."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        # What lives so long is worth being compiled well, and compiles more than 48 MiB.
        own = {"PYSPARK_SUBMIT_ARGS": "--master local[2] pyspark-shell", "SPARK_SUBMIT_OPTS": ""}
        with mock.patch.dict(os.environ, env | own, clear=True), log.open("a") as stderr:
            self._gateway = launch_gateway(popen_kwargs={"stderr": stderr})
        found = self._gateway.java_parameters
        self._env = {
            "PYSPARK_GATEWAY_PORT": str(found.port),
            "PYSPARK_GATEWAY_SECRET": found.auth_token,
        }
        self._free = threading.Lock()

    @contextmanager
    def lent(self) -> Iterator[dict[str, str]]:
        """Give what makes a job's PySpark use this JVM; nothing while another job has it."""
        if not self._free.acquire(blocking=False):
            yield {}
            return
        try:
            yield self._env
        finally:
            self._end_context()
            self._free.release()

    def _end_context(self) -> None:
        """End the Spark of a job that ended without doing so, as a killed one does."""
        module = getattr(self._gateway.jvm.org.apache.spark, "SparkContext$")
        context = getattr(module, "MODULE$").getActive()
        if context.isDefined():
            context.get().stop()

    def close(self) -> None:
        """End the JVM."""
        self._gateway.shutdown()
        self._gateway.proc.stdin.close()
        self._gateway.proc.wait(timeout=30)
