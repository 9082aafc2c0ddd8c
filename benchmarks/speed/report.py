"""One Markdown table of everything that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.speed import bars


def table(head: Sequence[str], rows: Iterable[Sequence[str]], n_texts: int = 1) -> str:
    """A Markdown table whose first columns are text and the rest figures."""
    lines = [" | ".join(head), "|".join(["---"] * n_texts + ["---:"] * (len(head) - n_texts))]
    lines += [" | ".join(row) for row in rows]
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)


def markdown(result: Mapping[str, Any]) -> str:
    """The report of a result, as speed.json has it."""
    loads, library = result["head_to_head"], result["library"]
    parts = [
        f"# Speed\n\n{described(result['machine'])}\n\nMedians of {loads['rounds']} interleaved",
        f" rounds of {loads['seconds']:g} s on 10,000 movies; ratios are made within a round.\n\n",
        table(("", "measured", "bar", "beyond", ""), bars.rows(result["figures"])),
        "\n## Calls a second, latency and processor time\n\n",
        table(
            ("", "in flight", "calls/s", "p50 ms", "p99 ms", "CPU ms/call", "MB"),
            _loads(loads),
        ),
        "\nShare of the floor, by calls in flight:\n\n",
        table(("", *map(str, next(iter(loads["shares_of_floor"].values())))), _shares(loads)),
        "\n`implicit`'s own recommend call, a library without a server:",
        f" {library['rps']:.0f} calls/s one by one (p50 {library['p50_ms']:.2f} ms),",
        f" {library['batched_rps']:.0f} users/s in batches of 64.\n",
        "\n## ScaNN against exact search, best 100\n\n",
        table(
            ("vectors", "exact ms", "ScaNN ms", "recall@100", "times as fast", "build s"),
            [_scann(name, curve) for name, curve in result["scann"].items()],
        ),
        "\n## Start\n\n",
        table(("", "s", "MB afterwards"), _starts(result["start"])),
    ]
    return "".join(parts)


def described(about: Mapping[str, Any]) -> str:
    """The machine and the code in a sentence."""
    load_average = "/".join(f"{value:g}" for value in about["load_average"])
    return (
        f"{about['date']}, commit {about['commit'] or 'unknown'}: {about['processor']},"
        f" {about['cores']} {'virtual ' if about['virtual'] else ''}cores,"
        f" {', '.join(about['caches'])}, {about['memory_gb']} GB, {about['system']},"
        f" Python {about['python']}; load average before the start {load_average}."
    )


def _shares(loads: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for name, by_in_flight in loads["shares_of_floor"].items():
        yield (name, *(f"{share:.3f}" for share in by_in_flight.values()))


def _starts(start: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for module, cost in start["imports"].items():
        yield f"import {module}", f"{cost['s']:.2f}", f"{cost['rss_mb']:.0f}"
    gateway = start["gateway"]
    yield "gateway ready", f"{gateway['ready_s']:.2f}", f"{gateway['rss_mb']:.0f}"
    yield "gateway after 1000 calls", "", f"{gateway['rss_after_calls_mb']:.0f}"


def _loads(loads: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for name, by_in_flight in loads["table"].items():
        for in_flight, figures in by_in_flight.items():
            yield (
                name,
                str(in_flight),
                f"{figures['rps']:.0f}",
                f"{figures['p50_ms']:.2f}",
                f"{figures['p99_ms']:.1f}",
                f"{figures['cpu_ms']:.3f}",
                f"{loads['memory_mb'][name]:.0f}",
            )


def _scann(name: str, curve: Mapping[str, Any]) -> Sequence[str]:
    chosen = curve["chosen"]
    return (
        name,
        f"{curve['exact_ms']:.2f}",
        f"{chosen['ms']:.3f}",
        f"{chosen['recall']:.3f}",
        f"{chosen['speedup']:.1f}",
        f"{curve['build_s']:.0f}",
    )
