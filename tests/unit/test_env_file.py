"""The env file of compose: every secret made anew, never overwritten, read by its owner alone."""

import base64

import pytest
from dotenv import dotenv_values

from infra.local.env_file import EXAMPLE, PLACEHOLDER, with_secrets, write


def test_every_placeholder_becomes_a_secret_of_its_own(tmp_path):
    path = tmp_path / ".env"
    write(path, with_secrets(EXAMPLE.read_text()))
    asked, made = dotenv_values(EXAMPLE), dotenv_values(path)
    assert made.keys() == asked.keys()
    new = [name for name in asked if asked[name] == PLACEHOLDER]
    assert len(new) >= 10
    assert len({made[name] for name in new}) == len(new)
    assert all(len(made[name]) >= 32 for name in new)
    assert {n: v for n, v in made.items() if n not in new} == {
        n: v for n, v in asked.items() if n not in new
    }
    assert len(base64.urlsafe_b64decode(made["AIRFLOW_FERNET_KEY"])) == 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_secrets_in_use_are_not_overwritten(tmp_path):
    path = tmp_path / ".env"
    path.write_text("NOCTURNE_TOKEN_SECRET=in-use\n")
    with pytest.raises(FileExistsError):
        write(path, "NOCTURNE_TOKEN_SECRET=other\n")
    assert path.read_text() == "NOCTURNE_TOKEN_SECRET=in-use\n"
