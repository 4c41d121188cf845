#!/usr/bin/env bash
# Starts everything: ./start_celery.sh [--sandbox] [--within SECONDS]
# Installs what is missing into .venv; returns 0 only when the service is seen to work.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case "${1-}" in
    -h | --help)
        sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
esac

# shellcheck source=keepa_deals/ops/environment.sh
source keepa_deals/ops/environment.sh
make_environment
exec .venv/bin/keepa-deals ops start "$@"
