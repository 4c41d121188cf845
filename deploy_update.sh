#!/usr/bin/env bash
# Brings the version that is checked out (git pull first) into service: ./deploy_update.sh [--dry-run]
# Permissions, Stop, Start, Reload, Backfill; when the new version does not work, the previous one comes back.
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

# A version that cannot even be loaded is never put into service: what runs goes on, and so does its code.
refuse_unloadable() {
    local previous
    .venv/bin/python -m compileall -q keepa_deals celeryconfig.py >&2 &&
        .venv/bin/python -c 'import keepa_deals.ingest.recent, keepa_deals.ops.commands, keepa_deals.web.app' &&
        return
    previous=$(git rev-parse --verify --quiet refs/keepa-deals/deployed) ||
        fail "this version cannot be loaded (see above), and git knows no previous one"
    git -c advice.detachedHead=false checkout --quiet "$previous" ||
        fail "this version cannot be loaded (see above), and git cannot go back to $previous"
    make_environment
    fail "this version cannot be loaded (see above): ${previous:0:10} is checked out again, nothing was stopped"
}

if [ "${1-}" = --dry-run ]; then
    [ -x .venv/bin/keepa-deals ] || fail "nothing was ever installed here: a deploy would make .venv and start everything"
    packages_are_installed || say "would install packages into .venv: those that are wanted have changed"
else
    make_environment
    refuse_unloadable
fi
exec .venv/bin/keepa-deals ops deploy "$@"
