#!/usr/bin/env bash
# Makes sure that there is a browser without a window, for the test that looks at the report's page. Installs Debian's headless
# Chromium where there is none; on other systems it says so, and that test is skipped.
set -euo pipefail

for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done

skipped="No headless browser was found; the test that opens the report's page is skipped. Chromium or Chrome would do."
command -v apt-get >/dev/null || { echo "$skipped" >&2; exit 0; }
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "$skipped" >&2; exit 0; }
    sudo=sudo
fi
$sudo apt-get update -qq
# Only Debian has this package; others have Chromium in other forms.
apt-cache show chromium-headless-shell >/dev/null 2>&1 || { echo "$skipped" >&2; exit 0; }
echo "No headless browser was found; installing Chromium's (chromium-headless-shell)"
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium-headless-shell >/dev/null
