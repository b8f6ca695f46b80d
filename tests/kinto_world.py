"""A real REST service with preconditions: Kinto in a process of its own, on loopback."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from remit.config import Service

_SEATS = "buckets/theatre/collections/seats/records"
MANAGED = ("data.last_modified", "data.id", "permissions")

SEATS = """
openapi: 3.0.3
info: { title: seats, version: "1" }
paths:
  /buckets/theatre/collections/seats/records/{seat}:
    parameters:
      - { name: seat, in: path, required: true, schema: { type: string, pattern: "^[^/]*$" } }
    get:
      operationId: readSeat
      summary: Read who has a seat.
      parameters: [ { name: _fields, in: query, schema: { type: array, items: { type: string } } } ]
      responses: { "200": { description: ok } }
    put:
      operationId: takeSeat
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Seat" } } } }
      responses: { "200": { description: ok } }
    delete:
      responses: { "200": { description: ok } }
components:
  schemas:
    Seat: { type: object, required: [data], properties: { data: { $ref: "#/components/schemas/Data" } } }
    Data:
      type: object
      properties:
        who: { type: string, nullable: true }
        price: { type: integer, minimum: 0, exclusiveMinimum: true }
        beside: { $ref: "#/components/schemas/Data" }
"""
"""What an OpenAPI document says of it."""


@dataclass
class Kinto:
    """The service, and what somebody else does there."""

    port: int
    client: httpx2.Client
    user: str = "remit"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{self.user}:x".encode()).decode()}

    @property
    def service(self) -> Service:
        return Service(base=f"http://127.0.0.1:{self.port}/v1", headers=self.headers, private=True, preconditions=True, managed=MANAGED)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self.client.request(method, f"http://127.0.0.1:{self.port}/v1/{path}", json=body, headers={**self.headers, **headers})

    def seat(self, name: str) -> str:
        """The path of a seat."""
        return f"{_SEATS}/{name}"

    def empty(self) -> None:
        """The theatre without a seat taken."""
        self.ask("PUT", "buckets/theatre")
        self.ask("PUT", "buckets/theatre/collections/seats")
        self.ask("DELETE", _SEATS)

    def put(self, name: str, **data: Any) -> None:
        self.ask("PUT", self.seat(name), {"data": data}).raise_for_status()

    def seats(self) -> dict[str, Mapping[str, Any]]:
        """All that is taken, without the times that the service keeps itself."""
        found = self.ask("GET", _SEATS).json()["data"]
        return {one["id"]: {k: v for k, v in one.items() if k not in {"last_modified", "id"}} for one in found}


@contextmanager
def kinto() -> Iterator[Kinto]:
    """A server of its own, ended with the block."""
    child = Path(__file__).with_name("kinto_child.py")
    with subprocess.Popen([sys.executable, str(child)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            with httpx2.Client(trust_env=False) as client:
                made = Kinto(int(process.stdout.readline()), client)
                made.empty()
                yield made
        finally:
            process.kill()
