"""`infra/compose.yml` is sound, as far as that can be known without a container engine."""

import json
import re
from pathlib import Path
from typing import Any

import pyspark
import pytest
import yaml
from compose_spec import PyCompose
from dotenv import dotenv_values
from expandvars import ParameterNullOrNotSet, expand

from infra.local.identities import USERS, key_variable
from jobs.contract.settings import PREFIX, Settings

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = (INFRA / "compose.yml").read_text()
TLS = (INFRA / "compose.tls.yml").read_text()
CADDY = (INFRA / "tls/Caddyfile").read_text()
DOCKERFILE = (INFRA / "images/Dockerfile").read_text()
MAKEFILE = (INFRA.parent / "Makefile").read_text()
JARS = dict(re.findall(r'name="(\S+)" rev="(\S+)"', (INFRA / "local/ivy.xml").read_text()))
LOCK = (INFRA / "requirements/dev.txt").read_text()
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))
EXAMPLE = dotenv_values(INFRA / "env.example")
SECRETS = [name for name in EXAMPLE if EXAMPLE[name]]
JOBS = ("jobs", "secret-S3_JOBS_KEY")
ROLES = {
    *("kafka", "minio", "mongo", "milvus", "attu", "redis", "postgres"),
    *("spark-master", "spark-worker", "stream", "serving"),
    *("exporter", "statsd", "prometheus", "grafana"),
    *("airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"),
}


def parse(text: str, env: dict[str, str | None]) -> dict[str, Any]:
    """Fill in the variables and check the whole file against the Compose specification."""
    filled = expand(text, environ={name: value or "" for name, value in env.items()})
    compose = PyCompose.from_json(json.dumps(yaml.safe_load(filled)))
    compose.validate()
    return compose.to_dict()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return parse(COMPOSE, EXAMPLE)


@pytest.fixture(scope="module")
def one_shots(compose) -> set[str]:
    waits = [s.get("depends_on", {}) for s in compose["services"].values()]
    done = "service_completed_successfully"
    return {name for wait in waits for name, how in wait.items() if how["condition"] == done}


def test_every_role_is_a_service(compose, one_shots):
    assert set(compose["services"]) == ROLES | one_shots


def test_every_service_has_a_health_check_or_ends(compose, one_shots):
    lasting = {n for n, s in compose["services"].items() if s.get("restart") == "unless-stopped"}
    checked = {n for n, s in compose["services"].items() if "test" in s.get("healthcheck", {})}
    assert lasting == ROLES
    assert checked == ROLES


def test_nobody_waits_for_a_stranger(compose):
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def test_ports_are_published_on_this_machine_alone(compose):
    ports = [p for s in compose["services"].values() for p in s.get("ports", [])]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert len({port.rsplit(":", 1)[0] for port in ports}) == len(ports)


def test_one_bridge_network_joins_all(compose):
    assert compose["networks"] == {"nocturne": {"driver": "bridge"}}
    assert all(s["networks"] == ["nocturne"] for s in compose["services"].values())


def test_state_is_on_named_volumes(compose):
    mounts = [v.split(":") for s in compose["services"].values() for v in s.get("volumes", [])]
    assert {source for source, *_ in mounts if not source.startswith(".")} == set(
        compose["volumes"]
    )
    own_files = [mount for mount in mounts if mount[0].startswith(".")]
    assert all((INFRA / source).is_file() and mode == "ro" for source, _, mode in own_files)


def test_every_service_is_bounded(compose):
    for name, service in compose["services"].items():
        assert re.fullmatch(r"\d+[mg]b", service["mem_limit"]), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["logging"]["options"]["max-size"], name


def test_our_containers_write_to_volumes_alone(compose):
    own = {name: s for name, s in compose["services"].items() if "build" in s}
    assert {"stream", "serving", "airflow-scheduler", "spark-worker"} <= set(own)
    for name, service in own.items():
        assert service["read_only"], name
        assert (service["cap_drop"], service["tmpfs"]) == (["ALL"], ["/tmp"])
    folders = {
        "stream": ("NOCTURNE_CHECKPOINT_DIR", "SPARK_LOCAL_DIRS"),
        "spark-worker": ("SPARK_LOCAL_DIRS",),
        "airflow-scheduler": ("NOCTURNE_TUNING_DIR", "SPARK_LOCAL_DIRS"),
    }
    for name, variables in folders.items():
        mounts = [volume.split(":")[1] for volume in own[name]["volumes"]]
        for variable in variables:
            folder = Path(own[name]["environment"][variable])
            assert any(folder.is_relative_to(mount) for mount in mounts), (name, variable)


def test_only_the_proxy_of_the_tls_example_is_reached_from_outside():
    given = EXAMPLE | {"NOCTURNE_DOMAIN": "music.example.org"}
    filled = expand(TLS, environ={name: value or "" for name, value in given.items()})
    added = yaml.safe_load(filled)
    with_tls = yaml.safe_load(expand(COMPOSE, environ=given))
    with_tls["services"]["caddy"] = added["services"]["caddy"]
    with_tls["services"]["serving"]["environment"] |= added["services"]["serving"]["environment"]
    with_tls["volumes"] |= added["volumes"]
    compose = PyCompose.from_json(json.dumps(with_tls))
    compose.validate()
    assert added["services"]["caddy"]["ports"] == ["80:80", "443:443"]
    assert set(added["services"]) == {"caddy", "serving"}
    assert with_tls["services"]["serving"]["environment"]["NOCTURNE_TRUSTED_PROXIES"] == "1"
    upstreams = re.findall(r"reverse_proxy \{\$\w+:([\w-]+):\d+\}", CADDY)
    assert upstreams == ["serving", "minio"]
    assert set(upstreams) <= set(with_tls["services"])


@pytest.fixture(scope="module")
def images(compose) -> dict[str, str]:
    """The tag of each image."""
    return dict(s["image"].split(":") for s in compose["services"].values())


def test_images_have_one_version(images):
    whole = {"postgres": r"\d+\.\d+-alpine", "minio/minio": r"RELEASE\.[\dT-]+Z"}
    for image, tag in images.items():
        version = whole.get(image, r"v?\d+\.\d+\.\d+(-alpine)?")
        assert re.fullmatch(version, tag), f"{image}:{tag}"


def test_compose_runs_the_versions_that_are_tested(images):
    assert images["apache/kafka"] == JARS["kafka_2.13"]
    assert images["milvusdb/milvus"] == f"v{LOCKED['milvus']}"
    of_milvus = LOCKED["milvus"].rpartition(".")[0]
    assert images["zilliz/attu"].startswith(f"v{of_milvus}.")


def test_jars_fit_pyspark():
    assert LOCKED["pyspark"] == LOCKED["pyspark-client"]
    assert JARS["delta-spark_2.13"] == LOCKED["delta-spark"]
    minor = LOCKED["pyspark"].rpartition(".")[0]
    assert JARS["spark-sql-kafka-0-10_2.13"].startswith(f"{minor}.")
    shipped = {jar.stem for jar in (Path(pyspark.__file__).parent / "jars").glob("*.jar")}
    assert f"hadoop-client-runtime-{JARS['hadoop-aws']}" in shipped
    assert any(re.fullmatch(r"scala-library-2\.13\.\d+", jar) for jar in shipped)
    assert len({JARS[name] for name in ("s3", "s3-transfer-manager", "sts")}) == 1


def test_images_have_the_python_of_the_locks():
    (minor,) = re.findall(r"uv pip compile .*--python-version (\S+)", MAKEFILE)
    assert re.search(rf"^ARG PYTHON=python:{re.escape(minor)}\.\d+-slim-\w+$", DOCKERFILE, re.M)


def test_images_are_made_of_nothing_but_locks_packages_of_debian_and_our_files():
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.M)
    assert len(froms) == DOCKERFILE.count("\nFROM ")
    assert {image for image, _ in froms} <= {"${PYTHON}", *(stage for _, stage in froms)}
    assert not re.findall(r"curl|wget|git clone|https?://(?!127)|^ADD ", DOCKERFILE, re.M)


def test_our_images_are_built_from_the_locks(compose):
    targets = {s["build"]["target"] for s in compose["services"].values() if "build" in s}
    for target in targets:
        assert f"FROM {'base' if target == 'serving' else 'jvm'} AS {target}\n" in DOCKERFILE
        assert f"COPY infra/requirements/{target}.txt " in DOCKERFILE
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert sorted(installs) == sorted(f"--no-cache-dir --requirement /tmp/{t}.txt" for t in targets)
    assert DOCKERFILE.count("\nUSER nocturne\n") == len(targets)


def test_variables_are_those_of_the_example():
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) == set(EXAMPLE)


@pytest.mark.parametrize("name", SECRETS)
def test_an_empty_secret_is_refused(name):
    assert COMPOSE.count(f"${{{name}") == COMPOSE.count(f"${{{name}:?set it in .env}}")
    with pytest.raises(ParameterNullOrNotSet, match=f"{name}: set it in .env"):
        parse(COMPOSE, EXAMPLE | {name: ""})


def test_secrets_come_from_the_env_file_alone():
    keys = r"^\s*(\w*(?:PASSWORD|SECRET|TOKEN|(?<!_ACCESS)_KEY|_AUTH)):[ ](.+)$"
    values = dict(re.findall(keys, COMPOSE, re.MULTILINE))
    assert values
    assert all(":?set it in .env}" in value for value in values.values()), values
    assert not re.search(r"://[^/\s]*:[^$\s][^/\s]*@", COMPOSE), "a password in an address"
    assert {EXAMPLE[name] for name in SECRETS} == {"change-me"}


def test_jobs_and_serving_get_every_setting(compose):
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    services = compose["services"]
    assert set(services["serving"]["environment"]) == known
    for name in ("stream", "stores-init", "exporter", "airflow-scheduler", "airflow-triggerer"):
        given = {key for key in services[name]["environment"] if key.startswith(PREFIX)}
        signs = name.startswith("airflow")  # the smoke test before a publication
        assert given == (known if signs else known - {"NOCTURNE_TOKEN_SECRET"})


def test_each_program_has_a_key_of_its_own_to_the_object_store():
    """A service has its user's key, and stores-init alone the root key."""
    secrets = {name: f"secret-{name}" for name in SECRETS}
    services = parse(COMPOSE, EXAMPLE | secrets)["services"]
    given = {name: s.get("environment", {}) for name, s in services.items()}
    assert {
        name: (env["NOCTURNE_S3_ACCESS_KEY"], env["NOCTURNE_S3_SECRET_KEY"])
        for name, env in given.items()
        if "NOCTURNE_S3_ACCESS_KEY" in env
    } == {
        "serving": ("serving", "secret-S3_SERVING_KEY"),
        "stream": ("stream", "secret-S3_STREAM_KEY"),
        "stores-init": ("nocturne", "secret-MINIO_PASSWORD"),
        "exporter": JOBS,
    } | dict.fromkeys((n for n in given if re.match("airflow-(?!init)", n)), JOBS)
    assert {key_variable(user) for user in USERS} <= given["stores-init"].keys()
    root = {name for name, env in given.items() if "secret-MINIO_PASSWORD" in env.values()}
    assert root == {"minio", "stores-init"}


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("image: mongo", "imagee: mongo", "imagee"),
        ("interval: 10s", "interval: ten", "ten"),
        ("networks: [nocturne]", "networks: [other]", "network `other`"),
        ("127.0.0.1:3000:3000", "127.0.0.1:3000:http", "http"),
        ("condition: service_started", "condition: started", "started"),
        ("  postgres:\n    <<: *service", "  postgres:\n   <<: *service", "block"),
    ],
)
def test_a_broken_file_is_refused(right, wrong, says):
    assert right in COMPOSE
    with pytest.raises((ValueError, yaml.YAMLError), match=says):
        parse(COMPOSE.replace(right, wrong), EXAMPLE)
