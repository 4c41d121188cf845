#!/usr/bin/env bash
# Starts everything: ./start_celery.sh [--sandbox] [--within SECONDS]
# Installs what is missing into .venv; returns 0 only when the service is seen to work.
set -euo pipefail
here=$(readlink -f -- "${BASH_SOURCE[0]}") # through links: this acts on the folder that it lies in
cd -- "${here%/*}"

case "${1-}" in
    -h | --help)
        sed -n '2,3s/^# //p' "$here"
        exit 0
        ;;
esac

# shellcheck source=keepa_deals/ops/environment.sh
source keepa_deals/ops/environment.sh
make_environment
exec .venv/bin/python -m keepa_deals ops start "$@"
