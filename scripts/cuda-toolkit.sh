#!/usr/bin/env bash
# Assembles what the `cuda` feature needs to compile and link, without a GPU, a driver or root rights:
#   nvcc 13.0 and headers (Python wheels), and link archives whose functions open the CUDA libraries at the first call.
#
#   scripts/cuda-toolkit.sh [DIR]     (default .cuda)      then:  source DIR/env.sh
set -euo pipefail
[ "$(uname -sm)" = 'Linux x86_64' ] || { echo 'cuda-toolkit: Linux on x86-64 is needed' >&2; exit 1; }
command -v python3 > /dev/null || { echo 'cuda-toolkit: python3 with pip is needed, to get the compiler' >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-.cuda}"; dir=$(cd "${1:-.cuda}" && pwd)
home="$dir/home"; wheels="$dir/wheels"; src="$wheels/nvidia/cu13"
wheel_pins=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
            nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85)
stamp="$dir/.stamp-$(cat "$here/cuda-toolkit.sh" "$here/cuda-lazy.mjs" "$here/../Cargo.lock" | sha256sum | cut -c1-16)"
if [ ! -f "$stamp" ]; then
  rm -rf "$home" "$dir"/.stamp-*
  if [ ! -x "$src/bin/nvcc" ]; then
    rm -rf "$wheels"
    python3 -m pip install --quiet --no-deps --no-compile --only-binary=:all: --target "$wheels" "${wheel_pins[@]}"
  fi
  mkdir -p "$home/bin" "$home/lib"
  ln -s "$src/include" "$home/include"; ln -s "$src/nvvm" "$home/nvvm"; ln -s lib "$home/lib64"
  for f in "$src"/bin/*; do [ "$(basename "$f")" = nvcc ] || ln -s "$f" "$home/bin/"; done
  # The runtime goes in statically; it loads the driver by itself at the first call.
  ln -s "$src/lib/libcudart_static.a" "$home/lib/libcudart.a"
  # nvcc, less the language-model kernels (quantised matmul, mixture of experts): nothing here calls them,
  # and they are 9/10 of the compile time. HEADWATER_ALL_KERNELS=1 compiles them.
  cat > "$home/bin/nvcc" <<EOF
#!/usr/bin/env bash
set -euo pipefail
real="$src/bin/nvcc"
if [ "\${HEADWATER_ALL_KERNELS:-}" != 1 ]; then
  in="\${!#}"                                   # the source file comes last
  case "\$(basename -- "\$in")" in
    mmq_*.cu|mmvq_*.cu|moe_*.cu|quantized.cu|conv.cu)
      empty="\$(mktemp -d)"; trap 'rm -rf "\$empty"' EXIT
      : > "\$empty/\$(basename -- "\$in")"
      "\$real" "\${@:1:\$#-1}" "\$empty/\$(basename -- "\$in")"; exit ;;
  esac
fi
exec "\$real" "\$@"
EOF
  chmod +x "$home/bin/nvcc"
  node "$here/cuda-lazy.mjs" "$home/lib" >&2
  touch "$stamp"
fi
cat > "$dir/env.sh" <<EOF
export CUDA_HOME="$home" CUDA_PATH="$home" PATH="$home/bin:\$PATH"
export CUDARC_CUDA_VERSION=13000 CUDA_COMPUTE_CAP="\${CUDA_COMPUTE_CAP:-80}"
EOF
"$home/bin/nvcc" --version | sed -n 4p >&2
