"""results.json: read, joined with those of other runs, written with its report and chart."""

import json
import os

from chart import svg
from report import Report


def load(path):
    """The results at `path`; empty ones where there is no file."""
    if not os.path.exists(path):
        return {"versions": {}, "limits": {}, "workloads": {}}
    with open(path) as f:
        return json.load(f)


def done(results, workload, peers):
    """Whether the run that `results` belong to has measured all these peers already."""
    row = results["workloads"].get(workload, {})
    return all(row.get(p, {}).get("run") == results["run"] for p in peers)


def merge(a, b):
    """Both results; where both measured the same, the later run's."""
    earlier, later = sorted((a, b), key=lambda r: r.get("run", ""))
    rows = {}
    for w in a["workloads"] | b["workloads"]:
        mine, others = (r["workloads"].get(w, {}) for r in (a, b))
        rows[w] = {
            p: max((r[p] for r in (mine, others) if p in r), key=lambda cell: cell["run"])
            for p in mine | others
        }
    limits = {
        k: max(a["limits"].get(k, 0), b["limits"].get(k, 0)) for k in a["limits"] | b["limits"]
    }
    versions = earlier["versions"] | later["versions"]
    return {**earlier, **later, "versions": versions, "limits": limits, "workloads": rows}


def write(path, text):
    """A whole file or the old one, even if the writing is cut short."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.replace(path + ".new", path)


def save(results, folder, peers):
    """results.json, RESULTS.md and its chart."""
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "results.json"), json.dumps(results, indent=1))
    report = Report(results, peers)
    write(os.path.join(folder, "RESULTS.md"), report.markdown())
    write(os.path.join(folder, "results.svg"), svg(report))
