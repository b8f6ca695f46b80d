"""A Kinto server with everything in memory, on a port of the system's choosing, which is the one line it prints."""

from __future__ import annotations

import warnings

warnings.simplefilter("ignore")

import kinto  # noqa: E402 - its imports warn
from waitress import create_server  # noqa: E402

_SETTINGS = {
    "kinto.storage_backend": "kinto.core.storage.memory",
    "kinto.permission_backend": "kinto.core.permission.memory",
    "kinto.cache_backend": "kinto.core.cache.memory",
    "kinto.userid_hmac_secret": "for tests",
    "kinto.bucket_create_principals": "system.Everyone",
    "multiauth.policies": "basicauth",
}

if __name__ == "__main__":
    server = create_server(kinto.main({}, **_SETTINGS), host="127.0.0.1", port=0, threads=4)
    print(server.effective_port, flush=True)
    server.run()
