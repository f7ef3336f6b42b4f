"""Reads a dashboard with Grafana's own types (the package grafana-foundation-sdk, made from Grafana's schemas) and writes it again: what the types
do not know is lost on the way, and what they know otherwise is changed. Prints each such place; run by `benches/watch schema`.

    dashboard_schema.py FILE

Must not know: what a panel is for. BUGS: a value that a type takes as text, such as a unit, is not looked at.
"""
import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def differences(before, after, place=""):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from differences(value, after[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} is unknown"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after)):
            yield from differences(one, other, f"{place}[{number}]")
    elif before != after:
        yield f"{place} is {before!r} and would be {after!r}"


def main():
    register_default_plugins()
    with open(sys.argv[1], encoding="utf-8") as file:
        dashboard = json.load(file)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    found = list(differences(dashboard, again))
    print("\n".join(found) or f"{len(dashboard['panels'])} panels and rows, read and written again without a difference")
    return 1 if found else 0


sys.exit(main())
