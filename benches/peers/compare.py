"""Prints this project's times beside its peers'. Standard library only.

    python3 compare.py --ours FILE.jsonl ... --peers FILE.jsonl ... [--ours-build SECONDS,DEPS] [--burn-build SECONDS,DEPS]

Ours are the lines of `cargo bench --bench engine -- --json FILE`, the peers' those of the programs in this folder. A peer's
first step stands beside ours. "right?" is the outcome of the peer's own check line: one that is wrong was fast or slow at
something else.
"""

import argparse
import json
import sys


def read(paths):
    lines = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                try:
                    lines.append(json.loads(text))
                except json.JSONDecodeError as error:
                    sys.exit(f"{path}, line {number}: {error}")
    return lines


def key(line):
    return line["what"], line["base"], line["batch"], line["size"]


def peer_name(line):
    return f"{line['peer']} {line['backend']}"


def milliseconds(value):
    return "-" if value is None else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def verdict(line):
    if "failed" in line:
        return line["failed"]
    if line["right"]:
        return "yes"
    return "NO: not a number" if line["worst"] is None else f"NO: {line['worst_of']} off by {line['worst']:.1g}"


def rows(ours, peers):
    own = {key(line): line for line in ours if line.get("kind") == "engine"}
    right = {peer_name(line): verdict(line) for line in peers if line["what"] == "check"}
    for line in peers:
        if line["what"] == "check":
            continue
        what, base, batch, size = key(line)
        mine = own.get(key(line), {})
        median, peer_median = mine.get("median_ms"), line.get("median_ms")
        yield [
            what,
            f"base {base}, {batch} × {size}²",
            peer_name(line),
            milliseconds(median),
            line.get("failed") or milliseconds(peer_median),
            f"{peer_median / median:.2f}" if median and peer_median else "-",
            milliseconds(mine.get("first_use_ms")),
            milliseconds(line.get("first_ms")),
            right.get(peer_name(line), "not checked"),
        ]


HEADS = ["what", "on", "peer", "ours ms", "peer ms", "theirs/ours", "our first ms", "peer's first ms", "right?"]


def table(heads, body):
    """Text columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *body)]
    numeric = {i for i, head in enumerate(heads) if "ms" in head or "/" in head or head in ("seconds", "dependencies")}

    def show(cells):
        padded = (c.rjust(w) if i in numeric else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths)))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i in numeric else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([show(heads), rule, *map(show, body)])


def parse_build(text):
    try:
        seconds, dependencies = text.split(",")
        return f"{float(seconds):.0f}", str(int(dependencies))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}": expected SECONDS,DEPENDENCIES') from None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--peers", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--ours-build", type=parse_build, metavar="SECONDS,DEPS")
    parser.add_argument("--burn-build", type=parse_build, metavar="SECONDS,DEPS")
    arguments = parser.parse_args()
    ours, peers = read(arguments.ours), read(arguments.peers)
    for line in ours:
        if line.get("kind") == "adapter":
            print(f"ours: {line['name']} ({line['backend']}; {line['driver']}), version {line['version']}")
            break
    done = [line for line in peers if "failed" not in line]
    for described in sorted({f"{peer_name(line)}: {line['adapter']}, version {line['version']}" for line in done}):
        print(described)
    print("\n" + table(HEADS, list(rows(ours, peers))))
    builds = [("ours, library", arguments.ours_build), ("burn, this program", arguments.burn_build)]
    builds = [[name, *build] for name, build in builds if build]
    if builds:
        print("\n" + table(["build from nothing", "seconds", "dependencies"], builds))


if __name__ == "__main__":
    main()
