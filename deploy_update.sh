#!/usr/bin/env bash
# Brings the version that is checked out (git pull first) into service: ./deploy_update.sh [--dry-run]
# Permissions, Stop, Start, Reload, Backfill; when the new version does not work, the previous one comes back.
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

loads() {
    .venv/bin/python -m compileall -q keepa_deals celeryconfig.py >&2 &&
        .venv/bin/python -c 'import keepa_deals.ingest.recent, keepa_deals.ops.commands, keepa_deals.web.app
from keepa_deals.db import migrate
migrate.head()'
}

# A version that cannot even be installed or loaded is never put into service: what runs goes on, and so does its code.
refuse() {
    local why="$1 (see above)" previous
    previous=$(git rev-parse --verify --quiet refs/keepa-deals/deployed) ||
        fail "$why, and git knows no previous version"
    [ "$previous" != "$(git rev-parse HEAD)" ] || fail "$why; nothing was stopped"
    git -c advice.detachedHead=false checkout --quiet "$previous" ||
        fail "$why, and git cannot go back to $previous; nothing was stopped"
    # shellcheck source=keepa_deals/ops/environment.sh
    (source keepa_deals/ops/environment.sh && make_environment) || why="$why, nor can those of the previous one"
    fail "$why: ${previous:0:10} is checked out again, nothing was stopped"
}

if [ "${1-}" = --dry-run ]; then
    [ -x .venv/bin/python ] || fail "nothing was ever installed here: a deploy would make .venv and start everything"
    packages_are_installed || say "would install packages into .venv: those that are wanted have changed"
else
    (make_environment) || refuse "the packages of this version cannot be installed"
    loads || refuse "this version cannot be loaded"
fi
exec .venv/bin/python -m keepa_deals ops deploy "$@"
