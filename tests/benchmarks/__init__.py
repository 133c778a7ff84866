"""What charrnn costs and how well it learns, measured. Nothing here is a test: speed depends on the machine.

    python -m tests.benchmarks                       everything; the result is written to RESULTS.md
    python -m tests.benchmarks sampling starting     some subjects only, printed
    CHARRNN_BENCH_TEXT=tinyshakespeare.txt python -m tests.benchmarks learning

One subject a file, each with `measure()`, which yields the rows of the table as they are known. What is compared is
measured side by side in one run. NOTES.md says what was tried and what came of it.
"""
