"""Prints Markdown tables from the JSON lines in this folder. Standard library only.

    python3 benches/results/table.py [FILE.jsonl ...]      # all files of the folder without arguments

A file is one run of `cargo bench --bench kernels` or `--bench engine` with `--json`; its first line says on which adapter.
"""

import json
import pathlib
import sys


def read(path):
    lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text.strip()]
    if not lines or lines[0].get("kind") != "adapter":
        sys.exit(f"{path}: the first line does not name the adapter; expected the output of a bench with --json")
    return lines[0], lines[1:]


def markdown(heads, rows):
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def engine(lines):
    heads = ["what", "on", "median ms", "p10–p90", "GFLOP/s", "host ms", "dispatches", "MiB held", "first ms", "not convolutions"]
    rows = [
        [
            line["what"],
            f"base {line['base']}, {line['batch']} × {line['size']}²",
            f"{line['median_ms']:.1f}",
            f"{line['p10_ms']:.1f}–{line['p90_ms']:.1f}",
            f"{line['gflops']:.1f}",
            "" if line["host_ms"] is None else f"{line['host_ms']:.2f}",
            str(line["dispatches"]),
            f"{line['memory_mib']:.0f}",
            f"{line['first_use_ms']:.0f}",
            f"{100 * line['without_convolutions']:.0f} %" if "without_convolutions" in line else "",
        ]
        for line in lines
        if line["kind"] == "engine"
    ]
    return markdown(heads, rows) if rows else []


def kernels(lines):
    heads = ["kernel", "shapes", "median share of its limit", "of that after the dispatch"]
    share = lambda line, key: f"{100 * line[key]:.0f} %" if key in line else ""
    rows = [
        [line["what"], str(line["shapes"]), share(line, "median_share"), share(line, "median_share_with_dispatch")]
        for line in lines
        if line["kind"] == "summary"
    ]
    return markdown(heads, rows) if rows else []


def main():
    here = pathlib.Path(__file__).parent
    paths = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(here.glob("*.jsonl"))
    for path in paths:
        adapter, lines = read(path)
        print(f"## {path.stem}\n")
        print(f"{adapter['name']}, {adapter['driver']}: {adapter['peak_gflops']:.0f} GFLOP/s of multiply-adds, ", end="")
        print(f"{adapter['peak_gbytes']:.1f} GB/s of copying, {adapter['empty_dispatch_us']:.0f} µs an empty dispatch\n")
        for table in (list(kernels(lines)), list(engine(lines))):
            print("\n".join(table), end="\n\n" if table else "")


if __name__ == "__main__":
    main()
