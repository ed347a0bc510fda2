#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads an output back as its consumer would and holds it against the result it was made from.

    consume.py FORMAT RUN.json OUTPUT
Ends with 0 when every cell and every number is where it belongs; else says what is not.
"""
import csv
import html.parser
import json
import re
import sys
import xml.etree.ElementTree as tree


def shown(text):
    """What a reader sees of a name: harmful characters as escapes (harness/text.h)."""
    hidden = [(0, 0x1f), (0x7f, 0x9f), (0xad, 0xad), (0x34f, 0x34f), (0x61c, 0x61c), (0x115f, 0x1160), (0x17b4, 0x17b5), (0x180b, 0x180e), (0x200b, 0x200f), (0x2028, 0x202e),
              (0x2060, 0x206f), (0x3164, 0x3164), (0xe000, 0xf8ff), (0xfeff, 0xfeff), (0xffa0, 0xffa0), (0xfff0, 0xfffb), (0xfffe, 0xffff), (0x1bca0, 0x1bca3), (0x1d173, 0x1d17a),
              (0xe0000, 0x10ffff)]
    out = []
    for c in text:
        if any(a <= ord(c) <= b for a, b in hidden):
            out.append(f"\\x{ord(c):02x}" if ord(c) < 0x80 else f"\\u{{{ord(c):x}}}")
        else:
            out.append(c)
    return "".join(out)


def require(claim, sentence):
    if not claim:
        sys.exit(f"{sentence}")


def check_json(run, path):
    with open(path, encoding="utf-8") as file:
        require(json.load(file) == run, "not the same value")


def check_csv(run, path):
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    require(text.count("\r\n") >= len(run["cells"]) + 1, "lines do not end with CRLF")
    rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
    wanted = [cell["id"] for cell in run["cells"]]
    require([row["cell"].removeprefix("'") if row["cell"][:1] == "'" and row["cell"][1:2] in "=+-@\t\r\n" else row["cell"] for row in rows] == wanted, "cells differ")
    for row, cell in zip(rows, run["cells"]):
        require(None not in row and None not in row.values(), "a row of another length")
        require(float(row["ratio"]) == cell["verdicts"][0]["ratio"] and float(row["median_ns"]) == cell["summary"]["median"], "numbers differ")
        for value in row.values():
            require(not value or value[0] not in "=+@\t\r" and not (value[0] == "-" and not re.fullmatch(r"-[0-9.e+-]+", value)), f"a formula: {value[:40]!r}")


def check_metrics(run, path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    plain = lambda text: text[1:] if text[:1] == "'" and text[1:2] in tuple("=+-@\t\r\n") else text
    wanted = [(cell["id"], name, metric) for cell in run["cells"] for name, metric in cell["metrics"].items()]
    require(len(rows) == len(wanted), "rows differ in number")
    for row, (ident, name, metric) in zip(rows, wanted):
        require((plain(row["cell"]), plain(row["metric"])) == (ident, name), f"names differ: {name[:40]!r}")
        if "absent" in metric:
            require(row["value"] == "" and plain(row["not_available"]) == metric["absent"], f"what is not available has a value or no reason: {name[:40]!r}")
        else:
            require(float(row["value"]) == metric["value"] and plain(row["unit"]) == metric["unit"] and row["not_available"] == "", f"numbers differ: {name[:40]!r}")


def check_google(run, path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    rows = [row for row in data["benchmarks"] if row["run_type"] == "iteration"]
    for cell in run["cells"]:
        mine = [row for row in rows if row["name"] == cell["id"]]
        require(len(mine) >= min(36, 100) and all(row["time_unit"] == "ns" and row["real_time"] > 0 for row in mine), f"rows of {cell['id'][:60]!r}")
    medians = {row["run_name"]: row["real_time"] for row in data["benchmarks"] if row.get("aggregate_name") == "median"}
    require(all(abs(medians[cell["id"]] / cell["summary"]["median"] - 1) < 0.02 for cell in run["cells"]), "medians differ")
    require(data["context"]["json_schema_version"] == 1 and isinstance(data["context"]["num_cpus"], int), "context")


def check_bencher(run, path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    require(len(data) == len({cell["id"] for cell in run["cells"]}), "benchmarks differ in number")
    for cell in run["cells"]:
        name = cell["id"] if len(cell["id"].encode()) <= 1000 else next(key for key in data if cell["id"].startswith(key[:900]) and key not in [c["id"] for c in run["cells"]])
        latency = data[name]["latency"]
        require(latency["lower_value"] <= latency["value"] <= latency["upper_value"], f"interval of {name[:60]!r}")
    require(all(len(name.encode()) <= 1024 for name in data), "a name is too long")


def check_action(run, path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    require([row["name"] for row in data] == [cell["id"] for cell in run["cells"]], "names differ")
    require(all(isinstance(row["value"], (int, float)) and row["unit"] == "ns/iter" for row in data), "values")


def check_junit(run, path):
    root = tree.parse(path).getroot()
    cases = root.findall("testsuite/testcase")
    require(sorted(case.get("name") for case in cases) == sorted(shown(cell["id"]) for cell in run["cells"]), "cells differ")
    kinds = {"regression": "failure", "unfit": "error", "failed": "error", "missing": "error", "inconclusive": "skipped", "not_comparable": "skipped"}
    wanted = {shown(cell["id"]): kinds.get(cell["verdicts"][0]["verdict"]) for cell in run["cells"]}
    for case in cases:
        require([child.tag for child in case] == ([wanted[case.get("name")]] if wanted[case.get("name")] else []), f"verdict of {case.get('name')[:60]!r}")
        float(case.get("time"))
    for suite in root.findall("testsuite"):
        for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            require(int(suite.get(attribute)) == len(suite.findall(f"testcase/{tag}")), f"count of {attribute}")
        require(int(suite.get("tests")) == len(suite.findall("testcase")), "count of tests")


def check_openmetrics(run, path):
    label = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
    sample = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{" + label + "(?:," + label + r")*\})? (-?[0-9.]+(?:e[+-][0-9]+)?)")
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    require(lines[-2:] == ["# EOF", ""], "does not end with # EOF")
    family, seen = None, set()
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            family = line.split(" ")[2]
            require(family not in seen, f"family {family} stands twice")
            seen.add(family)
        elif not line.startswith("# "):
            match = sample.fullmatch(line)
            require(match and match.group(1) == family, f"not a sample of {family}: {line[:80]!r}")
    require(sum(line.startswith("ternmark_cell_state{") for line in lines) == len(run["cells"]), "cells differ in number")


def check_go(run, path):
    name = re.compile(r"BenchmarkTernmark(?:/[A-Za-z0-9._=%-]*)+")
    found = set()
    with open(path, encoding="ascii") as file:
        lines = file.read().split("\n")
    for line in lines:
        if not line.startswith("Benchmark"):
            require(line == "" or re.fullmatch(r"[a-z][^ \tA-Z]*: .*", line), f"neither configuration nor result: {line[:60]!r}")
            continue
        fields = line.split()
        require(name.fullmatch(fields[0]) and not re.search(r"-[0-9]+$", fields[0]) and int(fields[1]) > 0, f"name or count: {line[:60]!r}")
        pairs = list(zip(fields[2::2], fields[3::2]))
        require(len(fields) % 2 == 0 and pairs[0][1] == "ns/op" and all(float(value) > 0 for value, _ in pairs), f"values: {line[:60]!r}")
        found.add(fields[0])
    require(len(found) == len(run["cells"]), "cells differ in number")


def check_markdown(run, path):
    with open(path, encoding="utf-8", newline="\n") as file:
        text = file.read()
    require(len(text.encode()) < 60 * 1024 or "summary" in path, "longer than 60 KiB")
    rows = [line for line in text.split("\n") if line.startswith("| ") and not line.startswith("| verdict")]
    rest = re.search(r"^(\d+) more cells are in the report", text, re.M)
    require(len(rows) + (int(rest.group(1)) if rest else 0) == len(run["cells"]), "rows differ in number")
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row)
        require(len(cells) == 8 and re.fullmatch(r" `[^`\n]+` ", cells[2]), f"row: {row[:80]!r}")
        why = cells[6]
        require(not re.search(r"(?<!\\)[\[\]!<>]|@(?!\u200b)|(?<!\\)`|https?:", why), f"live text: {why[:80]!r}")
    require(not re.search("[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]", text), "controls")


def check_annotations(run, path):
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    require(lines.pop() == "", "last line")
    require(all(re.fullmatch(r"::(error|warning|notice) title=[^:,\r\n]*::[^\r\n]*", line) for line in lines), "a line that is no annotation")
    require(lines[-1].startswith("::notice title=Ternmark::") and len(lines) <= 81, "headline or number")


class Shape(html.parser.HTMLParser):
    """Tags, attributes and attribute values that can act."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.kinds, self.links, self.text = set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.kinds.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.links.update(value for name, value in attrs if name in ("href", "src", "srcset", "id", "class", "style"))

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.kinds.add(("comment", ()))


def check_html(run, path):
    shapes = []
    for page in (path, path + ".plain"):
        shape = Shape()
        with open(page, encoding="utf-8") as file:
            shape.feed(file.read())
        shapes.append(shape)
    require(shapes[0].kinds == shapes[1].kinds, f"elements differ: {shapes[0].kinds ^ shapes[1].kinds}")
    require(shapes[0].links == shapes[1].links, f"links differ: {shapes[0].links ^ shapes[1].links}")
    text = "".join(shapes[0].text)
    for cell in run["cells"]:
        require(shown(cell["id"]) in text, f"cell is not shown: {cell['id'][:60]!r}")


def check_terminal(run, path):
    with open(path, encoding="utf-8", newline="\n") as file:
        text = file.read()
    require(not re.search("[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text), "controls reach the terminal")
    for cell in run["cells"]:
        require(shown(cell["id"]) in text, f"cell is not shown: {cell['id'][:60]!r}")


def check_svg(run, path):
    allowed = {"svg", "title", "desc", "g", "rect", "defs", "circle", "path", "use", "text", "tspan", "pattern", "polygon", "clipPath", "filter", "feFlood", "feComposite"}
    for element in tree.parse(path).iter():
        require(element.tag.split("}")[-1] in allowed, f"element {element.tag}")
        for name, value in element.attrib.items():
            require(not name.startswith("on") and (not name.endswith("href") or value.startswith("#")), f"attribute {name}={value}")


CHECKS = {"svg": check_svg, "json": check_json, "csv": check_csv, "metrics": check_metrics, "markdown": check_markdown, "google-benchmark": check_google, "bencher": check_bencher, "github-action": check_action, "junit": check_junit,
          "openmetrics": check_openmetrics, "go": check_go, "github-summary": check_markdown, "github-annotations": check_annotations, "html": check_html, "terminal": check_terminal}
with open(sys.argv[2], encoding="utf-8") as source:
    CHECKS[sys.argv[1]](json.load(source), sys.argv[3])
