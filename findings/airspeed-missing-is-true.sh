#!/usr/bin/env bash
# One would guess: in a Velocity template a variable that is not there is false in #if, as the language has it.
# True: in airspeed-ext a missing or null value is *true*, while one that is there and empty is false, so the two change
#   places. The project it is forked from, airspeed, says false to both. A method that the engine does not know is such
#   a missing value: $name.equals("other") is no error, prints as nothing, and counts as true.
# Why it matters here: the mapping templates of our request front are rendered with airspeed-ext in tests and on the
#   local stack. They therefore never ask whether a value is there; they compare texts ("$!value" == "").
# Seen with airspeed-ext 0.6.9 and airspeed 0.7.1 (both install the module `airspeed`):
#   case             airspeed-ext  airspeed
#   not there        true          false
#   null             true          false
#   empty text       false         false
#   empty list       false         false
#   unknown method   true          false
#   "$!value" == ""  true          true
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/ask.py" <<'EOF'
import json

from airspeed import Template

CASES = {
    "not there": ("$value", {}),
    "null": ("$value", {"value": None}),
    "empty text": ("$value", {"value": ""}),
    "empty list": ("$value", {"value": []}),
    "unknown method": ('$value.equals("other")', {"value": "one"}),
    '"$!value" == ""': ('"$!value" == ""', {}),
}
answers = {name: Template(f"#if({asked})true#{{else}}false#end").merge(names) for name, (asked, names) in CASES.items()}
print(json.dumps(answers))
EOF

for package in airspeed-ext==0.6.9 airspeed==0.7.1; do
    python3 -m venv "$folder/$package"
    "$folder/$package/bin/python" -m pip install --quiet --disable-pip-version-check "$package"
    "$folder/$package/bin/python" "$folder/ask.py" >"$folder/$package.json"
    echo "$package: $(cat "$folder/$package.json")"
done

python3 - "$folder" <<'EOF'
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
ext, base = (json.loads((folder / f"{name}.json").read_text()) for name in ("airspeed-ext==0.6.9", "airspeed==0.7.1"))
assert list(ext.values()) == ["true", "true", "false", "false", "true", "true"], ext
assert list(base.values()) == ["false", "false", "false", "false", "false", "true"], base
EOF
