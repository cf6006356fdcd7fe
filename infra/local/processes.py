"""Find and end the processes of one local stack, also the ones whose parent is gone."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil

MARK = "NOCTURNE_PROGRAM"
"""Set by supervisord for each program to `<state folder>#<program>`. Some programs wipe their
environment, but all of them keep the working folder `<state>/run/<program>` or a child's."""


def members(state: Path, program: str | None = None) -> list[psutil.Process]:
    """Return the living processes of a stack, or of one program of it, without this one."""
    folder = state / "run" / program if program else state / "run"
    mark = f"{state}#{program}" if program else f"{state}#"
    mine = {psutil.Process().pid, *(p.pid for p in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in mine and _belongs(process, folder, mark, exact=bool(program)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _belongs(process: psutil.Process, folder: Path, mark: str, exact: bool) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    if Path(process.cwd()).is_relative_to(folder):
        return True
    value = process.environ().get(MARK, "")
    return value == mark if exact else value.startswith(mark)


def end(processes: list[psutil.Process], patience: float) -> int:
    """Ask the processes to end, then end them; return how many there were."""
    _signal(processes, lambda p: p.terminate())
    _, alive = psutil.wait_procs(processes, timeout=patience)
    _signal(alive, lambda p: p.send_signal(signal.SIGKILL))
    psutil.wait_procs(alive, timeout=10)
    return len(processes)


def _signal(processes: list[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.NoSuchProcess:
            continue
