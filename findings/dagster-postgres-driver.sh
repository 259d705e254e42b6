#!/usr/bin/env bash
# One would guess: dagster-postgres brings the driver that its configuration needs: `pip install dagster-postgres`, the
#   storage block from its documentation, and Dagster starts.
# True: it brings psycopg2 and composes a URL that starts with postgresql://. It does not bound SQLAlchemy, and from 2.1
#   on SQLAlchemy reads that as psycopg 3, which nobody has installed. No command starts; the error speaks of a missing
#   module and never of the setting that mends it: scheme: postgresql+psycopg2.
# Why it matters here: constraints.txt holds SQLAlchemy 2.1, so whoever moves from SQLite to Postgres meets this first.
# Seen with dagster 1.13.27, dagster-postgres 0.29.27, SQLAlchemy 2.1.9, psycopg2-binary 2.9.13:
#   as documented: exit 1, ModuleNotFoundError: No module named 'psycopg'
#   postgresql:// -> psycopg, postgresql+psycopg2:// -> psycopg2
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    dagster==1.13.27 dagster-postgres==0.29.27 SQLAlchemy==2.1.9 psycopg2-binary==2.9.13

mkdir "$folder/home"
cat >"$folder/home/dagster.yaml" <<'EOF'
telemetry: {enabled: false}
storage:
  postgres:
    postgres_db: {username: example, password: example, hostname: 127.0.0.1, db_name: dagster, port: 5432}
EOF
code=0
DAGSTER_HOME="$folder/home" "$folder/venv/bin/dagster" run list >"$folder/output" 2>&1 || code=$?
echo "as documented: exit $code, $(tail -n 1 "$folder/output")"
test "$code" -eq 1
test "$(tail -n 1 "$folder/output")" = "ModuleNotFoundError: No module named 'psycopg'"
if grep -q psycopg2 "$folder/output"; then echo "the error names psycopg2 now"; exit 1; fi

"$folder/venv/bin/python" - "$folder/home" <<'EOF'
import sys
from importlib.metadata import requires, version
from importlib.util import find_spec
from pathlib import Path

import yaml
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import create_engine, make_url

given = yaml.safe_load((Path(sys.argv[1]) / "dagster.yaml").read_text())["storage"]["postgres"]
named = {"postgres_db": {**given["postgres_db"], "scheme": "postgresql+psycopg2"}}
plain, mended = pg_url_from_config(given), pg_url_from_config(named)
names = ("dagster", "dagster-postgres", "SQLAlchemy", "psycopg2-binary")
print(*(f"{name} {version(name)}" for name in names), sep=", ")
read_as = make_url(plain).get_dialect().driver
print(f"postgresql:// -> {read_as}, postgresql+psycopg2:// -> {create_engine(mended).driver}")
assert plain.startswith("postgresql://") and read_as == "psycopg", (plain, read_as)
assert mended.startswith("postgresql+psycopg2://") and create_engine(mended).driver == "psycopg2", mended
assert find_spec("psycopg2") and not find_spec("psycopg")
assert "psycopg2-binary" in requires("dagster-postgres")
assert not any("sqlalchemy" in each.lower() for each in requires("dagster-postgres"))
EOF
