# Shared by the scripts of this project; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# What the tests need of Python, in a folder that git ignores.
venv=$root/.build-python

say() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Where `swift build` puts the programs, in the configuration given (debug unless told otherwise).
products() { swift build --configuration "${1:-debug}" --show-bin-path; }

# as_root COMMAND...: runs it as root, by sudo where we are not; fails where that cannot be.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        printf 'not root, and there is no sudo\n' >&2
        return 1
    fi
}
