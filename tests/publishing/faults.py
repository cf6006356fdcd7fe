"""Publishers that die, meet one another, or find a store away."""

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.contract.generations import State
from tests.publishing.crashing import STEPS
from tests.publishing.world import Failed, World

RACES = 5


def killed_at(step: str, world: World) -> str:
    """Kill at a step: the app serves one generation whole, and a repeat ends what was begun."""
    before = world.live()
    (wanted,) = world.make(1, index=step.startswith("publish"))
    world.crash(step, wanted)
    after = world.live()
    world.wait_served(str(after), 5)
    meanwhile = "the old one" if after == before else "the new one"
    if after not in (before, wanted):
        raise Failed(f"{after} is live, neither {before} nor {wanted}")
    if step.startswith("index"):
        world.run("build_index", wanted)
    said = world.run("publish", wanted)
    world.wait_served(wanted, 5)
    last = said.strip().splitlines()[-1]
    return f"served {meanwhile}; the repeat: {world.whole(wanted)}, `{last[:90]}`"


def two_at_once(world: World) -> str:
    """Two publishers past their checks at the same moment: one is accepted, each time."""
    sentence = ""
    for _ in range(RACES):
        rivals = world.make(2)
        with TemporaryDirectory() as folder:
            start = Path(folder) / "start"
            running = {g: world.start("publish: before the switch", str(start), g) for g in rivals}
            _wait_until_there(start, len(rivals))
            start.touch()
            said = {g: _finish(process) for g, process in running.items()}
        accepted = [g for g, (code, _) in said.items() if code == 0]
        if len(accepted) != 1 or world.live() != accepted[0]:
            raise Failed(f"{accepted} were accepted, {world.live()} is live: {said}")
        (sentence,) = (text for code, text in said.values() if code)
        world.run("publish", accepted[0])
        world.whole(accepted[0])
    return f"{RACES} times exactly 1 of 2 accepted; the other: `{sentence}`"


def _wait_until_there(start: Path, processes: int) -> None:
    """Wait until so many processes wait for the file `start`."""
    deadline = time.monotonic() + 120
    while len(list(start.parent.iterdir())) < processes:
        if time.monotonic() > deadline:
            raise Failed("not every process came to where it waits")
        time.sleep(0.05)


def _finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=400)
    return process.returncode, said.strip().splitlines()[-1]


def milvus_away_while_indexing(world: World) -> str:
    """Milvus goes when it has the rows, before they are flushed and indexed."""
    return _index_without(world, "milvus", "index: rows inserted")


def mongodb_away_during_user_sync(world: World) -> str:
    """MongoDB goes when it has the vectors of half of the listeners."""
    return _index_without(world, "mongo", "index: half of the user vectors")


def _index_without(world: World, program: str, step: str) -> str:
    """Stop a store in the middle of build_index; what is left is not served, a repeat ends it."""
    before = str(world.live())
    (wanted,) = world.make(1, index=False)
    with TemporaryDirectory() as folder:
        go_on = Path(folder) / "go-on"
        process = world.start(step, str(go_on), wanted)
        _wait_until_there(go_on, 1)
        with world.away(program):
            go_on.touch()
            began = time.monotonic()
            code, said = _finish(process)
            refused = time.monotonic() - began
            if not code or world.served() != before:
                raise Failed(f"ended with {code}, {world.served()} is served: {said}")
    world.wait_healthy()
    if world.state(wanted) != State.GATED or world.live() != before:
        raise Failed(f"{wanted} is {world.state(wanted)}, {world.live()} is live")
    index = "an" if wanted in world.vectors.generations() else "no"
    left = f"{world.documents.count_vectors(wanted)} user vectors and {index} unfinished index"
    world.run("build_index", wanted)
    world.run("publish", wanted)
    world.wait_served(wanted, 5)
    return (
        f"red after {refused:.0f} s, the old one served; left behind: {left}; the repeat: "
        f"{world.whole(wanted)}; `{said[:90]}`"
    )


KILLS = {
    number: (step, lambda world, step=step: killed_at(step, world))
    for number, step in enumerate(STEPS, start=1)
}
