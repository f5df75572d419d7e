#!/usr/bin/env bash
# Fetches SwiftShader, a Vulkan driver in software by other people than Mesa's, out of Debian's package chromium-common:
#   scripts/fetch-swiftshader.sh DEST     DEST/icd.json is then what VK_DRIVER_FILES wants
# Nothing is installed. Where there is no such package it says so, and DEST/icd.json is not there.
set -euo pipefail

dest=$1
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
library=libvk_swiftshader.so
if [ -s "$dest/icd.json" ] && [ -s "$dest/$library" ]; then exit 0; fi

skip() {
    echo "SwiftShader was not found ($1); its tests are skipped. Debian has it; with one of your own, set VK_DRIVER_FILES to its" \
        "vk_swiftshader_icd.json and run make test" >&2
    exit 0
}
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "no apt-get and dpkg"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
download() { apt-get download -qq chromium-common >log 2>&1; }
# Lists that are missing or old name no file that is there.
update() {
    [ "$(id -u)" -eq 0 ] || return 1
    echo "bringing the lists of packages up to date"
    apt-get update -qq -o Acquire::Retries=0 -o Acquire::http::Timeout=20 >log 2>&1
}
echo "fetching SwiftShader (chromium-common, 30 MB)"
download || { update && download; } || skip "$(tail -n 1 log)"
dpkg --fsys-tarfile chromium-common_*.deb 2>>log | tar xf - "./usr/lib/chromium/$library" 2>>log || skip "$(tail -n 1 log)"
mv "usr/lib/chromium/$library" "$dest/"
# A relative path is one from the file's own folder.
echo "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"./$library\", \"api_version\": \"1.3.0\"}}" >icd.json
mv icd.json "$dest/"
