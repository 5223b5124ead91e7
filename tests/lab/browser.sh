#!/bin/bash
# browser.sh DIR — what drives the browser in the end-to-end test of the gateway's page: the packages of tests/browser/package-lock.json,
# put into DIR. The browser is the distribution's own (package chromium). Exit status 77: they cannot be had here.
set -euo pipefail
dir=$(realpath -m "${1:?directory}")
source=$(realpath "$(dirname "$0")/../browser")
! cmp -s "$source/package-lock.json" "$dir/package-lock.json" || [ ! -d "$dir/node_modules" ] || exit 0
for program in node npm; do command -v "$program" > /dev/null || { echo "no $program: the page is not tested in a browser" >&2; exit 77; }; done
echo "installing what drives the browser in $dir" >&2
rm -rf "${dir:?}.new"; mkdir -p "$dir.new"
cp "$source"/package.json "$source"/package-lock.json "$source"/.npmrc "$dir.new/"
(cd "$dir.new" && npm ci --no-progress > npm.log 2>&1) || { cat "$dir.new/npm.log" >&2; echo "it cannot be installed: the page is not tested in a browser" >&2; exit 77; }
rm -rf "$dir"; mv "$dir.new" "$dir"
