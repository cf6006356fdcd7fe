"""URIs of the Airflow assets that tie one DAG to the next."""

GENERATION_NAME = "generation"
GENERATION_URI = "nocturne://generation/"
"""A trained generation is in the lake; the event's extra holds `{"generation": id}`."""
