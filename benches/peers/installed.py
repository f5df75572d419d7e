"""What an installed Python distribution takes, as one JSON line. Standard library only.

    python3 installed.py NAME [--seconds SECONDS]

Counted are the distributions that it requires, directly or not, as far as they are installed for this interpreter, itself
left out; and the MiB of all their files, its own included. `--seconds` is how long the installation took, null if nobody
knows.
"""

import argparse
import json
import re
import sys
from importlib import metadata

# NAME[EXTRA,...] VERSIONS ; MARKER
REQUIREMENT = re.compile(r"\s*([\w.-]+)\s*(?:\[([^]]*)\])?[^;]*(?:;(.*))?", re.DOTALL)
MARKER_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(distribution, extras):
    """Names and extras of what is required. A marker's other conditions need no look: what does not apply is not installed."""
    for text in distribution.requires or []:
        name, wanted, marker = REQUIREMENT.match(text).groups(default="")
        only_for = {normal(extra) for extra in MARKER_EXTRA.findall(marker)}
        if not only_for or only_for & extras:
            yield normal(name), frozenset(normal(extra) for extra in wanted.split(",") if extra.strip())


def brought_along(name):
    """The installed distributions by name, the first one among them."""
    found, seen, waiting = {}, set(), [(normal(name), frozenset())]
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            distribution = metadata.distribution(wanted[0])
        except metadata.PackageNotFoundError:
            continue
        found[wanted[0]] = distribution
        waiting.extend(requirements(distribution, wanted[1]))
    return found


def size(distribution):
    paths = (file.locate() for file in distribution.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--seconds", type=json.loads)
    arguments = parser.parse_args()
    found = brought_along(arguments.name)
    if not found:
        sys.exit(f"{arguments.name} is not installed for {sys.executable}")
    line = {
        "of": f"{arguments.name} {found[normal(arguments.name)].version}, installed",
        "seconds": arguments.seconds,
        "brings": len(found) - 1,
        "unit": "distributions",
        "mib": sum(map(size, found.values())) / 2**20,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
