#!/usr/bin/env bash
# Makes sure that a graphics driver is there: on Linux a Vulkan loader and at least one driver. Installs Mesa's software
# driver with apt-get where both are missing; elsewhere says what to install. Metal and DirectX need nothing.
set -euo pipefail

case "$(uname -s)" in Linux) ;; *) exit 0 ;; esac

# Not by a pipe to grep -q: grep ends at the first match, and under pipefail the signal that ldconfig then gets counts as not found.
# A user's PATH may lack /sbin, where ldconfig is.
has_loader() {
    local list
    list=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null || true)
    case "$list" in *libvulkan.so.1*) ;; *) return 1 ;; esac
}
has_driver() {
    [ -n "${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" ] ||
        compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
        compgen -G '/usr/local/share/vulkan/icd.d/*.json' >/dev/null ||
        compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null
}

if has_loader && has_driver; then exit 0; fi

if ! command -v apt-get >/dev/null; then
    echo "No Vulkan driver was found. Install a Vulkan loader and your GPU's driver, or Mesa's software driver:" >&2
    echo "  Fedora: dnf install vulkan-loader mesa-vulkan-drivers · Arch: pacman -S vulkan-icd-loader vulkan-swrast" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Run as root: apt-get install mesa-vulkan-drivers libvulkan1" >&2; exit 1; }
    sudo=sudo
fi
echo "No Vulkan driver was found; installing Mesa's software driver (mesa-vulkan-drivers, libvulkan1)"
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq mesa-vulkan-drivers libvulkan1 >/dev/null
