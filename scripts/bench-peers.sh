#!/usr/bin/env bash
# Measures this project's peers on the same networks and the same machine, one after the other, and prints a table.
# Everything goes to target/peers: programs, results (*.jsonl), the table. See benches/peers/README.md.
#
#   PEERS_CASES     base,batch,size, separated by blanks         (32,4,64 32,1,128 16,1,64)
#   PEERS_BUDGET    seconds a case, its first run counted         (60)
#   PEERS_LIMIT     seconds after which a peer's case is given up (900)
#   PEERS_BACKENDS  burn's backends                               (wgpu wgpu-untuned flex)
#   PEERS_PYTHON    a Python that has requirements.txt installed  (one made in target/peers/venv)
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

# An interpreter with PyTorch.
python=${PEERS_PYTHON:-$out/venv/bin/python}
if [ -z "${PEERS_PYTHON:-}" ] && ! [ -f "$out/venv/complete" ]; then
    say "installing PyTorch into $out/venv"
    python3 -m venv "$out/venv"
    "$python" -m pip install --quiet --requirement "$peers/requirements.txt"
    touch "$out/venv/complete"
fi

# Builds into a folder of its own. The first build starts from nothing and is timed, crates downloaded before.
timed_build() {
    local name=$1 manifest=$2
    shift 2
    local seconds_file=$out/$name.seconds
    if [ -f "$seconds_file" ]; then
        "$cargo" build --release --locked --manifest-path "$manifest" --target-dir "$out/build-$name" "$@"
        return
    fi
    say "building $name from nothing"
    "$cargo" fetch --locked --quiet --manifest-path "$manifest"
    rm -rf "${out:?}/build-$name"
    local start=$SECONDS
    "$cargo" build --release --locked --manifest-path "$manifest" --target-dir "$out/build-$name" "$@"
    echo $((SECONDS - start)) >"$seconds_file"
}

# How many crates a package brings along on this machine, itself not counted.
dependencies() {
    local manifest=$1 package=$2
    local crates
    crates=$("$cargo" tree --locked --manifest-path "$manifest" --package "$package" --edges normal,build --prefix none |
        sed 's/ (\*)$//' | sort -u | wc -l)
    echo $((crates - 1))
}

timed_build ours Cargo.toml --lib
timed_build burn "$peers/burn/Cargo.toml"
# Without autotuning and fusion, in case that with them it does not run on this adapter.
if [[ " $backends " == *" wgpu-untuned "* ]]; then
    "$cargo" build --release --locked --manifest-path "$peers/burn/Cargo.toml" --target-dir "$out/build-burn-untuned" \
        --no-default-features --features flex
fi
ours_build=$(cat "$out/ours.seconds"),$(dependencies Cargo.toml cvdm)
burn_build=$(cat "$out/burn.seconds"),$(dependencies "$peers/burn/Cargo.toml" burn)
"$cargo" bench --quiet --locked --bench engine --no-run

ours_lines=$out/ours.jsonl
peer_lines=$out/peers.jsonl
: >"$ours_lines"
: >"$peer_lines"

# One case a process, so that every first run starts with nothing compiled. Before it, another finds out once which variants of our
# kernels are fastest here, and keeps the answers in a file.
run_ours() {
    local what=$1 base=$2 batch=$3 size=$4
    local bench=("$cargo" bench --quiet --locked --bench engine -- --quick --tune "$out/choices"
        --filter "$what base $base, $batch × $size²" --json "$out/one.jsonl")
    "${bench[@]}" >"$out/tuning.log"
    "${bench[@]}" >&2
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
    local described=$1
    shift
    run_peer "\"peer\": \"torch\", \"backend\": \"cpu\", $described" "$python" "$peers/torch_unet.py" "$@"
}

run_burn() {
    local backend=$1 described=$2
    shift 2
    local build=build-burn
    if [ "$backend" = wgpu-untuned ]; then build=build-burn-untuned; fi
    run_peer "\"peer\": \"burn\", \"backend\": \"$backend\", $described" \
        "$out/$build/release/peer-burn" --backend "${backend%-untuned}" "$@"
}

say "checking the peers' results"
"$python" "$peers/torch_unet.py" --write-check "$out/check.safetensors"
run_torch '"what": "check"' --check "$out/check.safetensors"
for backend in $backends; do
    run_burn "$backend" '"what": "check"' --check "$out/check.safetensors"
done

for case in $cases; do
    IFS=, read -r base batch size <<<"$case"
    for what in unet_train_step unet_forward; do
        say "$what, base $base, $batch × $size²"
        described="\"what\": \"$what\", \"base\": $base, \"batch\": $batch, \"size\": $size"
        run_ours "$what" "$base" "$batch" "$size"
        run_torch "$described" --cases "$case" --what "$what" --budget "$budget"
        for backend in $backends; do
            run_burn "$backend" "$described" --cases "$case" --what "$what" --budget "$budget"
        done
    done
done

echo
"$python" "$peers/compare.py" --ours "$ours_lines" --peers "$peer_lines" \
    --ours-build "$ours_build" --burn-build "$burn_build" | tee "$out/table.md"
