#!/usr/bin/env bash
# Stops everything of this deployment, however broken it is, and nothing else: ./kill_everything_force.sh [--wait SECONDS]
# Exit 0 only if nothing is left. Never touches the queue, the balance or the database.
set -euo pipefail
here=$(readlink -f -- "${BASH_SOURCE[0]}") # through links: this acts on the folder that it lies in
cd -- "${here%/*}"

# shellcheck source=keepa_deals/ops/environment.sh
source keepa_deals/ops/environment.sh

# Whether something may have been started from here: the home has a run folder, or only .env knows where it is.
was_started() {
    local home=${KEEPA_DEALS_HOME-}
    [ -n "$home" ] || ! grep -qs 'KEEPA_DEALS_HOME *=' .env || return 0
    home=${home:-var}
    [ -d "${home/#\~/$HOME}/run" ]
}

# Without its packages nothing is stopped; with another version's it is, so that a git pull does not matter.
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import keepa_deals.ops.cli' 2>/dev/null; then
    was_started || { say "no .venv here, and nothing was ever started from $PWD" && exit 0; }
    say "the packages in .venv are missing, and without them nothing can be told ours: installing them first"
    (make_environment) ||
        fail "nothing was stopped. Mend what is said above and call this again; or by hand: kill the supervisord of" \
            "run/supervisord.pid first, then what this lists: grep -l KEEPA_DEALS_SUPERVISED /proc/[0-9]*/environ"
fi
exec .venv/bin/python -m keepa_deals ops kill "$@"
