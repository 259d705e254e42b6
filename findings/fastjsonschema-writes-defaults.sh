#!/usr/bin/env bash
# One would guess: validating a document only reads it; `default` in a JSON Schema is a remark, as jsonschema has it.
# True: a function compiled by fastjsonschema writes each missing property's default into the document that it was
#   given, at every depth, and leaves there what it wrote before it refuses one. compile(..., use_default=False) only
#   reads.
# Why it matters here: a model's answer is validated by fastjsonschema before it is stored. A default in an analysis'
#   output schema would put words into paid answers that no model said, and a refused answer that is shown to jsonschema
#   for the reason would no longer be the one that came.
# Seen with fastjsonschema 2.22.3 and jsonschema 4.26.0:
#   valid    {"warnings": [{}]} -> {"warnings": [{"level": "none"}], "confidence": "high"}
#   refused  {"warnings": 5}    -> {"warnings": 5, "confidence": "high"}
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check fastjsonschema==2.22.3 jsonschema==4.26.0

"$folder/venv/bin/python" - <<'EOF'
import json
from importlib.metadata import version

import fastjsonschema
from jsonschema import Draft7Validator

WARNING = {"type": "object", "properties": {"level": {"type": "string", "default": "none"}}}
SCHEMA = {
    "type": "object",
    "properties": {
        "confidence": {"type": "string", "default": "high"},
        "warnings": {"type": "array", "items": WARNING},
    },
}
VALID, REFUSED = {"warnings": [{}]}, {"warnings": 5}


def after(validate, document, accepted):
    """The document as it is after it was validated."""
    copy = json.loads(json.dumps(document))
    try:
        assert validate(copy) is not False
        assert accepted, document
    except fastjsonschema.JsonSchemaException:
        assert not accepted, document
    return copy


fast, reading = fastjsonschema.compile(SCHEMA), fastjsonschema.compile(SCHEMA, use_default=False)
print(f"fastjsonschema {version('fastjsonschema')}, jsonschema {version('jsonschema')}")
filled, refused = after(fast, VALID, True), after(fast, REFUSED, False)
print("valid  ", json.dumps(VALID), "->", json.dumps(filled))
print("refused", json.dumps(REFUSED), "->", json.dumps(refused))
assert filled == {"warnings": [{"level": "none"}], "confidence": "high"}, filled
assert refused == {"warnings": 5, "confidence": "high"}, refused
assert after(reading, VALID, True) == VALID
assert after(reading, REFUSED, False) == REFUSED
assert after(Draft7Validator(SCHEMA).is_valid, VALID, True) == VALID
EOF
