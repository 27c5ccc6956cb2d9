"""The OpenAPI file: what each route declares, what each field means, an example of each."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tunesmith.api.access import declared_access
from tunesmith.api.example_requests import BODIES, PARAMETERS
from tunesmith.api.glossary import GLOSSARY

Json: TypeAlias = dict[str, Any]


def install_openapi(app: FastAPI) -> None:
    """Let `app` describe itself in full. Made once, when somebody asks."""
    made_by_fastapi = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            schema = made_by_fastapi()
            _describe_fields(schema)
            for operation in _operations(app, schema):
                _describe_parameters(operation)
                _add_examples(operation, schema)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi


def _operations(app: FastAPI, schema: Json) -> Iterator[Json]:
    """Every operation, with who may call it written in."""
    for route in iter_route_contexts(app.routes):
        if route.include_in_schema and route.path != app.openapi_url:
            for method in route.methods or ():
                operation = schema["paths"][route.path_format][method.lower()]
                operation["x-access"] = declared_access(route)
                yield operation


def _describe_fields(schema: Json) -> None:
    for name, definition in schema["components"]["schemas"].items():
        definition.setdefault("description", _title(name))
        for field, facts in definition.get("properties", {}).items():
            if "description" not in facts and field in GLOSSARY:
                facts["description"] = GLOSSARY[field][0]


def _title(name: str) -> str:
    if name.startswith("Page_"):
        return "A page of a list; `has_more` says whether another one follows."
    return "A form with a file." if name.startswith("Body_") else name


def _describe_parameters(operation: Json) -> None:
    for parameter in operation.get("parameters", []):
        meaning, example = PARAMETERS.get(parameter["name"], (None, None))
        if meaning is not None:
            parameter.setdefault("description", meaning)
            parameter.setdefault("example", example)


def _add_examples(operation: Json, schema: Json) -> None:
    body = operation.get("requestBody", {}).get("content", {})
    for content in body.values():
        name = content["schema"]["$ref"].rpartition("/")[2]
        if name in BODIES:
            content["example"] = BODIES[name]
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if content and status.startswith("2"):
            content["example"] = _example(content["schema"], schema)


def _example(shape: Json, schema: Json) -> Any:
    """A value of `shape`, made of the glossary's examples."""
    if "$ref" in shape:
        definition = schema["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
        return _example(definition, schema)
    if "properties" in shape:
        return {
            name: _example_of_field(name, field, schema)
            for name, field in shape["properties"].items()
        }
    if shape.get("type") == "array":
        return [_example(shape["items"], schema)] if "$ref" in shape["items"] else []
    if "anyOf" in shape:
        return _example(shape["anyOf"][0], schema)
    return shape.get("default", {} if shape.get("type") == "object" else None)


def _example_of_field(name: str, field: Json, schema: Json) -> Any:
    if "const" in field or "default" in field:
        return field.get("const", field.get("default"))
    _, example = GLOSSARY.get(name, ("", None))
    return example if example is not None else _example(field, schema)
