# Shared by the scripts beside it; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# What the tests need of Python, in a folder that git ignores.
venv=$root/.build-python

say() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Where `swift build` puts the programs, in the configuration given (debug unless told otherwise).
products() { swift build --configuration "${1:-debug}" --show-bin-path; }
