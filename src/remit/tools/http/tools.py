"""The tools for HTTP that a configuration brings."""

from __future__ import annotations

from collections.abc import Mapping

from remit.config import Service as Configured
from remit.ports import Store, Tool
from remit.tools.http.change import HttpChange, HttpRestore
from remit.tools.http.get import HttpGet
from remit.tools.http.pulls import PullClose, PullRequest
from remit.tools.http.send import HttpSend
from remit.tools.http.service import known


def http_tools(services: Mapping[str, Configured], store: Store) -> list[Tool]:
    """`http.get`, and what services are for: sending, careful changes, pull requests, operations. Raises BadInput for a strange base."""
    every = known(services)
    made: list[Tool] = [HttpGet(every)]
    if every:
        made.append(HttpSend(every))
    careful = {name: service for name, service in every.items() if service.preconditions}
    if careful:
        made += [HttpChange(careful, store), HttpRestore(careful, store)]
    forges = {name: one.pulls for name, one in services.items() if one.pulls}
    if forges:
        made += [PullRequest(every, forges), PullClose(every, forges)]
    for name, one in services.items():
        if one.openapi is not None:
            from remit.tools.http.operation_tool import operation_tools  # noqa: PLC0415 - reading YAML is for those who have some

            made += operation_tools(name, one, every, HttpChange(careful, store) if name in careful else None)
    return made
