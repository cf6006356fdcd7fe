"""Manifests in the lake: what made a generation, written last by its training."""

from jobs.contract.errors import BadInput
from jobs.contract.generations import Manifest
from jobs.contract.names import manifest_key
from jobs.contract.settings import Settings
from jobs.stores.objects import Objects


def write_manifest(settings: Settings, manifest: Manifest) -> None:
    """Write a manifest; from then on its generation counts as trained."""
    body = manifest.model_dump_json(indent=1).encode()
    key = manifest_key(manifest.generation)
    Objects(settings).put(settings.lake_bucket, key, body, "application/json")


def read_manifest(settings: Settings, generation: str) -> Manifest:
    """Return a generation's manifest; raises BadInput when its training never ended well."""
    try:
        body = Objects(settings).get(settings.lake_bucket, manifest_key(generation))
    except KeyError:
        raise BadInput(f"there is no trained generation {generation}: see train_als") from None
    return Manifest.model_validate_json(body)
