#!/bin/bash
# Bring Airflow's database to this version and write the passwords of its users.
set -euo pipefail

airflow db migrate
airflow pools set spark 1 "Two Spark jobs would fight for one machine"
umask 077
python > "$AIRFLOW_HOME/passwords.json" <<'PYTHON'
import json, os

print(json.dumps({u: os.environ[f"{u.upper()}_PASSWORD"] for u in ("admin", "op", "viewer")}))
PYTHON
