"""`infra/compose.yml` is sound, as far as that can be known without a container engine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from dotenv import dotenv_values
from expandvars import ParameterNullOrNotSet, expand

from infra.local.identities import USERS, key_variable
from jobs.contract.settings import PREFIX, Settings

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = (INFRA / "compose.yml").read_text()
EXAMPLE = dotenv_values(INFRA / "env.example")
SECRETS = [name for name in EXAMPLE if EXAMPLE[name]]
JOBS = ("jobs", "secret-S3_JOBS_KEY")
ROLES = {
    *("kafka", "minio", "mongo", "milvus", "attu", "redis", "postgres"),
    *("spark-master", "spark-worker", "stream", "serving"),
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


def test_images_have_one_version(compose):
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert re.search(r"\d+\.\d+|RELEASE\.\d", tag), f"{name}: {service['image']}"


def test_our_images_are_built_from_the_locks(compose):
    targets = {s["build"]["target"] for s in compose["services"].values() if "build" in s}
    dockerfile = (INFRA / "images/Dockerfile").read_text()
    for target in targets:
        assert f"FROM {'base' if target == 'serving' else 'jvm'} AS {target}\n" in dockerfile
        assert f"COPY infra/requirements/{target}.txt " in dockerfile
    installs = re.findall(r"pip install (.*)", dockerfile)
    assert sorted(installs) == sorted(f"--no-cache-dir --requirement /tmp/{t}.txt" for t in targets)
    assert dockerfile.count("\nUSER nocturne\n") == len(targets)


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
    for name in ("stream", "stores-init", "airflow-scheduler", "airflow-triggerer"):
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
