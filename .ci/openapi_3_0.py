"""Writes infra/openapi-3.0.json: the contract for gateways and generators that read nothing newer than OpenAPI 3.0.

The contract is infra/openapi.yaml. Whatever 3.0 cannot say is either said in its way or, where it has none, left out;
what is neither known here nor the same in both editions stops the script.

    openapi_3_0.py [--check]
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TARGET = ROOT / "infra/openapi.yaml", ROOT / "infra/openapi-3.0.json"

# Of a schema, what both editions have and mean alike.
SAME = {
    "type", "format", "pattern", "enum", "minimum", "maximum", "minLength", "maxLength", "maxItems", "minItems", "required",
    "default", "description",
}
# Other parts of the document that need no word here.
PLAIN = {
    "openapi", "info", "servers", "security", "tags", "paths", "components", "parameters", "headers", "responses",
    "requestBody", "content", "operationId", "summary", "description", "name", "in", "required", "example",
    "securitySchemes",
}


class Loader(yaml.SafeLoader):
    """YAML without dates: `2017-01-20` is a text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def schema(given, where):
    made, nullable = {}, False
    for key, value in given.items():
        if key == "$ref":
            continue
        elif key == "type" and isinstance(value, list):
            (made["type"],) = [one for one in value if one != "null"]
            nullable = "null" in value
        elif key == "const":
            made["enum"] = [value]
        elif key == "examples":
            made["example"] = value[0]
        elif key == "oneOf":
            alternatives = [schema(one, f"{where}/oneOf") for one in value if one != {"type": "null"}]
            nullable = len(alternatives) < len(value)
            # How a null beside a reference is written for 3.0, and what generators read. To the letter the reference
            # would still refuse it, so that bodies are better validated by the contract itself.
            if nullable and len(alternatives) == 1:
                made["allOf"] = alternatives
            elif nullable:
                raise SystemExit(f"{where}: null beside several alternatives has no 3.0 form")
            else:
                made["oneOf"] = alternatives
        elif key == "allOf":
            made["allOf"] = [schema(one, f"{where}/allOf") for one in value]
        elif key == "properties":
            made[key] = {name: schema(one, f"{where}/{name}") for name, one in value.items()}
        elif key in ("items", "not"):
            made[key] = schema(value, f"{where}/{key}")
        elif key == "additionalProperties" and value is False:
            made[key] = value
        elif key == "unevaluatedProperties" and value is False:
            # 3.0 has no word for an object that is closed across allOf: such answers stay open in this edition.
            continue
        elif key in SAME:
            made[key] = value
        else:
            raise SystemExit(f"{where}: {key} is not known")
    if "$ref" in given:
        # Beside a reference 3.0 reads nothing.
        reference = {"$ref": given["$ref"]}
        if not made:
            return reference
        made["allOf"] = [reference, *made.get("allOf", [])]
    if nullable:
        if "allOf" in made and "type" not in made:
            made["type"] = type_of(made["allOf"][0], where)
        made["nullable"] = True
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


def type_of(given, where):
    """nullable counts only beside a type."""
    while "$ref" in given:
        given = at(given["$ref"])
    if not isinstance(given.get("type"), str):
        raise SystemExit(f"{where}: the type beside null is not known")
    return given["type"]


def at(reference):
    found = CONTRACT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def converted(given, where=""):
    if isinstance(given, list):
        return [converted(one, f"{where}/{number}") for number, one in enumerate(given)]
    if not isinstance(given, dict):
        return given
    if "$ref" in given:
        if set(given) != {"$ref"}:
            raise SystemExit(f"{where}: something stands beside a reference")
        return given
    made = {}
    for key, value in given.items():
        here = f"{where}/{key}"
        if key == "schema":
            made[key] = schema(value, here)
        elif key == "schemas":
            made[key] = {name: schema(one, f"{here}/{name}") for name, one in value.items()}
        elif key in ("examples", "security", "servers", "tags", "securitySchemes") or key.startswith("x-"):
            made[key] = value
        elif key in ("webhooks", "jsonSchemaDialect", "pathItems"):
            raise SystemExit(f"{here}: 3.0 has nothing for it")
        elif key in PLAIN or re.search(r"/(responses|parameters|headers|content)$", where) or where.startswith("/paths"):
            made[key] = converted(value, here)
        else:
            raise SystemExit(f"{here}: {key} is not known")
    return made


def edition():
    made = converted({key: value for key, value in CONTRACT.items() if key != "info"})
    info = dict(CONTRACT["info"])
    # 3.0 has neither a summary nor a licence by identifier.
    info["description"] = f"{info.pop('summary')}\n\n{info['description']}"
    licence = dict(info["license"])
    licence["url"] = f"https://spdx.org/licenses/{licence.pop('identifier')}.html"
    info["license"] = licence
    made = {**made, "openapi": "3.0.3", "info": info}
    return {key: made[key] for key in CONTRACT}


CONTRACT = yaml.load(SOURCE.read_text(encoding="utf-8"), Loader)

if __name__ == "__main__":
    text = json.dumps(edition(), ensure_ascii=False, indent=2) + "\n"
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{TARGET.name} is not made from {SOURCE.name} as it stands: run {sys.argv[0]}")
    else:
        TARGET.write_text(text, encoding="utf-8")
