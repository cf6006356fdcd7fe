"""How clients of Kafka log in: the two ways to say it, and what a password may have in it."""

from jobs.contract.settings import Settings
from jobs.stores.events import connection, spark_connection

LOGIN = Settings(kafka_bootstrap="k:1", kafka_user="u", kafka_password='a"b\\c')


def test_a_broker_that_asks_for_nobody_is_told_of_nobody():
    settings = Settings(kafka_bootstrap="k:1", kafka_user="")
    assert connection(settings) == {"bootstrap.servers": "k:1"}
    assert spark_connection(settings) == {"kafka.bootstrap.servers": "k:1"}


def test_quotes_and_backslashes_of_a_password_reach_java_as_they_are():
    assert connection(LOGIN)["sasl.password"] == 'a"b\\c'
    login = spark_connection(LOGIN)["kafka.sasl.jaas.config"]
    assert login.endswith(' required username="u" password="a\\"b\\\\c";')


def test_the_password_is_not_shown_with_the_settings():
    assert LOGIN.kafka_password not in repr(LOGIN)
    assert "kafka_password" not in repr(LOGIN)
