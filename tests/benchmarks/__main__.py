"""Run the benchmarks named on the command line, or all of them, and print one table."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the command line and the page; read when numpy is imported

import argparse
import importlib
import sys
from pathlib import Path

from .figures import machine, table

SUBJECTS = ("throughput", "sampling", "starting", "scale", "learning", "pretrained")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"which: {', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--text", help="the text to learn from, instead of CHARRNN_BENCH_TEXT")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose among {', '.join(SUBJECTS)}")
    if options.text:
        os.environ["CHARRNN_BENCH_TEXT"] = options.text
    about, figures = machine(), []
    print(about, file=sys.stderr)
    for subject in options.subjects or SUBJECTS:
        for figure in importlib.import_module(f".{subject}", __package__).measure():
            print(f"{subject}: {figure.what}: {figure.value}  {figure.ratio}  {figure.bar} {figure.verdict}", file=sys.stderr)
            figures.append(figure)
    result = table(figures)
    print(f"{about}\n\n{result}")
    if not options.subjects:
        path = Path(__file__).with_name("RESULTS.md")
        path.write_text(f"# Latest results of `make bench`\n\n{about}\n\n{result}\n", encoding="utf-8")
        print(f"\nWritten to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
