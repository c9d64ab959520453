#!/usr/bin/env bash
# The tests of market, API, database and log on Debian's PostgreSQL, an older major version than the one in the wheel.

set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(ls -d /usr/lib/postgresql/*/bin | head -n 1)
folder=$(mktemp -d)
chmod 755 "$folder"

as_server() { if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
stop() {
  as_server "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

as_server "$bin/initdb" -D "$folder/data" -A trust -U postgres -E UTF8 --no-sync >/dev/null
as_server "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" start \
  -o "-k $folder -c listen_addresses= -c fsync=off -c max_connections=300" >/dev/null
"$bin/postgres" --version
OPENBERTH_TEST_SERVER="postgresql://{user}@/{database}?host=$folder" \
  .venv/bin/pytest -q tests/test_database_alone.py tests/test_database_rights.py tests/test_migrations.py tests/api \
  tests/live/test_numbering.py tests/live/test_events.py tests/live/test_watches.py \
  --ignore tests/api/test_contract.py --ignore tests/api/test_golden_rule.py --ignore tests/api/test_sign_in.py \
  --ignore tests/api/test_lockout.py --ignore tests/api/test_second_factor.py "$@"
