#!/bin/bash
# Shows that no program that is shipped has the simulators' mutants in it, whatever was built beside it.
# Usage: mk/no-mutants.sh [DIRECTORY]   of built programs; default: target/debug. Run it after `cargo build --workspace`.
set -euo pipefail
cd "$(dirname "$0")/.."
directory=${1:-target/debug}
shipped=(cpe dpe cpe-agent cpe-fence cpe-notify cpe-gateway cpectl policy-simulate)
simulators=(controller-sim ownership-sim)
fail() {
	echo "$*" >&2
	exit 1
}

# A simulator is no dependency of what is shipped, and the controller has nothing to switch on.
for program in "${shipped[@]}"; do
	tree=$(cargo tree --locked --quiet --package "$program" --edges normal,build --prefix none)
	! grep -qE '^(controller|ownership)-sim ' <<< "$tree" || fail "$program depends on a simulation"
done
features=$(cargo tree --locked --quiet --package dpe --edges features --invert controller --prefix none)
others=$(grep -oE '^controller feature "[^"]*"' <<< "$features" | grep -v '"default"' || true)
[ -z "$others" ] || fail "the dpe's controller has features: $others"

# The names are in their simulator, where they belong, and in no program that is shipped.
for simulator in "${simulators[@]}"; do
	source=crates/$simulator/src/mutants.rs
	names=$(sed -nE 's/^ *Mutant::[A-Za-z]+ => "([a-z-]+)",$/\1/p' "$source")
	[ -n "$names" ] || fail "$source names no mutants: this check no longer looks where they are"
	for name in $names; do
		grep -aqF -- "$name" "$directory/$simulator" || fail "$directory/$simulator lacks $name: build the workspace first"
		for program in "${shipped[@]}"; do
			[ -x "$directory/$program" ] || fail "$directory/$program is missing: build the workspace first"
			! grep -aqF -- "$name" "$directory/$program" || fail "$directory/$program has $name in it"
		done
	done
done
echo "no mutants in ${shipped[*]} ($directory)"
