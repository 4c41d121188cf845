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
        .venv/bin/python -c 'import keepa_deals.ingest.upsert.run, keepa_deals.ops.cli, keepa_deals.web.app
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

# The value of a setting, from the environment or .env, without running anything of the new version.
setting() {
    local value=${!1-}
    [ -n "$value" ] || value=$(sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=//p" .env 2>/dev/null | tail -n 1)
    printf '%s' "${value%%#*}" | tr -d "[:space:]\"'" | tr '[:upper:]' '[:lower:]'
}

# Each commit since the version in service (the last one where none is) must have a signature that git takes for
# good, by the keys that it was told to trust here (gpg's, or gpg.ssh.allowedSignersFile).
verify_commits() {
    case $(setting DEPLOY_VERIFY_COMMITS) in 1 | true | yes | on | t | y) ;; *) return 0 ;; esac
    local range=(-1 HEAD) previous commit what
    previous=$(git rev-parse --verify --quiet refs/keepa-deals/deployed) && range=("$previous..HEAD")
    for commit in $(git rev-list --reverse "${range[@]}"); do
        git verify-commit "$commit" 2>/dev/null && continue
        what="has a signature that is not good here (git verify-commit $commit says why)"
        [ "$(git log -1 --format=%G? "$commit" 2>/dev/null)" != N ] || what="is not signed"
        say "commit ${commit:0:10} $what: $(git log -1 --format=%s "$commit")" >&2
        return 1
    done
}

if [ "${1-}" = --dry-run ]; then
    verify_commits || fail "DEPLOY_VERIFY_COMMITS: a deploy would refuse this version (see above)"
else
    verify_commits || refuse "DEPLOY_VERIFY_COMMITS: a commit of this version has no good signature"
fi
if [ "${1-}" = --dry-run ]; then
    [ -x .venv/bin/python ] || fail "nothing was ever installed here: a deploy would make .venv and start everything"
    packages_are_installed || say "would install packages into .venv: those that are wanted have changed"
else
    (make_environment) || refuse "the packages of this version cannot be installed"
    loads || refuse "this version cannot be loaded"
fi
exec .venv/bin/python -m keepa_deals ops deploy "$@"
