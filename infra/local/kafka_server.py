"""Become a Kafka broker (KRaft, one node), its storage formatted on the first start."""

import os
import subprocess
from pathlib import Path

CLUSTER_ID = "bm9jdHVybmUtbG9jYWwtMQ"
HEAP = "-Xmx400m"


def properties(data: Path, port: int, controller_port: int, user: str, password: str) -> str:
    """Return server.properties of a broker that is its own controller, on loopback.

    Whoever connects, clients and the broker itself, has to be this one user.
    """
    clients = f"CLIENTS://127.0.0.1:{port}"
    login = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{user}" password="{password}" user_{user}="{password}";'
    )
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            "controller.listener.names=CONTROLLER",
            f"listeners={clients},CONTROLLER://127.0.0.1:{controller_port}",
            f"advertised.listeners={clients}",
            "inter.broker.listener.name=CLIENTS",
            "listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms=PLAIN",
            "sasl.mechanism.inter.broker.protocol=PLAIN",
            "sasl.mechanism.controller.protocol=PLAIN",
            f"listener.name.clients.plain.sasl.jaas.config={login}",
            f"listener.name.controller.plain.sasl.jaas.config={login}",
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
    config.touch(mode=0o600)
    ports = (int(env[f"NOCTURNE_KAFKA_{kind}"]) for kind in ("PORT", "CONTROLLER_PORT"))
    user, password = env["NOCTURNE_KAFKA_USER"], env["NOCTURNE_KAFKA_PASSWORD"]
    config.write_text(properties(data, *ports, user, password))
    java = ["java", HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    java += ["-cp", f"{env['NOCTURNE_KAFKA_JARS']}/*"]
    if not (data / "logs/meta.properties").exists():
        tool = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
        subprocess.run(tool, check=True)
    os.execvp("java", [*java, "kafka.Kafka", str(config)])


if __name__ == "__main__":
    main()
