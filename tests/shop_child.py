"""A small shop, run in a process of its own: `FOLDER PORT`. It reads FOLDER/shop.conf, writes FOLDER/shop.log, and answers /health."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"the shop is open" if self.path == "/health" else b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


def main(folder: Path, port: int) -> int:
    with (folder / "shop.log").open("a", encoding="utf-8") as log:
        name, _, value = (folder / "shop.conf").read_text(encoding="utf-8").strip().partition(" = ")
        if name != "workers" or not value.isdecimal():
            log.write(f"shop.conf: {name} is {value!r}, which is no number\n")
            return 1
        log.write(f"open with {value} workers\n")
    server = HTTPServer(("127.0.0.1", port), Health)
    print("open", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
