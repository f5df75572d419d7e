"""Prints this project's times and memory beside its peers'. Standard library only.

    python3 compare.py --ours FILE.jsonl ... --peers FILE.jsonl ... [--costs FILE.jsonl]

Ours are the lines of `cargo bench --bench engine -- --json FILE`, the peers' those of the programs in this folder. A peer's
first step stands beside ours. "right?" is the outcome of the peer's own check line: one that is wrong was fast or slow at
something else. A peer on another adapter than ours is compared with nothing: its lines have no ratio, a warning names both,
and the exit status is 1. `--costs` is what scripts/bench-peers.sh found out about builds and installations.
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


def on_processor(line):
    return line["backend"] in ("cpu", "flex")


def adapter_name(ours):
    return next((line["name"] for line in ours if line.get("kind") == "adapter"), None)


def elsewhere(line, adapter):
    """Whether a peer that is to run on our adapter ran on another."""
    return not on_processor(line) and "failed" not in line and line["adapter"].casefold() != str(adapter).casefold()


def mebibytes(value):
    return "-" if value is None else f"{value:.0f}"


def milliseconds(value):
    return "-" if value is None else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def verdict(line):
    if "failed" in line:
        return line["failed"]
    if line["right"]:
        return "yes"
    return "NO: not a number" if line["worst"] is None else f"NO: {line['worst_of']} off by {line['worst']:.1g}"


ENGINE_HEADS = ["engine", "version", "adapter", "ours?"]


def engines(ours, peers):
    """Each engine once, and where it ran. One that never had a result is known by its failures alone."""
    for line in ours:
        if line.get("kind") == "adapter":
            yield ["ours", line["version"], f"{line['name']} ({line['backend']}; {line['driver']})", "yes"]
            break
    adapter = adapter_name(ours)
    known = {peer_name(line): line for line in peers}
    known |= {peer_name(line): line for line in peers if "failed" not in line}
    for name, line in known.items():
        if "failed" in line:
            yield [name, "-", "-", "-"]
            continue
        same = "processor" if on_processor(line) else "NO" if elsewhere(line, adapter) else "yes"
        cudnn = f", cuDNN {line['cudnn']}" if "cudnn" in line else ""
        yield [name, line["version"] + cudnn, line["adapter"], same]


TIME_HEADS = ["what", "on", "peer", "ours ms", "peer ms", "theirs/ours", "our first ms", "peer's first ms", "right?"]


def measured(ours, peers):
    """The peers' lines, each with ours of the same case."""
    own = {key(line): line for line in ours if line.get("kind") == "engine"}
    for line in peers:
        if line["what"] != "check":
            yield line, own.get(key(line), {})


def place(line):
    what, base, batch, size = key(line)
    return [what, f"base {base}, {batch} × {size}²", peer_name(line)]


def ratio(over, under, line, adapter):
    if elsewhere(line, adapter):
        return "other adapter"
    return f"{over / under:.2f}" if over and under else "-"


def times(ours, peers):
    adapter = adapter_name(ours)
    right = {peer_name(line): verdict(line) for line in peers if line["what"] == "check"}
    for line, mine in measured(ours, peers):
        median, peer_median = mine.get("median_ms"), line.get("median_ms")
        yield [
            *place(line),
            milliseconds(median),
            line.get("failed") or milliseconds(peer_median),
            ratio(peer_median, median, line, adapter),
            milliseconds(mine.get("first_use_ms")),
            milliseconds(line.get("first_ms")),
            right.get(peer_name(line), "not checked"),
        ]


MEMORY_HEADS = ["peak memory of", "on", "peer", "ours MiB", "peer's tensors MiB", "ours/tensors", "peer reserved MiB", "ours/reserved"]


def memory(ours, peers):
    """Of the peers that count it, which are those on CUDA."""
    adapter = adapter_name(ours)
    for line, mine in measured(ours, peers):
        allocated, reserved = line.get("memory_allocated_mib"), line.get("memory_reserved_mib")
        if allocated is None:
            continue
        held = mine.get("memory_mib")
        yield [
            *place(line),
            mebibytes(held),
            mebibytes(allocated),
            ratio(held, allocated, line, adapter),
            mebibytes(reserved),
            ratio(held, reserved, line, adapter),
        ]


COST_HEADS = ["to have it", "seconds", "brings along", "MiB installed"]


def costs(lines):
    for line in lines:
        seconds = "-" if line["seconds"] is None else f"{line['seconds']:.0f}"
        yield [line["of"], seconds, f"{line['brings']} {line['unit']}", mebibytes(line["mib"])]


def table(heads, body):
    """Text columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *body)]
    numeric = {i for i, head in enumerate(heads) if "ms" in head or "MiB" in head or "/" in head or head == "seconds"}

    def show(cells):
        padded = (c.rjust(w) if i in numeric else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths)))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i in numeric else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([show(heads), rule, *map(show, body)])


def warn(ours, peers):
    """Says which peers ran on another adapter; whether there were any."""
    adapter = adapter_name(ours)
    strays = sorted({(peer_name(line), line["adapter"]) for line in peers if elsewhere(line, adapter)})
    for name, other in strays:
        print(f'WARNING: {name} ran on "{other}", ours on "{adapter}": not compared', file=sys.stderr)
    return bool(strays)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--peers", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--costs", metavar="FILE")
    arguments = parser.parse_args()
    ours, peers = read(arguments.ours), read(arguments.peers)
    cost_lines = read([arguments.costs]) if arguments.costs else []
    tables = [
        (ENGINE_HEADS, engines(ours, peers)),
        (TIME_HEADS, times(ours, peers)),
        (MEMORY_HEADS, memory(ours, peers)),
        (COST_HEADS, costs(cost_lines)),
    ]
    bodies = [(heads, list(body)) for heads, body in tables]
    print("\n\n".join(table(heads, body) for heads, body in bodies if body))
    return 1 if warn(ours, peers) else 0


if __name__ == "__main__":
    sys.exit(main())
