"""Become a Kafka broker (KRaft, one node), its storage formatted on the first start."""

import os
import subprocess
from pathlib import Path

CLUSTER_ID = "bm9jdHVybmUtbG9jYWwtMQ"
HEAP = "-Xmx400m"


def properties(data: Path, port: int, controller_port: int) -> str:
    """Return server.properties of a broker that is its own controller, on loopback."""
    listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            "controller.listener.names=CONTROLLER",
            f"listeners={listeners}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}",
            f"log.dirs={data / 'logs'}",
            "auto.create.topics.enable=false",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "log.retention.hours=168",
            "message.max.bytes=11000000",
            "",
        ]
    )


def main() -> None:
    """Write the properties, format new storage, and become the broker."""
    env = os.environ
    data = Path(env["NOCTURNE_STATE"]) / "kafka"
    data.mkdir(parents=True, exist_ok=True)
    config = data / "server.properties"
    config.write_text(
        properties(
            data, int(env["NOCTURNE_KAFKA_PORT"]), int(env["NOCTURNE_KAFKA_CONTROLLER_PORT"])
        )
    )
    java = ["java", HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    java += ["-cp", f"{env['NOCTURNE_KAFKA_JARS']}/*"]
    if not (data / "logs/meta.properties").exists():
        tool = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
        subprocess.run(tool, check=True)
    os.execvp("java", [*java, "kafka.Kafka", str(config)])


if __name__ == "__main__":
    main()
