#!/bin/bash
# contract-tools.sh DIR — what holds a gateway against its contract, in a virtual environment of Python's in DIR: schemathesis, which asks
# what the contract says, and openapi-spec-validator, which reads it. Exit status 77: they cannot be had here.
set -euo pipefail
dir=$(realpath -m "${1:?directory}")
# Those that the checks were written for.
wants="schemathesis==4.32.5 openapi-spec-validator==0.9.0"
[ "$(cat "$dir/made-of" 2> /dev/null)" != "$wants" ] || exit 0
rm -rf "$dir"
python3 -m venv "$dir" || { echo "Python's venv is needed: \`apt-get install python3-venv\`" >&2; exit 77; }
# shellcheck disable=SC2086
"$dir/bin/pip" --quiet --disable-pip-version-check install $wants || { echo "pip cannot fetch $wants" >&2; exit 77; }
echo "$wants" > "$dir/made-of"
