#!/usr/bin/env bash
# Measures this project's peers on the same networks and the same machine, one after the other, and prints a table.
# Everything goes to target/peers: programs, results (*.jsonl), the table. See benches/peers/README.md.
#
#   PEERS_CASES     base,batch,size, separated by blanks         (32,4,64 32,1,128 16,1,64)
#   PEERS_BUDGET    seconds a case, its first run counted         (60)
#   PEERS_LIMIT     seconds after which a peer's case is given up (900)
#   PEERS_BACKENDS  burn's backends                               (wgpu wgpu-untuned flex)
#   PEERS_TORCH     PyTorch's: cpu, cuda, cuda-benchmark          (the latter two where PyTorch finds CUDA, else cpu)
#   PEERS_PYTHON    a Python that has requirements.txt installed  (one made in target/peers/venv)
#   CVDM_ADAPTER    the adapter of ours and of burn's wgpu, part of its name or its number (the fastest kind there is)
set -euo pipefail
cd "$(dirname "$0")/.."
export NODEVICE_SELECT=1

cases=${PEERS_CASES:-32,4,64 32,1,128 16,1,64}
budget=${PEERS_BUDGET:-60}
limit=${PEERS_LIMIT:-900}
backends=${PEERS_BACKENDS:-wgpu wgpu-untuned flex}
cargo=${CARGO:-cargo}
peers=benches/peers
out=${CARGO_TARGET_DIR:-target}/peers
mkdir -p "$out"

say() { echo "== $*" >&2; }

# Runs a command and keeps how many seconds it took.
timed() {
    local seconds_file=$out/$1.seconds
    shift
    local start=$SECONDS
    "$@"
    echo $((SECONDS - start)) >"$seconds_file"
}

# An interpreter with PyTorch. Its installation is timed, as the builds are, without what is downloaded before.
python=${PEERS_PYTHON:-$out/venv/bin/python}
if [ -z "${PEERS_PYTHON:-}" ] && ! [ -f "$out/venv/complete" ]; then
    say "installing PyTorch into $out/venv"
    rm -rf "${out:?}/venv" "$out/wheels" "$out/torch.seconds"
    python3 -m venv "$out/venv"
    "$python" -m pip download --quiet --dest "$out/wheels" --requirement "$peers/requirements.txt"
    timed torch "$python" -m pip install --quiet --no-index --find-links "$out/wheels" --requirement "$peers/requirements.txt"
    rm -r "$out/wheels"
    touch "$out/venv/complete"
fi
torch_backends=${PEERS_TORCH:-$("$python" -c 'import torch
print("cuda cuda-benchmark" if torch.cuda.is_available() else "cpu")')}

# Builds into a folder of its own.
build() {
    local name=$1 manifest=$2
    shift 2
    "$cargo" build --release --locked --manifest-path "$manifest" --target-dir "$out/build-$name" "$@"
}

# The first build starts from nothing and is timed, crates downloaded before.
timed_build() {
    if [ -f "$out/$1.seconds" ]; then
        build "$@"
        return
    fi
    say "building $1 from nothing"
    "$cargo" fetch --locked --quiet --manifest-path "$2"
    rm -rf "${out:?}/build-$1"
    timed "$1" build "$@"
}

# What something takes, as a JSON line: seconds to build it, if that was timed, and the crates that it brings along on this
# machine, itself and what only build scripts need not counted.
crates() {
    local described=$1 seconds=$2
    shift 2
    local count
    count=$("$cargo" tree --locked --edges normal --prefix none "$@" | sed 's/ (\*)$//' | sort -u | wc -l)
    echo "{\"of\": \"$described\", \"seconds\": $seconds, \"brings\": $((count - 1)), \"unit\": \"crates\", \"mib\": null}"
}

timed_build ours Cargo.toml --lib
timed_build burn "$peers/burn/Cargo.toml"
# Without autotuning and fusion, in case that with them it does not run on this adapter.
if [[ " $backends " == *" wgpu-untuned "* ]]; then
    build burn-untuned "$peers/burn/Cargo.toml" --no-default-features --features flex
fi
"$cargo" bench --quiet --locked --bench engine --no-run

# How long something took, if it was timed. Who brought a Python installed PyTorch himself.
seconds() { cat "$out/$1.seconds" 2>/dev/null || echo null; }
torch_seconds=null
if [ -z "${PEERS_PYTHON:-}" ]; then torch_seconds=$(seconds torch); fi
{
    crates "ours, the library, built" "$(seconds ours)"
    crates "ours, the program" null --features cli
    crates "burn, the program here, built" "$(seconds burn)" --manifest-path "$peers/burn/Cargo.toml"
    crates "of it burn itself" null --manifest-path "$peers/burn/Cargo.toml" --package burn
    "$python" "$peers/installed.py" torch --seconds "$torch_seconds"
} >"$out/costs.jsonl"

ours_lines=$out/ours.jsonl
peer_lines=$out/peers.jsonl
: >"$ours_lines"
: >"$peer_lines"

# One case a process, so that every first run starts with nothing compiled. Before it, another finds out once which variants of our
# kernels are fastest here, and keeps the answers in a file.
run_ours() {
    local what=$1 base=$2 batch=$3 size=$4
    local bench=("$cargo" bench --quiet --locked --bench engine -- --all --tune "$out/choices"
        --filter "$what base $base, $batch × $size²" --json "$out/one.jsonl")
    "${bench[@]}" --quick >"$out/tuning.log"
    "${bench[@]}" >&2
    if ! grep -q '"kind":"engine"' "$out/one.jsonl"; then
        say "WARNING: ours has no such case; benches/shapes lists those that it has"
    fi
    cat "$out/one.jsonl" >>"$ours_lines"
}

# Runs a peer and keeps its line, or one that says why there is none.
run_peer() {
    local described=$1
    shift
    local status=0 reason
    timeout "$limit" "$@" >"$out/one.jsonl" 2>"$out/one.err" || status=$?
    tee -a "$peer_lines" <"$out/one.jsonl"
    if [ "$status" -ne 0 ]; then
        reason="ended with status $status"
        if [ "$status" -eq 124 ]; then reason="none in $limit s"; fi
        tail -n 5 "$out/one.err" >&2
        echo "{$described, \"failed\": \"$reason\"}" | tee -a "$peer_lines"
    fi
}

run_torch() {
    local backend=$1 described=$2
    shift 2
    local device=(--device "${backend%-benchmark}")
    if [ "$backend" = cuda-benchmark ]; then device+=(--cudnn-benchmark); fi
    run_peer "\"peer\": \"torch\", \"backend\": \"$backend\", $described" "$python" "$peers/torch_unet.py" "${device[@]}" "$@"
}

run_burn() {
    local backend=$1 described=$2
    shift 2
    local build=build-burn
    if [ "$backend" = wgpu-untuned ]; then build="build-burn-untuned"; fi
    run_peer "\"peer\": \"burn\", \"backend\": \"$backend\", $described" \
        "$out/$build/release/peer-burn" --backend "${backend%-untuned}" "$@"
}

say "checking the peers' results"
"$python" "$peers/torch_unet.py" --write-check "$out/check.safetensors"
for backend in $torch_backends; do
    run_torch "$backend" '"what": "check"' --check "$out/check.safetensors"
done
for backend in $backends; do
    run_burn "$backend" '"what": "check"' --check "$out/check.safetensors"
done

for case in $cases; do
    IFS=, read -r base batch size <<<"$case"
    for what in unet_train_step unet_forward; do
        say "$what, base $base, $batch × $size²"
        described="\"what\": \"$what\", \"base\": $base, \"batch\": $batch, \"size\": $size"
        run_ours "$what" "$base" "$batch" "$size"
        for backend in $torch_backends; do
            run_torch "$backend" "$described" --cases "$case" --what "$what" --budget "$budget"
        done
        for backend in $backends; do
            run_burn "$backend" "$described" --cases "$case" --what "$what" --budget "$budget"
        done
    done
done

echo
"$python" "$peers/compare.py" --ours "$ours_lines" --peers "$peer_lines" --costs "$out/costs.jsonl" | tee "$out/table.md"
