"""Decide whether an evaluated generation may be indexed and published.

Reads the report that evaluate.py wrote and the manifests of the candidate and of the live
generation. What speaks against the candidate is printed, a sentence each, and recorded with the
generation, which is then `gated` or `rejected`. A person may let it pass in spite of that:
--override with the reason, which is recorded. A repeat decides anew; what is indexed or was live
already stays as it is.
"""

import argparse
import getpass
import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from jobs.contract import names
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.generations import REJECTED_EXIT, State, generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.evaluate import live_manifest
from jobs.reporting.evaluation import evaluation_html
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.stores.tuned import TunedParams
from jobs.training.gate import objections

OPEN = (State.TRAINED, State.GATED, State.REJECTED)


def decide(settings: Settings, generation: str, override: str | None, by: str) -> dict[str, Any]:
    """Record the verdict on a generation and return it: `passed`, `objections`, and who said so.

    Raises BadInput where it was not evaluated and no override is given.
    """
    manifest = read_manifest(settings, generation)
    report = _report(settings, generation)
    if report is None and not override:
        raise BadInput(f"{generation} was not evaluated: run evaluate.py, or give --override")
    live = live_manifest(settings, generation)
    with closing(Generations(settings)) as generations:
        generations.record_trained(manifest)
        record = generations.find(generation) or {}
    # An erasure since the training lowers it.
    manifest = manifest.model_copy(update={"users": record["users"]})
    found = objections(report, manifest, live, settings) if report else ["it was not evaluated"]
    verdict = {
        "passed": not found or bool(override),
        "objections": found,
        "override": override if found else None,
        "by": by,
        "at": datetime.now(UTC),
    }
    if State(record["state"]) in OPEN:
        after = State.GATED if verdict["passed"] else State.REJECTED
        with closing(Generations(settings)) as generations:
            generations.record_verdict(generation, after, verdict)
        if manifest.tuned_by:
            with closing(TunedParams(settings)) as tuned:
                tuned.judge(manifest.tuned_by, passed=not found)
    if report:
        page = evaluation_html(report, verdict).encode()
        key = names.report_page_key(generation)
        Objects(settings).put(settings.lake_bucket, key, page, "text/html; charset=utf-8")
    return verdict


def _report(settings: Settings, generation: str) -> dict[str, Any] | None:
    try:
        body = Objects(settings).get(settings.lake_bucket, names.report_key(generation))
    except KeyError:
        return None
    return dict(json.loads(body))


def main(argv: list[str] | None = None) -> int:
    """Return 3 where the generation is rejected, and 1 where nothing could be decided."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generation", type=generation_id, required=True)
    parser.add_argument("--override", metavar="REASON", help="let it pass in spite of objections")
    parser.add_argument("--by", default=getpass.getuser(), help="who overrides (this user)")
    args = parser.parse_args(argv)
    try:
        verdict = decide(load_settings(), args.generation, args.override or None, args.by)
    except NocturneError as error:
        print(f"gate: {error}", file=sys.stderr)
        return 1
    for sentence in verdict["objections"]:
        print(f"gate: {args.generation}: {sentence}")
    if verdict["override"]:
        print(f"gate: {args.generation} passes by an override of {args.by}: {args.override}")
    elif verdict["passed"]:
        print(f"gate: {args.generation} passes")
    else:
        print(f"gate: {args.generation} is rejected; the live generation stays", file=sys.stderr)
        return REJECTED_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
