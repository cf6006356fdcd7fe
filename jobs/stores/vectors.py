"""Milvus: one collection of item vectors per generation."""

import logging
from collections.abc import Iterable
from itertools import islice
from typing import Any

from grpc import RpcError
from pymilvus import DataType, MilvusClient, MilvusException

from jobs.contract.names import MILVUS_ALIAS, collection_name
from jobs.contract.settings import Settings

AWAY = (MilvusException, RpcError)
"""What a call raises when Milvus does not answer in time, or lacks the collection."""

INSERT_BATCH = 2000
EF = 128
NPROBE = 64

# It writes a traceback for every failed call, whose error its caller gets anyway.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


class Vectors:
    """The item vectors of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_s: float = 60.0) -> None:
        self._timeout = timeout_s
        self._index_type = settings.index_type
        # A shared connection stays open, as broken as it is, for the next client of the process.
        self._client = MilvusClient(
            uri=settings.milvus_uri,
            token=settings.milvus_token,
            timeout=timeout_s,
            dedicated=True,
        )

    def build(self, generation: str, dim: int, rows: Iterable[tuple[str, list[float]]]) -> int:
        """Fill, index and load a new collection; a half-built one of that name is dropped first.

        Returns how many vectors were inserted.
        """
        name = collection_name(generation)
        self.drop(generation)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=128)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dim)
        self._client.create_collection(name, schema=schema, consistency_level="Bounded")
        inserted = 0
        iterator = iter(rows)
        while batch := list(islice(iterator, INSERT_BATCH)):
            self._client.insert(name, [{"id": i, "embedding": v} for i, v in batch])
            inserted += len(batch)
        self._client.flush(name)
        index = self._client.prepare_index_params()
        index.add_index(
            "embedding",
            index_type=self._index_type,
            metric_type="IP",
            params=self._index_params(inserted),
        )
        self._client.create_index(name, index)
        self._client.load_collection(name)
        return inserted

    def _index_params(self, rows: int) -> dict[str, int]:
        if self._index_type == "HNSW":
            return {"M": 16, "efConstruction": 200}
        return {"nlist": max(1, min(1024, int(4 * rows**0.5)))}

    def count(self, generation: str) -> int:
        """Return how many vectors a generation's collection holds, all inserts seen."""
        rows = self._client.query(
            collection_name(generation),
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
        )
        return int(rows[0]["count(*)"])

    def dimension(self, generation: str) -> int:
        """Return the length of a generation's vectors."""
        fields = self._client.describe_collection(collection_name(generation))["fields"]
        return next(int(f["params"]["dim"]) for f in fields if f["name"] == "embedding")

    def search(
        self, generation: str, queries: list[list[float]], limit: int
    ) -> list[list[tuple[str, float]]]:
        """Return for each query the (song id, inner product) of the best songs, best first."""
        params = {"ef": max(EF, limit)} if self._index_type == "HNSW" else {"nprobe": NPROBE}
        found = self._client.search(
            collection_name(generation),
            data=queries,
            limit=limit,
            search_params={"metric_type": "IP", "params": params},
            consistency_level="Bounded",
            timeout=self._timeout,
        )
        return [[(str(hit["id"]), float(hit["distance"])) for hit in hits] for hits in found]

    def get(self, generation: str, ids: list[str]) -> dict[str, list[float]]:
        """Return the vectors of those songs that the generation has."""
        if not ids:
            return {}
        rows: list[dict[str, Any]] = self._client.get(
            collection_name(generation),
            ids=ids,
            output_fields=["id", "embedding"],
            timeout=self._timeout,
        )
        return {str(r["id"]): [float(x) for x in r["embedding"]] for r in rows}

    def point_alias(self, generation: str) -> None:
        """Let the alias name this generation's collection, for people and tools."""
        name = collection_name(generation)
        # The server has no call that moves or makes an alias in one step.
        if self._has_alias():
            self._client.alter_alias(name, MILVUS_ALIAS)
        else:
            self._client.create_alias(name, MILVUS_ALIAS)

    def drop_alias(self) -> None:
        """Let the alias name nothing, so that every collection may be dropped."""
        if self._has_alias():
            self._client.drop_alias(MILVUS_ALIAS)

    def _has_alias(self) -> bool:
        return MILVUS_ALIAS in self._client.list_aliases(collection_name="")["aliases"]

    def generations(self) -> list[str]:
        """Return the generations that have a collection."""
        prefix = collection_name("")
        found = [n for n in self._client.list_collections() if n.startswith(prefix)]
        return sorted(name.removeprefix(prefix) for name in found)

    def drop(self, generation: str) -> None:
        """Remove a generation's collection, if there is one."""
        name = collection_name(generation)
        if self._client.has_collection(name):
            self._client.drop_collection(name)

    def ping(self, generation: str | None) -> None:
        """Raise one of AWAY unless Milvus answers, and has the generation loaded."""
        self._client.get_server_version(timeout=self._timeout)
        if generation is not None:
            self.get(generation, ["-"])

    def close(self) -> None:
        """End the connection."""
        self._client.close()
