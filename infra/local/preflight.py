"""What must hold before the local stack starts: said in one sentence, before anything runs."""

import shutil
import socket

from infra.local.config import HOST, Local
from infra.local.install import (
    NEEDED_GIB,
    InstallError,
    jars,
    java_version,
    milvus_binary,
    minio_binary,
)
from jobs.contract.errors import NocturneError
from jobs.contract.settings import PREFIX

MIN_FREE_GIB = NEEDED_GIB / 4


class StackError(NocturneError):
    """The stack cannot start or did not become healthy."""


def preflight(local: Local) -> None:
    """Raise StackError with one clear sentence for what would make the start fail."""
    try:
        java_version()
    except InstallError as error:
        raise StackError(str(error)) from None
    needed = (minio_binary(), milvus_binary(), jars("spark"), jars("kafka"))
    missing = [path for path in needed if not path.exists()]
    if missing:
        raise StackError(f"not installed yet: {missing[0]}; run `make setup`")
    free = shutil.disk_usage(local.state).free / 2**30
    if free < MIN_FREE_GIB:
        raise StackError(f"{local.state} has {free:.1f} GiB free, {MIN_FREE_GIB} are needed")
    require_free(local, local.ports())


def require_free(local: Local, ports: dict[int, str]) -> None:
    """Raise StackError, naming part and setting, where another program has one of the ports."""
    for port, part in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise StackError(
                    f"port {port} ({part}) is in use by another program: stop that, or choose "
                    f"another port with {setting_of(local, port)}=..."
                ) from None


def setting_of(local: Local, port: int) -> str:
    """Return the name of the setting that gave this port."""
    named = {v: k for k, v in local.model_dump().items() if isinstance(v, int) and v <= port}
    return PREFIX + str(named[max(v for v in named)]).upper()
