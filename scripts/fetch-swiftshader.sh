#!/usr/bin/env bash
# Fetches SwiftShader, a Vulkan driver in software that shares no code with Mesa's, out of Debian's package chromium-common:
#   scripts/fetch-swiftshader.sh DEST     DEST/icd.json is then what VK_DRIVER_FILES wants
# Nothing is installed. Where there is no such package it says so, and DEST/icd.json is not there.
set -euo pipefail

dest=$1
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
if [ -e "$dest/icd.json" ]; then exit 0; fi

skip() {
    echo "SwiftShader was not found ($1); its tests are skipped. Debian has it; with one of your own, set VK_DRIVER_FILES to its" \
        "vk_swiftshader_icd.json and run make test" >&2
    exit 0
}
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "no apt-get and dpkg"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
download() { apt-get download -qq chromium-common >apt.log 2>&1; }
# Lists that are missing or old name no file that is there.
download || { [ "$(id -u)" -eq 0 ] && apt-get update -qq >/dev/null 2>&1 && download; } || skip "$(tail -n 1 apt.log)"
dpkg --fsys-tarfile chromium-common_*.deb | tar x ./usr/lib/chromium/libvk_swiftshader.so 2>/dev/null || skip "it is not in chromium-common"
mv usr/lib/chromium/libvk_swiftshader.so "$dest/"
cat >"$dest/icd.json" <<ICD
{"file_format_version": "1.0.0", "ICD": {"library_path": "$dest/libvk_swiftshader.so", "api_version": "1.3.0"}}
ICD
