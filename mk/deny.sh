#!/bin/bash
# deny.sh [--install] — licences, banned crates, sources and advisories of everything the project depends on, by deny.toml.
# Uses cargo-deny where it is installed. With --install (or CPE_INSTALL_TOOLS=1) it is built into target/tools if it is missing.
# Advisories need a database that cargo-deny fetches; where it cannot be reached, the rest is checked and the script says so.
# Exit status: 0 all is well, 77 nothing could be checked, others: something is not allowed.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${CARGO_TARGET_DIR:-target}/tools
PATH=$PATH:$PWD/$tools/bin

if ! command -v cargo-deny > /dev/null; then
  if [ "${1:-}" != --install ] && [ -z "${CPE_INSTALL_TOOLS:-}" ]; then
    echo "NOT CHECKED: cargo-deny is not installed. mk/deny.sh --install builds it into $tools." >&2
    exit 77
  fi
  echo "building cargo-deny into $tools"
  if ! cargo install --quiet --locked --root "$tools" cargo-deny; then
    echo "NOT CHECKED: cargo-deny cannot be built here." >&2
    exit 77
  fi
fi

cargo deny --locked check bans licenses sources
if cargo deny --locked fetch db; then
  cargo deny --locked check --disable-fetch advisories
else
  echo "NOT CHECKED: advisories. Their database, https://github.com/rustsec/advisory-db, cannot be fetched here." >&2
fi
