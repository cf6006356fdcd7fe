"""Kafka: listening events on their way to the lake."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings

LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class BrokerUnavailable(NocturneError):
    """Kafka did not acknowledge every event in time; send the same events again."""


def connection(settings: Settings) -> dict[str, Any]:
    """Return how a client of librdkafka reaches the broker, and as whom."""
    address = {"bootstrap.servers": settings.kafka_bootstrap}
    if not settings.kafka_user:
        return address
    return address | {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": settings.kafka_user,
        "sasl.password": settings.kafka_password,
    }


def spark_connection(settings: Settings) -> dict[str, str]:
    """Return the same as options of Spark's Kafka source, which keeps them out of its logs."""
    address = {"kafka.bootstrap.servers": settings.kafka_bootstrap}
    if not settings.kafka_user:
        return address
    user, password = _quoted(settings.kafka_user), _quoted(settings.kafka_password)
    return address | {
        "kafka.security.protocol": "SASL_PLAINTEXT",
        "kafka.sasl.mechanism": "PLAIN",
        "kafka.sasl.jaas.config": f"{LOGIN} username={user} password={password};",
    }


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class EventLog:
    """A producer of listening events, keyed by listener. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_s: float = 5.0) -> None:
        self._topic = settings.kafka_topic
        self._timeout = timeout_s
        self._producer = Producer(
            {
                **connection(settings),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "delivery.timeout.ms": int(timeout_s * 1000),
            }
        )

    def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Write (user_id, JSON) messages and return once the broker has every one.

        Raises BrokerUnavailable when one of them was not acknowledged in time; some may be
        in the log all the same, which is why events carry ids.
        """
        outcomes: list[object] = []  # append is atomic: other threads may serve our callbacks
        sent = 0
        try:
            for user_id, value in messages:
                self._producer.produce(
                    self._topic,
                    key=user_id.encode(),
                    value=value,
                    on_delivery=lambda error, _: outcomes.append(error),
                )
                sent += 1
        except (BufferError, KafkaException) as error:
            raise BrokerUnavailable(f"Kafka took no event: {error}") from None
        while len(outcomes) < sent:
            self._producer.poll(0.05)
        failures = [error for error in outcomes if error is not None]
        if failures:
            raise BrokerUnavailable(f"Kafka did not acknowledge {len(failures)}: {failures[0]}")

    def ping(self, timeout_s: float = 1.0) -> None:
        """Raise BrokerUnavailable unless the broker answers."""
        try:
            self._producer.list_topics(self._topic, timeout=timeout_s)
        except KafkaException as error:
            raise BrokerUnavailable(f"Kafka does not answer: {error}") from None

    def close(self) -> None:
        """Wait for what is under way, for a bounded time."""
        self._producer.flush(self._timeout)


def ensure_topic(settings: Settings) -> None:
    """Create the topic of listening events unless it is there."""
    admin = AdminClient(connection(settings))
    if settings.kafka_topic in admin.list_topics(timeout=10).topics:
        return
    # The broker's clock, so that no sender decides when an event was received.
    config = {"message.timestamp.type": "LogAppendTime"}
    topic = NewTopic(settings.kafka_topic, num_partitions=settings.kafka_partitions, config=config)
    admin.create_topics([topic])[settings.kafka_topic].result(30)


def topic_bounds(settings: Settings, timeout_s: float = 5.0) -> dict[int, tuple[int, int]]:
    """Return for each partition the oldest offset that is kept, and the next one to come.

    Raises BrokerUnavailable when the broker does not answer.
    """
    topic = settings.kafka_topic
    # The group is a formality: no message is read.
    options = connection(settings) | {"group.id": "offsets", "log_level": 0}
    consumer = Consumer(options)
    try:
        partitions = consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions
        return {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=timeout_s)
            for p in partitions
        }
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not say its offsets: {error}") from None
    finally:
        consumer.close()
