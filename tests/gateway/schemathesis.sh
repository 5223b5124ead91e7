#!/bin/bash
# Holds a running gateway against its contract, with all checks of schemathesis: as somebody who has a
# token, in the network of a process.
#
#   schemathesis.sh PID CERTIFICATE TOKEN EXAMPLES
#
# SCHEMATHESIS names the program. `make contract` and `make acceptance` run it.
# The stream of events does not end, so that it is left out: it has tests of its own.
set -euo pipefail
pid=${1:?PID} certificate=${2:?CERTIFICATE} token=${3:?TOKEN} examples=${4:?EXAMPLES}
program=$(command -v "${SCHEMATHESIS:?the program}") || {
  echo "there is no $SCHEMATHESIS: \`make contract\` fetches it" >&2
  exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Where it was called may be a folder that is not to be written to.
cd "$folder"
# Refusals of well-formed requests: a precondition that does not hold (412) or is not said (428), what
# cannot be meant (422). That one of two headers is needed OpenAPI cannot say.
cat > schemathesis.toml <<'END'
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "428", "429", "5xx"]
missing_required_header.expected-statuses = ["400", "401", "403", "406", "415", "422", "428"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429"]
END
nsenter --net="/proc/$pid/ns/net" -- "$program" --config-file schemathesis.toml run https://localhost:7443/openapi.json \
  --header "Authorization: Bearer $token" --tls-verify "$certificate" --request-timeout 20 \
  --checks all --max-examples "$examples" --continue-on-failure --seed 1 --no-color \
  --phases examples,coverage,fuzzing --exclude-operation-id follow_events --warnings off
