#!/usr/bin/env bash
# Makes nnls.ptx of nnls.cu, or with --check says whether it is what this compiler makes. Needs scripts/cuda-toolkit.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
# shellcheck source=/dev/null
source "$root/.cuda/env.sh"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# The oldest architecture that this compiler knows: the driver translates it for every later one.
(cd "$here" && nvcc -ptx -O3 -arch=compute_75 -o "$made/nnls.ptx" nnls.cu)
if [ "${1:-}" = --check ]; then
  cmp "$made/nnls.ptx" "$here/nnls.ptx" || { echo "nnls.ptx is stale: run crates/candle/kernels/build.sh" >&2; exit 1; }
else
  cp "$made/nnls.ptx" "$here/nnls.ptx"
fi
