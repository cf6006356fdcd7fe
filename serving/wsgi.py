"""What gunicorn loads: `gunicorn -c serving/gunicorn_conf.py serving.wsgi:app`."""

from jobs.contract.settings import load_settings
from serving.app import create_app

app = create_app(load_settings())
