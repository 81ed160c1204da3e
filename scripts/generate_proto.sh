#!/usr/bin/env bash
# Regenerates python/crossfade/_pb from proto/. With a directory as argument: writes there instead (the test that the
# committed stubs are current uses it).
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-python/crossfade/_pb}
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m grpc_tools.protoc -Iproto --python_out="$work" --pyi_out="$work" --grpc_python_out="$work" proto/crossfade/v1/*.proto
mkdir -p "$out"
rm -f "$out"/*_pb2*.py "$out"/*_pb2*.pyi
# A message-only file needs no service stub.
find "$work" -name '*_pb2_grpc.py' ! -exec grep -q '^class .*Stub' {} \; -delete
for file in "$work"/crossfade/v1/*; do
  sed 's/^from crossfade\.v1 import/from crossfade._pb import/' "$file" > "$out/$(basename "$file")"
done
