# shellcheck shell=bash
# Sourced by the scripts at the project's root, from there: the Python environment in .venv.

say() { printf '%s\n' "$*"; }

fail() {
    printf 'keepa_deals: %s\n' "$*" >&2
    exit 1
}

# What an installed environment was made from: another sum means that something has to be installed.
wanted_packages() {
    {
        cat pyproject.toml constraints.txt .venv/pyvenv.cfg
        # another minor version, after an upgrade of the system, finds none of the packages
        .venv/bin/python -c 'import sys; print(sys.implementation.cache_tag)'
    } 2>/dev/null | sha256sum
}

packages_are_installed() {
    [ -x .venv/bin/keepa-deals ] && [ "$(cat .venv/.installed 2>/dev/null)" = "$(wanted_packages)" ]
}

make_environment() {
    exec 9>.venv.lock
    flock 9 || fail "cannot lock .venv.lock"
    if ! packages_are_installed; then
        make_venv
        say "installing packages into .venv (a minute the first time)"
        .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
            -c constraints.txt -e . 2>&1 | show_progress ||
            fail "pip could not install the packages: see above; check the network and start again"
        wanted_packages >.venv/.installed
    fi
    flock -u 9
    exec 9>&-
}

# A .venv without pip is half of one: venv leaves it where its own packages are missing, an upgrade of the system, too.
make_venv() {
    local python=${PYTHON:-python3}
    .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "$python is not Python 3.11 or newer: install one, or name it with PYTHON=…"
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv ||
        fail "no venv module: on Debian and Ubuntu, apt-get install python3-venv; then start again"
}

# One line a package instead of pip's page; errors as they are.
show_progress() {
    local line count=0
    while IFS= read -r line; do
        case $line in
            Collecting*) count=$((count + 1)) && printf '  %3d  %s\n' "$count" "${line#Collecting }" ;;
            ERROR* | *rror:* | *"No module named"*) printf '  %s\n' "$line" >&2 ;;
            Installing\ collected*) say "  installing $count packages" ;;
        esac
    done
}
