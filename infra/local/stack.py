"""The local stack without Docker: `make up|down|status|logs|restart|env|token`."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from pathlib import Path

import psutil

from infra.local import health
from infra.local.airflow_client import Airflow
from infra.local.config import (
    HOST,
    Local,
    environment,
    load_local,
    own_environment,
    stack_secrets,
)
from infra.local.install import ROOT, VENV
from infra.local.preflight import StackError, preflight
from infra.local.processes import end, members
from infra.local.programs import programs, write_redis_conf, write_supervisord_conf
from infra.local.spark_conf import write_spark_conf
from jobs.contract.errors import NocturneError
from jobs.contract.names import SPARK_POOL
from jobs.contract.settings import Settings, load_settings
from jobs.contract.tokens import listener_token

UP_SECONDS = 300
DOWN_SECONDS = 120


def remembered(local: Local) -> Local:
    """Return the ports that a stack in this folder was started with, else the given ones."""
    path = local.state / "local.json"
    return Local.model_validate_json(path.read_text()) if path.exists() else local


def supervisor(local: Local) -> xmlrpc.client.ServerProxy | None:
    """Return supervisord's interface, or None when none of this stack is running."""
    password = stack_secrets(local.state)["supervisor"]
    url = f"http://nocturne:{password}@{HOST}:{local.supervisor_port}/RPC2"
    proxy = xmlrpc.client.ServerProxy(url)
    try:
        proxy.supervisor.getState()
    except (OSError, xmlrpc.client.Error):
        return None
    return proxy


def require_running(local: Local) -> xmlrpc.client.ServerProxy:
    """Return supervisord's interface; raises StackError where this stack does not run."""
    found = supervisor(local)
    if found is None:
        raise StackError("the local stack is not running: `make up` starts it")
    return found


def prepare(local: Local) -> None:
    """Write every configuration file of the stack."""
    os.environ.update(environment(local))
    for folder in ("logs", "mongo", "minio", "airflow", "tmp"):
        (local.state / folder).mkdir(parents=True, exist_ok=True)
    passwords = {u: stack_secrets(local.state)[f"airflow_{u}"] for u in ("admin", "op", "viewer")}
    generated = local.state / "airflow/simple_auth_manager_passwords.json.generated"
    generated.touch(mode=0o600)
    generated.write_text(json.dumps(passwords))
    write_spark_conf(local.state)
    write_redis_conf(local.state)
    write_supervisord_conf(local)
    (local.state / "local.json").write_text(local.model_dump_json())


def up(local: Local) -> None:
    """Start what is not running and wait until every part is healthy."""
    local.state.mkdir(parents=True, exist_ok=True)
    running = supervisor(remembered(local))
    if running is None:
        left = end(members(local.state), 6)
        if left:
            print(f"up: ended {left} processes that an earlier stack left", flush=True)
        preflight(local)
        prepare(local)
        command = [f"{VENV}/bin/supervisord", "-c", str(local.state / "supervisord.conf")]
        subprocess.run(command, check=True, cwd=local.state, env=environment(local))
    else:
        local = remembered(local)
        prepare(local)
        on_demand = {p.name for p in programs(local) if p.on_demand}
        # For its types, what XML-RPC answers may be anything.
        stopped = [
            p["name"]
            for p in running.supervisor.getAllProcessInfo()  # type: ignore[union-attr]
            if p["statename"] in ("STOPPED", "FATAL", "BACKOFF") and p["name"] not in on_demand
        ]
        for name in stopped:
            print(f"up: starting {name}", flush=True)
            running.supervisor.startProcess(name, False)
    wait_healthy(local, load_settings())
    make_pool(local)
    print_addresses(local)


def wait_healthy(local: Local, settings: Settings) -> None:
    """Print a line per part as it becomes healthy; raise StackError past the limit.

    What somebody switched off is not waited for, but is an error in the end.
    """
    started = time.monotonic()
    paused = ""
    waiting = health.checks(local, settings)
    del waiting["alerts"]  # news for `make status`, not a part that has to come up
    print(f"up: waiting for {', '.join(waiting)}", flush=True)
    last = ""
    while waiting:
        for part, (program, check) in list(waiting.items()):
            try:
                said = check()
            except health.Paused as error:
                del waiting[part]
                paused = str(error)
                continue
            except Exception as error:  # any failure of a check means: not healthy yet
                last = str(error)[:300]
            else:
                del waiting[part]
                print(
                    f"up: {part:8} healthy after {time.monotonic() - started:3.0f} s  {said}",
                    flush=True,
                )
                continue
            if time.monotonic() - started > UP_SECONDS:
                log = local.state / "logs" / f"{program}.log"
                raise StackError(
                    f"log: {log}\n{tail(log)}\n{part} is not healthy after {UP_SECONDS} s: {last}"
                )
        time.sleep(1)
    if paused:
        raise StackError(f"everything runs, but {paused}")


def make_pool(local: Local) -> None:
    """Make the pool of the Spark jobs in Airflow, unless it is there."""
    password = stack_secrets(local.state)["airflow_admin"]
    airflow = Airflow(f"http://{HOST}:{local.airflow_port}", "admin", password)
    known = {pool["name"] for pool in airflow.call("GET", "pools")["pools"]}
    if SPARK_POOL not in known:
        airflow.call("POST", "pools", json={"name": SPARK_POOL, "slots": 1})


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, the long ones cut."""
    text = path.read_text(errors="replace") if path.exists() else "(no log)"
    return "\n".join(line[:300] for line in text.splitlines()[-lines:])


def print_addresses(local: Local) -> None:
    """Print where things are and how to get in."""
    made = stack_secrets(local.state)
    print(
        f"\n  player   http://{HOST}:{local.app_port}"
        f"\n  Airflow  http://{HOST}:{local.airflow_port}  admin / {made['airflow_admin']}"
        f"\n  MinIO    http://{HOST}:{local.minio_console_port}  nocturne / {made['s3']}"
        f"\n  logs     {local.state / 'logs'}\n",
        flush=True,
    )


def down(local: Local) -> None:
    """Stop every program, and end whatever a crash left behind."""
    local = remembered(local)
    running = supervisor(local)
    if running is not None:
        print("down: stopping", flush=True)
        daemons = supervisords(local)
        running.supervisor.shutdown()
        psutil.wait_procs(daemons, timeout=DOWN_SECONDS)
    left = end([*members(local.state), *supervisords(local)], 6)
    note = f", {left} processes had to be ended" if left else ""
    print(f"down: stopped{note}", flush=True)


def supervisords(local: Local) -> list[psutil.Process]:
    """Return this stack's supervisord where it still runs."""
    conf = str(local.state / "supervisord.conf")
    return [p for p in psutil.process_iter(["cmdline"]) if conf in (p.info["cmdline"] or [])]


def status(local: Local) -> bool:
    """Print the state of each program and part; True when every part is healthy."""
    local = remembered(local)
    running = supervisor(local)
    if running is None:
        print(f"status: the stack in {local.state} is not running; `make up` starts it")
        return False
    os.environ.update(environment(local))
    known = {p.name: p for p in programs(local)}
    good = True
    for info in running.supervisor.getAllProcessInfo():  # type: ignore[union-attr]
        program, state = known[info["name"]], info["statename"]
        unasked = program.on_demand and state == "STOPPED"
        good &= unasked or state == ("EXITED" if program.one_shot else "RUNNING")
        print(f"{info['name']:17} {info['statename']:9} {info['description']}")
    for part, (_, check) in health.checks(local, load_settings()).items():
        try:
            print(f"{part:17} healthy   {check()}")
        except Exception as error:  # any failure of a check means: not healthy
            good = False
            print(f"{part:17} SICK      {str(error)[:200]}")
    return good


def logs(local: Local, part: str | None) -> None:
    """Follow the logs of one program, or of all."""
    folder = local.state / "logs"
    files = [folder / f"{part}.log"] if part else sorted(folder.glob("*.log"))
    missing = [f for f in files if not f.exists()]
    if missing or not files:
        known = ", ".join(sorted(f.stem for f in folder.glob("*.log"))) or "none yet"
        raise StackError(f"no log of {part or 'the stack'}; there are: {known}")
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])


def restart(local: Local, part: str | None) -> None:
    """Stop and start one program, healthy or not; raises StackError where it cannot."""
    local = remembered(local)
    running = require_running(local)
    os.environ.update(environment(local))
    once = {p.name for p in programs(local) if p.one_shot}
    states = {
        p["name"]: p["statename"]
        for p in running.supervisor.getAllProcessInfo()  # type: ignore[union-attr]
        if p["name"] not in once
    }
    if part not in states:
        wrong = f"there is no part {part}" if part else "which part?"
        raise StackError(f"{wrong}: make restart PART=<one of {', '.join(states)}>")
    try:
        if states[part] in ("RUNNING", "STARTING"):
            print(f"restart: stopping {part}", flush=True)
            running.supervisor.stopProcess(part)
        print(f"restart: starting {part}", flush=True)
        running.supervisor.startProcess(part)
    except xmlrpc.client.Fault as error:
        raise StackError(
            f"{part} did not start ({error.faultString}): make logs PART={part}"
        ) from None
    print(f"restart: {part} was started; `make status` says when it is healthy", flush=True)


def job(local: Local, name: str, arguments: list[str]) -> int:
    """Run one of `jobs/` in the running stack's environment; return its exit code."""
    local = remembered(local)
    require_running(local)
    command = [sys.executable, str(ROOT / f"jobs/{name}.py"), *arguments]
    return subprocess.run(command, check=False, env=environment(local)).returncode


def main() -> int:
    """Run one command; 1 with a sentence on stderr where it fails."""
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the stack and wait until it is healthy")
    commands.add_parser("down", help="stop the stack")
    commands.add_parser("status", help="exit 0 only when every part is healthy")
    commands.add_parser("env", help="print the stack's settings as export lines")
    commands.add_parser("logs", help="follow logs").add_argument("part", nargs="?")
    commands.add_parser("restart", help="restart one program").add_argument("part", nargs="?")
    run = commands.add_parser("job", help="run a job in the stack's environment")
    run.add_argument("name")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("token", help="print a listener token").add_argument("user")
    arguments = parser.parse_args()
    try:
        local = load_local()
        if arguments.command == "up":
            up(local)
        elif arguments.command == "down":
            down(local)
        elif arguments.command == "status":
            return 0 if status(local) else 1
        elif arguments.command == "logs":
            logs(local, arguments.part)
        elif arguments.command == "restart":
            restart(local, arguments.part)
        elif arguments.command == "job":
            return job(local, arguments.name, arguments.arguments)
        elif arguments.command == "env":
            for name, value in sorted(own_environment(remembered(local)).items()):
                print(f"export {name}={shlex.quote(value)}")
        elif not arguments.user:
            raise StackError("whose token? make token USER_ID=<id>")
        else:
            os.environ.update(environment(remembered(local)))
            print(listener_token(load_settings(), arguments.user))
    except NocturneError as error:
        print(f"{arguments.command}: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
