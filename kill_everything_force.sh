#!/usr/bin/env bash
# Stops everything of this deployment, however broken it is, and nothing else: ./kill_everything_force.sh [--wait SECONDS]
# Exit 0 only if nothing is left. Never touches the queue, the balance or the database.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ ! -x .venv/bin/keepa-deals ]; then
    echo "no .venv here: nothing was ever started from $PWD" >&2
    exit 0
fi
exec .venv/bin/keepa-deals ops kill "$@"
