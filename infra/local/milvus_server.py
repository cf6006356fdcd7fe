"""Become the Milvus server that the `milvus` wheel carries.

The wheel's own `milvus-server` is a parent that neither passes SIGTERM on nor notices when
the server dies, so supervisord must own the server itself.
"""

import hashlib
import os
import socket
from pathlib import Path

import milvus
import yaml

from infra.local.install import milvus_binary

INTERNAL = (
    "root_coord_port",
    "proxy_internal_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
)


# The wheel has no types.
class ReusingConfig(milvus.MilvusServerConfig):  # type: ignore[misc]
    """The wheel's configuration, whose test of a port does not stumble over TIME_WAIT."""

    def try_bind_port(self, port: int) -> socket.socket | None:
        tried = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
            tried.listen()
        except OSError:
            tried.close()
            return None
        return tried


def write_etcd_config(path: Path, data: Path, port: int) -> None:
    """Give the embedded etcd its ports: it ignores the ones in Milvus' own configuration."""
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "default",
                "data-dir": str(data / "etcd.data"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"default={peer}",
            }
        )
    )


def main() -> None:
    """Write the configuration and become the server."""
    env = os.environ
    home = Path(env["NOCTURNE_STATE"]) / "run/milvus"
    first, etcd = int(env["NOCTURNE_MILVUS_INTERNAL_PORT"]), int(env["NOCTURNE_ETCD_PORT"])
    ports = {name: first + i for i, name in enumerate(INTERNAL)}
    config = ReusingConfig(
        data_dir=str(home), proxy_port=int(env["NOCTURNE_MILVUS_PORT"]), etcd_port=etcd, **ports
    )
    config.set("authorization_enabled", True)
    # Port 9091 asks for no password: take the API off it, and the key of its debugger, which
    # is this path, out of the public's knowledge.
    config.set("proxy.http.enabled", "false")
    secret = hashlib.sha256(env["NOCTURNE_MILVUS_TOKEN"].encode()).hexdigest()[:32]
    config.set("etcd.rootPath", secret)
    config.resolve()
    etcd_config = home / "configs" / "etcd.yaml"
    write_etcd_config(etcd_config, home / "data", etcd)
    binary = milvus_binary()
    os.chdir(home)
    os.execve(
        binary,
        [str(binary), "run", "standalone"],
        env
        | {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": env["NOCTURNE_MILVUS_METRICS_PORT"],
            "MILVUS_RUN_DIR": str(home / "run"),
            "LD_LIBRARY_PATH": f"{binary.parent}:{env.get('LD_LIBRARY_PATH', '')}",
            "ETCD_CONFIG_PATH": str(etcd_config),
        },
    )


if __name__ == "__main__":
    main()
