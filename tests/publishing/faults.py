"""Publishers that die, meet one another, or find a store away."""

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

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
            running = {g: world.start("race", str(start), g) for g in rivals}
            deadline = time.monotonic() + 120
            while len(list(Path(folder).iterdir())) < len(rivals):
                if time.monotonic() > deadline:
                    raise Failed("the publishers did not come to the switch")
                time.sleep(0.05)
            start.touch()
            said = {g: _finish(process) for g, process in running.items()}
        accepted = [g for g, (code, _) in said.items() if code == 0]
        if len(accepted) != 1 or world.live() != accepted[0]:
            raise Failed(f"{accepted} were accepted, {world.live()} is live: {said}")
        (sentence,) = (text for code, text in said.values() if code)
        world.run("publish", accepted[0])
        world.whole(accepted[0])
    return f"{RACES} times exactly 1 of 2 accepted; the other: `{sentence}`"


def _finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=120)
    return process.returncode, said.strip().splitlines()[-1]


def milvus_away_while_indexing(world: World) -> str:
    """The index cannot be built: nothing is left of it, the old one serves; a repeat builds it."""
    before = str(world.live())
    (wanted,) = world.make(1, index=False)
    with world.away("milvus"):
        began = time.monotonic()
        world.run("build_index", wanted, fails=True)
        refused = time.monotonic() - began
        if world.served() != before:
            raise Failed(f"{world.served()} is served, {before} was live")
    world.wait_healthy()
    if world.documents.count_vectors(wanted):
        raise Failed("vectors of a generation without an index are in MongoDB")
    world.run("build_index", wanted)
    world.run("publish", wanted)
    world.wait_served(wanted, 5)
    return f"refused after {refused:.0f} s, the old one served; the repeat: {world.whole(wanted)}"


def mongodb_away_during_user_sync(world: World) -> str:
    """Died with MongoDB between index and user vectors: the old one serves; a repeat ends it."""
    before = str(world.live())
    (wanted,) = world.make(1, index=False)
    with world.away("mongo"):
        said = world.run("build_index", wanted, fails=True)
        if world.served() != before:
            raise Failed(f"{world.served()} is served, {before} was live")
    world.wait_healthy()
    world.run("build_index", wanted)
    world.run("publish", wanted)
    world.wait_served(wanted, 5)
    last = said.strip().splitlines()[-1]
    return f"the old one served from memory, `{last[:80]}`; the repeat: {world.whole(wanted)}"


KILLS = {
    number: (step, lambda world, step=step: killed_at(step, world))
    for number, step in enumerate(STEPS, start=1)
}
