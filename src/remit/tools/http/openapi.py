"""Reading an OpenAPI document (3.0 and 3.1): operations as names, arguments and requests. Nothing is fetched from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import jsonschema_rs
import yaml

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, BadInput

METHODS: Final = ("get", "put", "post", "delete", "patch")
_LARGEST: Final = 16 << 20
_DEEP: Final = 40
_SLUG: Final = re.compile(r"[^A-Za-z0-9]+")
_PLACE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value that goes into the path or the query."""

    arg: str
    name: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request that a service understands."""

    name: str
    method: str
    path: str
    description: str
    schema: Mapping[str, JsonValue]
    parameters: Sequence[Parameter]
    has_body: bool

    def request(self, args: Mapping[str, JsonValue]) -> str:
        """The path with its query. Raises ArgsInvalid for a value that no path can have."""
        values = {one.name: args[one.arg] for one in self.parameters if one.where == "path" and one.arg in args}

        def put(found: re.Match[str]) -> str:
            text = _plain(values.get(found[1], ""))
            if text in {"", ".", ".."} or "/" in text or "\\" in text:  # also escaped, a server may take it for a path
                raise ArgsInvalid(f"{found[1]} cannot be {text!r}", fix="send what stands in the service's own answers")
            return quote(text, safe="")

        path = _PLACE.sub(put, self.path)
        query = [(one.name, _plain(item)) for one in self.parameters if one.where == "query" for item in _listed(args, one.arg)]
        return f"{path}?{urlencode(query)}" if query else path


def read_operations(path: Path) -> list[Operation]:
    """Every operation whose body, if it needs one, is JSON. Raises BadInput, naming what is wrong with the document."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadInput(f"{path} is larger than {_LARGEST} bytes", fix="name a smaller document")
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read: {error}", fix="give a YAML or JSON file of OpenAPI 3") from None
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise BadInput(f"{path} is no OpenAPI 3 document", fix="convert it, if it is of version 2")
    found: dict[str, Operation] = {}
    for one in _operations(document, str(path)):
        if one.name in found:
            raise BadInput(f"{path} has two operations {one.name!r}", fix="give each an operationId of its own")
        found[one.name] = one
    return list(found.values())


def _operations(document: dict[str, Any], where: str) -> Iterator[Operation]:
    paths = document.get("paths")
    for path, raw in (paths if isinstance(paths, dict) else {}).items():
        item = _resolved(document, raw, where)
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if isinstance(operation, dict):
                made = _operation(f"{where}: {method.upper()} {path}", str(path), method, operation, item.get("parameters") or [])
                if made is not None:
                    yield made


def _operation(where: str, path: str, method: str, operation: dict[str, Any], shared: list[Any]) -> Operation | None:
    properties: dict[str, JsonValue] = {}
    required: list[JsonValue] = []
    parameters: dict[tuple[str, str], Parameter] = {}
    for one in [*shared, *(operation.get("parameters") or [])]:
        name, kind = str(one.get("name", "")), str(one.get("in", ""))
        if kind not in {"path", "query"}:
            if one.get("required"):
                return None  # a header or cookie that remit does not send
            continue
        arg = name if name not in properties or (name, kind) in parameters else f"{kind}_{name}"
        parameters[name, kind] = Parameter(arg=arg, name=name, where=kind)
        said = {"description": visible(str(one["description"]), keep="\n")} if one.get("description") else {}
        properties[arg] = {**_schema(one.get("schema") or {}), **said}
        if (one.get("required") or kind == "path") and arg not in required:
            required.append(arg)
    body = operation.get("requestBody") or {}
    content = (body.get("content") or {}).get("application/json")
    if body and content is None and body.get("required"):
        return None
    if content is not None:
        properties["body"] = _schema(content.get("schema") or {})
        required += ["body"] if body.get("required") else []
    schema: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    try:
        jsonschema_rs.validator_for(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise BadInput(f"{where}: its schema is none: {str(error)[:200]}", fix="mend the document") from None
    return Operation(
        name=str(operation.get("operationId") or f"{method}_{_SLUG.sub('_', path).strip('_')}"),
        method=method.upper(),
        path=path,
        description=visible(str(operation.get("summary") or operation.get("description") or f"{method.upper()} {path}"), keep="\n"),
        schema=schema,
        parameters=tuple(parameters.values()),
        has_body=content is not None,
    )


def _resolved(document: Any, node: Any, where: str, seen: tuple[str, ...] = (), depth: int = 0) -> Any:
    """The node with everything it refers to put in; what refers to itself may be anything."""
    if depth > _DEEP:
        return {}
    if isinstance(node, list):
        return [_resolved(document, one, where, seen, depth + 1) for one in node]
    if not isinstance(node, dict):
        return node
    ref = node.get("$ref")
    if not isinstance(ref, str):
        return {str(key): _resolved(document, value, where, seen, depth + 1) for key, value in node.items()}
    if ref in seen:
        return {}
    return _resolved(document, _pointed(document, ref, where), where, (*seen, ref), depth + 1)


def _pointed(document: Any, ref: str, where: str) -> Any:
    """What a reference within the document leads to (RFC 6901). Raises BadInput."""
    if not ref.startswith("#/"):
        raise BadInput(f"{where} refers to {ref}, which is elsewhere", fix="bundle it into one document")
    there = document
    for part in ref[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(there, dict) or key not in there:
            raise BadInput(f"{where} refers to {ref}, which is not in it", fix="mend the document")
        there = there[key]
    return there


def _schema(node: Any) -> dict[str, JsonValue]:
    """A schema of 3.0 in the words of JSON Schema 2020-12, which 3.1 speaks by itself."""
    if not isinstance(node, dict):
        return {}
    found: dict[str, Any] = {key: value for key, value in node.items() if key not in {"example", "examples", "xml", "discriminator"}}
    if found.pop("nullable", False) and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    for limit, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(limit), bool):
            exclusive = found.pop(limit)
            if exclusive and bound in found:
                found[limit] = found.pop(bound)
    return {key: _inner(key, value) for key, value in found.items()}


def _inner(key: str, value: Any) -> Any:
    """The schemas inside a schema, in the same words."""
    if key in {"items", "additionalProperties", "not"} and isinstance(value, dict):
        return _schema(value)
    if key in {"allOf", "anyOf", "oneOf"} and isinstance(value, list):
        return [_schema(one) for one in value]
    if key == "properties" and isinstance(value, dict):
        return {name: _schema(one) for name, one in value.items()}
    return value


def _listed(args: Mapping[str, JsonValue], name: str) -> Sequence[JsonValue]:
    if name not in args:
        return ()
    value = args[name]
    return value if isinstance(value, list | tuple) else (value,)


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
