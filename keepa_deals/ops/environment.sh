# shellcheck shell=bash
# Sourced by the scripts at the project's root, from there: the Python environment in .venv.

# What the caller's shell has for other programs must not lead Python to another checkout's code.
unset PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONSTARTUP PYTHONPLATLIBDIR

say() { printf '%s\n' "$*"; }

fail() {
    printf 'keepa_deals: %s\n' "$*" >&2
    exit 1
}

# What an installed environment was made from: another sum means that something has to be installed.
wanted_packages() {
    {
        cat pyproject.toml "${1-requirements.txt}" .venv/pyvenv.cfg
        # another minor version, after an upgrade of the system, finds none of the packages
        .venv/bin/python -c 'import sys; print(sys.implementation.cache_tag)'
    } 2>/dev/null | sha256sum
}

packages_are_installed() {
    [ -x .venv/bin/python ] && [ "$(cat .venv/.installed 2>/dev/null)" = "$(wanted_packages)" ]
}

# Whether .venv was made for this folder: one that was copied or moved along runs the code of where it comes from.
is_in_its_place() {
    local root
    root=$(pwd -P)
    head -n 3 .venv/bin/keepa-deals 2>/dev/null | grep -qF "$root/.venv/bin/python" &&
        [ "$(.venv/bin/python -I -c 'import keepa_deals; print(keepa_deals.__file__)' 2>/dev/null)" = \
            "$root/keepa_deals/__init__.py" ]
}

make_environment() {
    if packages_are_installed && is_in_its_place; then return; fi
    take_lock
    if ! packages_are_installed; then
        make_venv
        say "installing packages into .venv (a minute the first time)"
        install_packages requirements.txt
        wanted_packages >.venv/.installed
    elif ! is_in_its_place; then
        say ".venv was made for another folder: adjusting it to this one"
        move_environment
    fi
    flock -u 9
    exec 9>&-
}

take_lock() {
    { exec 9>.venv.lock; } 2>/dev/null ||
        fail "$PWD cannot be written by $(id -un 2>/dev/null || id -u), and packages have to be installed there:" \
            "call this as $(stat -c %U . 2>/dev/null || echo its owner)"
    flock 9 || fail "cannot lock .venv.lock"
}

# Exactly the files whose sums are in the list: a package that was tampered with on its way is refused.
install_packages() {
    run_pip --require-hashes -r "$1"
    install_project
}

# The project itself is no file with a sum: it is built here, by the setuptools of the list, with no download.
install_project() { run_pip --no-deps --no-build-isolation --editable .; }

run_pip() {
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" 2>&1 |
        show_progress || fail "pip could not install the packages: see above; check the network and start again"
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

# The first line of each command names the Python that runs it, with the folder where .venv was made.
move_environment() {
    local root file first
    root=$(pwd -P)
    for file in .venv/bin/*; do
        [ -f "$file" ] && [ ! -L "$file" ] || continue
        IFS= read -r first <"$file" 2>/dev/null || true
        case $first in
            '#!'*/.venv/bin/python*) sed -i "1s|.*|#!$root/.venv/bin/${first##*/}|" "$file" ;;
        esac
    done
    install_project
}

# One line a package instead of pip's page; errors as they are.
show_progress() {
    local line count=0
    while IFS= read -r line; do
        case $line in
            Collecting*) count=$((count + 1)) && printf '  %3d  %s\n' "$count" "${line#Collecting }" ;;
            ERROR* | *rror:* | *"No module named"* | *"Expected sha256"* | *"Got  "*) printf '  %s\n' "$line" >&2 ;;
            Installing\ collected*) say "  installing $count packages" ;;
        esac
    done
}
