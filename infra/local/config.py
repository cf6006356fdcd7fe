"""What the local stack is made of: ports, folders, secrets and the environment of its parts."""

import json
import os
import secrets
import sys
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.local.identities import ROOT_USER, USERS, key_variable
from infra.local.install import ROOT, VENV, jars, minio_binary
from jobs.contract.errors import SettingsError
from jobs.contract.settings import PREFIX, Settings

HOST = "127.0.0.1"
AIRFLOW_USERS = "admin:admin,op:op,viewer:viewer"


class Local(BaseSettings):
    """Ports and folder of one local stack; everything else follows from them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    state: Path = Field(ROOT / ".nocturne", description="Folder of the local stack's state.")
    app_port: int = Field(8000, description="The player and its API.")
    airflow_port: int = Field(8080, description="Airflow.")
    minio_port: int = Field(9000, description="MinIO, S3 protocol.")
    minio_console_port: int = Field(9001, description="MinIO's console.")
    kafka_port: int = Field(9092, description="Kafka.")
    kafka_controller_port: int = Field(9093, description="Kafka's controller.")
    mongo_port: int = Field(27017, description="MongoDB protocol.")
    milvus_port: int = Field(19530, description="Milvus.")
    milvus_internal_port: int = Field(19540, description="First of eight ports inside Milvus.")
    milvus_metrics_port: int = Field(9091, description="Milvus' health and metrics.")
    etcd_port: int = Field(2379, description="First of two ports of Milvus' etcd.")
    redis_port: int = Field(6379, description="Redis.")
    supervisor_port: int = Field(9005, description="supervisord.")
    prometheus_port: int = Field(9090, description="Prometheus, with `make metrics`.")
    exporter_port: int = Field(9108, description="What the stores know, for Prometheus.")
    statsd_exporter_port: int = Field(9102, description="Airflow's metrics, for Prometheus.")
    statsd_port: int = Field(9125, description="Airflow's metrics, as it sends them (UDP).")
    scrape_seconds: int = Field(15, ge=1, description="Prometheus reads all metrics so often.")

    def ports(self) -> dict[int, str]:
        """Return every port that `make up` listens on, with the part that has it."""
        named = {
            self.app_port: "app",
            self.airflow_port: "Airflow",
            self.minio_port: "MinIO",
            self.minio_console_port: "MinIO console",
            self.kafka_port: "Kafka",
            self.kafka_controller_port: "Kafka controller",
            self.mongo_port: "MongoDB",
            self.milvus_port: "Milvus",
            self.milvus_metrics_port: "Milvus metrics",
            self.etcd_port: "etcd",
            self.etcd_port + 1: "etcd peer",
            self.redis_port: "Redis",
            self.supervisor_port: "supervisord",
        }
        inside = {self.milvus_internal_port + i: "inside Milvus" for i in range(8)}
        return named | inside

    def metrics_ports(self) -> dict[int, str]:
        """Return every port (TCP) that `make metrics` adds."""
        return {
            self.prometheus_port: "Prometheus",
            self.exporter_port: "exporter",
            self.statsd_exporter_port: "StatsD exporter",
        }


def load_local() -> Local:
    """Read the stack's own settings from the environment; raises SettingsError by name."""
    try:
        local = Local()
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"wrong settings: {wrong}") from None
    return local.model_copy(update={"state": local.state.resolve()})


def stack_secrets(state: Path) -> dict[str, str]:
    """Return this stack's secrets, made once and kept in a file that only its owner reads."""
    path = state / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    wanted = ["s3", *(f"s3_{user}" for user in USERS)]
    wanted += ["kafka", "redis", "milvus", "supervisor", "token", "airflow_api", "airflow_jwt"]
    made = {name: secrets.token_hex(24) for name in wanted}
    made |= {f"airflow_{user}": secrets.token_urlsafe(12) for user in ("admin", "op", "viewer")}
    if made.keys() <= known.keys():
        return known
    state.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(made | known, indent=1))
    return made | known


def settings_environment(local: Local) -> dict[str, str]:
    """Return the `NOCTURNE_*` variables that reach this stack, credentials included.

    A variable that is set already wins, but for addresses: those follow the ports.
    """
    made = stack_secrets(local.state)
    addresses = {
        "ENVIRONMENT": "local",
        "KAFKA_BOOTSTRAP": f"{HOST}:{local.kafka_port}",
        "KAFKA_USER": "nocturne",
        "KAFKA_PASSWORD": made["kafka"],
        "MONGO_URI": f"mongodb://{HOST}:{local.mongo_port}",
        "MILVUS_URI": f"http://{HOST}:{local.milvus_port}",
        "MILVUS_TOKEN": f"root:{made['milvus']}",
        "REDIS_URL": f"redis://:{made['redis']}@{HOST}:{local.redis_port}/0",
        "S3_ENDPOINT": f"http://{HOST}:{local.minio_port}",
        "S3_ACCESS_KEY": "jobs",
        "S3_SECRET_KEY": made["s3_jobs"],
        "CHECKPOINT_DIR": str(local.state / "checkpoints"),
        "TUNING_DIR": str(local.state / "tuning"),
        "SUPERVISOR_URL": f"http://nocturne:{made['supervisor']}@{HOST}:{local.supervisor_port}/RPC2",
        "SERVING_URL": _serving_url(local),
        "TOKEN_SECRET": made["token"],
    }
    own = {PREFIX + name.upper(): str(getattr(local, name)) for name in Local.model_fields}
    given = {
        PREFIX + name.upper(): value
        for name in Settings.model_fields
        if (value := os.environ.get(PREFIX + name.upper())) is not None
    }
    return given | own | {PREFIX + name: value for name, value in addresses.items()}


def administrator(state: Path) -> dict[str, str]:
    """Return MinIO's root key as the settings have it, in place of the jobs' key."""
    return _s3(ROOT_USER, stack_secrets(state)["s3"])


def own_keys(state: Path) -> dict[str, dict[str, str]]:
    """Return the variables that one program alone is given, or has a value of its own for."""
    made = stack_secrets(state)
    return {
        "minio": {"MINIO_ROOT_USER": ROOT_USER, "MINIO_ROOT_PASSWORD": made["s3"]},
        "init": administrator(state) | {key_variable(u): made[f"s3_{u}"] for u in USERS},
        "stream": _s3("stream", made["s3_stream"]),
        "app": _s3("serving", made["s3_serving"]),
    }


def _s3(user: str, secret: str) -> dict[str, str]:
    return {f"{PREFIX}S3_ACCESS_KEY": user, f"{PREFIX}S3_SECRET_KEY": secret}


def _serving_url(local: Local) -> str:
    """Return the app's address, or nothing where the caller does not want it to be asked."""
    asked = os.environ.get(f"{PREFIX}SERVING_URL") != ""
    return f"http://{HOST}:{local.app_port}" if asked else ""


def environment(local: Local) -> dict[str, str]:
    """Return the whole environment in which the stack's programs and its jobs run."""
    inherited = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("AIRFLOW_", "PYTHONDONTWRITEBYTECODE", PREFIX))
    }
    return inherited | own_environment(local)


def own_environment(local: Local) -> dict[str, str]:
    """Return what the stack adds to the environment of whoever works with it."""
    made = stack_secrets(local.state)
    airflow_url = f"http://{HOST}:{local.airflow_port}"
    airflow_home = local.state / "airflow"
    return settings_environment(local) | {
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        "SPARK_CONF_DIR": str(local.state / "spark"),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(local.state / "tmp"),
        "PYSPARK_PYTHON": sys.executable,
        "MPLCONFIGDIR": str(local.state / "tmp" / "matplotlib"),
        "NOCTURNE_ROOT": str(ROOT),
        "NOCTURNE_VENV": str(VENV),
        "NOCTURNE_MINIO": str(minio_binary()),
        "NOCTURNE_KAFKA_JARS": str(jars("kafka")),
        "MINIO_UPDATE": "off",
        "AIRFLOW_URL": airflow_url,
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow_url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": AIRFLOW_USERS,
        "AIRFLOW__CORE__FERNET_KEY": "",
        # Writers wait for each other, seconds, before "database is locked"; unsaid, it is 5.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home}/airflow.db?timeout=30",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(local.airflow_port),
        "AIRFLOW__API__BASE_URL": airflow_url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": made["airflow_api"],
        "AIRFLOW__API_AUTH__JWT_SECRET": made["airflow_jwt"],
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        # Nobody may be listening: then the packets are lost, and nothing else happens.
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": HOST,
        "AIRFLOW__METRICS__STATSD_PORT": str(local.statsd_port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(
            {
                "conn_type": "spark",
                "host": os.environ.get(f"{PREFIX}SPARK_MASTER", "local[2]"),
                "extra": {"deploy-mode": "client"},
            }
        ),
    }
