"""The figures of benches/faults as a Markdown table: one line for each ringpost of each row.

Must not know: how they were measured.
"""
import json

HEAD = ("| fault | idempotence | mails with 250 | refused | broken, no answer | longest reply | 4xx within 100 ms from; p99 after 6 s | "
        "first 250, all well after its end | lost | duplicates (of those, same id) | log lines | /readyz not 200 |")


def head():
    print(HEAD + "\n" + "|" + "---|" * (HEAD.count("|") - 1), flush=True)


def line(record):
    """One ringpost of one row."""
    figures = record["figures"]
    refused = ", ".join(f"{count:,} × {code}" for code, count in sorted(figures["refused"].items())) or "0"
    broken = sum(figures["broken"].values()) + figures["unanswered"]
    fast = "–"
    if figures["fast_after"] is not None:
        fast = f"{figures['fast_after']:.1f} s"
    if figures["slow_p99"] is not None:
        fast += f"; {figures['slow_p99'] * 1e3:,.0f} ms"
    well = "never" if figures["well"] is None else f"{figures['well']:.1f} s"
    first = "never" if figures["first_250"] is None else f"{figures['first_250']:.1f} s"
    ready = "–"
    if figures["ready_no_after"] is not None:
        until = f"until {figures['ready_yes_after']:.1f} s after its end" if figures["ready_at_end"] == 200 else "and still at the end"
        ready = f"after {figures['ready_no_after']:.1f} s, {until}"
    lost = "unknown" if figures["lost"] is None else f"{figures['lost']:,}"
    if figures["altered"] or figures["misaddressed"]:
        lost += f", {figures['altered']} altered, {figures['misaddressed']} misaddressed"
    logged = "–" if figures["log_lines"] is None else figures["log_lines"]
    return (f"| {record['title']} | {record['idempotence']} | {figures['accepted']:,} | {refused} | {broken:,} | {figures['longest']:.1f} s | "
            f"{fast} | {first}, {well} | {lost} | {figures['duplicates']:,} ({figures['duplicates_same_id']:,}) | {logged} | {ready} |")


def table(path, rows):
    """Of each row the last run that the record has, in the order of the program."""
    last = {}
    with open(path, encoding="utf-8") as file:
        for text in file:
            record = json.loads(text)
            last[record["row"], record["idempotence"]] = record
    head()
    for name in rows:
        for idempotence in ("off", "on"):
            if (name, idempotence) in last:
                print(line(last[name, idempotence]))


def good(figures):
    """Whether what the page promises of every row held."""
    return figures["lost"] == 0 and not figures["altered"] and not figures["misaddressed"] and figures["complete"] \
        and figures["first_250"] is not None
