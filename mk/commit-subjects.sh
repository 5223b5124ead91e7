#!/bin/bash
# Shows that every commit of a range has a subject that can be scanned: `area: what it does`, under 72 characters.
# Usage: mk/commit-subjects.sh [RANGE]   default: main..HEAD. Merges are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
range=${1:-main..HEAD}
[ -n "$(git rev-list --no-merges --max-count=1 "$range")" ] || { echo "no commits in $range"; exit 0; }
commits=$(git log --no-merges --format='%h %s' "$range")
wrong=0
while read -r commit subject; do
	[ -n "$commit" ] || continue
	if ((${#subject} >= 72)); then
		echo "$commit: ${#subject} characters, 71 are the most: $subject" >&2
		wrong=1
	fi
	# An area is one of the repository's words, or several; after it comes what the commit does.
	if ! [[ $subject =~ ^[A-Za-z0-9._/-]+(,\ [A-Za-z0-9._/-]+)*:\ [^\ ] ]]; then
		echo "$commit: not \`area: what it does\`: $subject" >&2
		wrong=1
	fi
done <<< "$commits"
[ "$wrong" = 0 ] || exit 1
echo "the subjects of $range can be scanned"
