#!/usr/bin/env bash
# Regenerates tests/go_client/crossfadev1 from proto/ with the generators that tests/go_client/go.mod pins. With a
# directory as argument: writes there instead.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-tests/go_client/crossfadev1}")
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd tests/go_client && go build -o "$work/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc)
# The files say nothing of Go: where their package is, is said here.
options=module=crossfade.test/client/crossfadev1
for file in proto/crossfade/v1/*.proto; do
  options+=,M${file#proto/}=crossfade.test/client/crossfadev1
done
mkdir -p "$work/out" "$out"
PATH="$work:$PATH" "$python" -m grpc_tools.protoc -Iproto \
  --go_out="$work/out" --go_opt="$options" --go-grpc_out="$work/out" --go-grpc_opt="$options" proto/crossfade/v1/*.proto
rm -f "$out"/*.pb.go
cp "$work"/out/*.pb.go "$out"
