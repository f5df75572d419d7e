#!/usr/bin/env bash
# Fetches the photographs and the measured phase that training and evaluation use, from package registries:
#   scripts/fetch-data.sh [DEST]        (default: data)
# DEST/train-photographs  photographs whose licences allow training of shipped weights
# DEST/test-photographs   scikit-image's photographs (CC0 or public domain), never trained on
# DEST/hl60               140 measured phase and amplitude images of one HL60 cell (CC0)
# Needs apt-get and dpkg (Debian, Ubuntu), python3 with pip and venv, unzip. What is there already is not fetched again; a
# folder is filled elsewhere and put there when it is whole.
set -eEuo pipefail

dest=${1:-data}
here=$(cd "$(dirname "$0")" && pwd)
for tool in apt-get dpkg python3 unzip; do
    command -v "$tool" >/dev/null || { echo "$tool is needed and missing (see the head of scripts/fetch-data.sh)" >&2; exit 1; }
done
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
work=$(mktemp -d)
# Beside what it becomes, so that moving it there is one step.
partial=$(mktemp -d "$dest/.partial-XXXXXX")
chmod 755 "$partial"
trap 'rm -rf "$work" "$partial"' EXIT
cd "$work"

# Once.
updated=
update() {
    [ -z "$updated" ] || return 1
    updated=yes
    local sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "run apt-get update as root first" >>apt.log; return 1; }
        sudo=sudo
    fi
    echo "bringing the lists of packages up to date"
    $sudo apt-get update -qq >apt.log 2>&1
}

package=
trap 'echo "fetching ${package:-data} failed; what was whole before it is kept, the same command goes on from there" >&2' ERR
# deb PACKAGE: unpacks a Debian package into ./PACKAGE.
deb() {
    package="the Debian package $1"
    # Quiet, unless it fails. Lists of packages that are missing or old name no file that is there.
    apt-get download -qq "$1" >apt.log 2>&1 || { update && apt-get download -qq "$1" >apt.log 2>&1; } ||
        { cat apt.log >&2; return 1; }
    dpkg -x "$1"_*.deb "$1"
}
# wheel PACKAGE==VERSION: unpacks a Python wheel into ./PACKAGE.
wheel() {
    package="the Python package $1"
    python3 -m pip download -q --no-deps --only-binary=:all: -d wheels "$1"
    unzip -q -o wheels/"${1%%==*}"*.whl -d "${1%%==*}"
}
# missing FOLDER: whether a folder is to be filled; then ./partial/FOLDER is there, and empty.
missing() {
    [ -z "$(ls -A "$dest/$1" 2>/dev/null)" ] || return 1
    mkdir "$partial/$1"
}
# whole FOLDER: puts a filled folder where it belongs.
whole() {
    if [ -d "$dest/$1" ]; then rmdir "$dest/$1"; fi
    mv "$partial/$1" "$dest/$1"
}
# take PREFIX FOLDER NAME...: copies the named files of a folder, as PREFIX-NAME.
take() {
    local prefix=$1 folder=$2; shift 2
    for name in "$@"; do cp "$folder/$name" "$partial/train-photographs/$prefix-$name"; done
}

if missing train-photographs; then
    deb krank
    k=krank/usr/share/games/krank/levels/unera-backgrounds
    names=$(cd "$k" && ls | grep jpg$)
    take krank "$k" $names

    wheel mvtb_data==1.6.1
    m=mvtb_data/mvtbdata/images
    take mvtb "$m" building2-{1,2,3}.png castle{,2}.png church.jpg eiffel-{1,2}.png flowers{1,2,3,4,5,6,7,8,9}.png \
        image3.jpg lab-scene.png notre-dame.png parks.png penguins.png road.png rocks2-{l,r}.png roof.png street.png \
        walls-{l,r}.png greenscreen.png yellowtargets.png tomato_{124,14,35,54}.png
    for f in "$m"/mosaic/*.png; do cp "$f" "$partial/train-photographs/mvtb-mosaic-$(basename "$f")"; done

    deb lomiri-wallpapers-16.04
    take lomiri lomiri-wallpapers-16.04/usr/share/backgrounds seeding_by_Clements_Engelhardt.jpg \
        {aitzgorri,friends,life,picosdeeuropa,sunset}_by_Aitzol_Berasategi.jpg Picture_{0B,1A}_by_freespace.jpg \
        Wine_by_Jakkub_Mede.jpg

    deb libjxl-testdata
    j=libjxl-testdata/usr/share/libjxl-testdata/external/wesaturate/500px
    names=$(cd "$j" && ls | grep _srgb8.png$)
    take libjxl "$j" $names

    deb opencv-doc
    take opencv opencv-doc/usr/share/doc/opencv-doc/examples/data {aloeL,apple,baboon,board,building,butterfly,fruits}.jpg \
        {home,leuvenA,messi5,orange,stuff}.jpg graf1.png
    whole train-photographs
fi

if missing test-photographs; then
    wheel scikit_image==0.26.0
    for name in astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png moon.png \
        motorcycle_left.png rocket.jpg hubble_deep_field.jpg; do
        cp "scikit_image/skimage/data/$name" "$partial/test-photographs/$name"
    done
    whole test-photographs
fi

if [ ! -e "$dest/hl60/hl60.npy" ]; then
    package="the Python package odtbrain==0.4.12"
    python3 -m pip download -q --no-deps --no-binary :all: -d sdist odtbrain==0.4.12
    tar xzf sdist/odtbrain-*.tar.gz
    python3 -m venv venv && venv/bin/pip install -q numpy h5py
    venv/bin/python "$here/hl60.py" odtbrain-*/examples/data/qlsi_3d_hl60-cell_A140.tar.lzma "$partial/hl60.npy"
    mkdir -p "$dest/hl60"
    mv "$partial/hl60.npy" "$dest/hl60/hl60.npy"
fi

cat > "$dest/SOURCES.md" <<SOURCES
# Sources
| files | package | licence |
|---|---|---|
| train-photographs/krank-* | Debian krank | public domain |
| train-photographs/mvtb-* | Python mvtb-data 1.6.1 | MIT |
| train-photographs/lomiri-seeding* | Debian lomiri-wallpapers-16.04 | CC0 |
| train-photographs/lomiri-* (others) | Debian lomiri-wallpapers-16.04 | CC-BY-4.0, by the authors in the names |
| train-photographs/libjxl-* | Debian libjxl-testdata (wesaturate) | CC0 |
| train-photographs/opencv-* | Debian opencv-doc | Apache-2.0 |
| test-photographs/* | Python scikit-image 0.26.0 | CC0 or public domain |
| hl60/hl60.npy | Python odtbrain 0.4.12 | CC0 |
SOURCES
echo "$(ls "$dest/train-photographs" | wc -l) training photographs, $(ls "$dest/test-photographs" | wc -l) test photographs and" \
    "the measured HL60 cell are in $dest (licences in SOURCES.md)"
