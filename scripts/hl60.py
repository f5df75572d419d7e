"""Extracts odtbrain's measured HL60 cell: hl60.py ARCHIVE OUT.npy

OUT is float32 [140, 2, 140, 140]: phase in radians and amplitude, background-corrected, one image a rotation angle
(quadriwave lateral shearing, 647 nm, 0.139 um a pixel).
"""
import sys, tarfile, tempfile, pathlib
import h5py
import numpy as np


def image(group):
    """A qpimage data set: the raw image less (phase) or over (amplitude) all of its background images."""
    def corrected(name, combine):
        value = np.asarray(group[name]["raw"], dtype=np.float64)
        for data in group[name].get("bg_data", {}).values():
            value = combine(value, np.asarray(data, dtype=np.float64))
        return value
    return np.stack([corrected("phase", np.subtract), corrected("amplitude", np.divide)])


def main(archive, out):
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extract("series.h5", path=folder)
        with h5py.File(pathlib.Path(folder) / "series.h5") as series:
            names = sorted((n for n in series if n.startswith("qpi_")), key=lambda n: int(n.split("_")[1]))
            print({k: v for k, v in series[names[0]].attrs.items()})
            fields = np.stack([image(series[n]) for n in names]).astype(np.float32)
    phase, amplitude = fields[:, 0], fields[:, 1]
    print(f"{fields.shape}: phase {phase.min():.3f} to {phase.max():.3f} rad, amplitude {amplitude.min():.3f} to {amplitude.max():.3f}")
    np.save(out, fields)


if __name__ == "__main__":
    main(*sys.argv[1:])
