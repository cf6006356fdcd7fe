"""MinIO's users: what each of them may do there stands in infra/minio (decision 0015)."""

import json
from pathlib import Path
from string import Template

from jobs.contract.settings import Settings

POLICIES = Path(__file__).parents[1] / "minio"
ROOT_USER = "nocturne"
USERS = tuple(sorted(policy.stem for policy in POLICIES.glob("*.json")))
"""Each has a policy of its own name; its access key is its name, too."""


def key_variable(user: str) -> str:
    """Return the environment variable with which init is given a user's secret key."""
    return f"S3_{user.upper()}_KEY"


def policy(user: str, settings: Settings) -> dict[str, object]:
    """Return a user's policy for these buckets."""
    text = Template((POLICIES / f"{user}.json").read_text())
    buckets = {"lake_bucket": settings.lake_bucket, "media_bucket": settings.media_bucket}
    return dict(json.loads(text.substitute(buckets)))
