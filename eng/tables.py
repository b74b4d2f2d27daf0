#!/usr/bin/env python3
"""Draws docs/tables.svg from the files of the schema: eng/tables.py > docs/tables.svg"""
import glob
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

# Where each table is drawn, by columns of the picture; colours by subject.
LAYOUT = [
    ["keys", "tokens", "requests", "history"],
    ["backends", "actions"],
    ["drones", "drone_counters", "drone_images", "proxies", "controllers"],
    ["services", "service_keys", "service_labels", "service_failures", "txt_values", "challenge_leases", "certificate_orders"],
    ["changes", "changes_cleaned", "server", "installation", "probe", "schema_versions", "schema_functions"],
]
COLOURS = {0: ("#1d4ed8", "#dbeafe"), 1: ("#1d4ed8", "#dbeafe"), 2: ("#047857", "#d1fae5"), 3: ("#b45309", "#fef3c7"), 4: ("#52606d", "#e4e7eb")}

# From a table's column to the table that it names.
REFERENCES = [
    ("keys", "backends"), ("tokens", "backends"), ("requests", "backends"), ("history", "backends"), ("actions", "drones"), ("backends", "drones"),
    ("drone_counters", "drones"), ("drone_images", "drones"), ("service_keys", "services"), ("service_labels", "services"), ("service_failures", "services"),
]

WIDTH, GAP, TOP, LINE, HEAD = 216, 44, 56, 15, 22


def tables():
    """The columns of each table, and which of them are its primary key."""
    found = {}
    text = "\n".join(open(f).read() for f in sorted(glob.glob(os.path.join(ROOT, "Storage/Postgres/Schema/*.sql"))))
    text += open(os.path.join(ROOT, "Storage/Postgres/PostgresMigrator.cs")).read()
    for name, body in re.findall(r"create table plane\.(\w+) ?\((.*?)\)(?: with \([^)]*\))?;", text, re.S):
        body = re.sub(r"--[^\n]*", "", body)
        key = re.search(r"primary key \(([^)]*)\)", body)
        keys = [k.strip() for k in key.group(1).split(",")] if key else []
        columns = []
        depth, part, parts = 0, "", []
        for c in body:
            depth += {"(": 1, ")": -1}.get(c, 0)
            if c == "," and depth == 0:
                parts.append(part)
                part = ""
            else:
                part += c
        for part in parts + [part]:
            words = part.split()
            if not words or words[0] in ("primary", "foreign", "constraint", "check"):
                continue
            columns.append(words[0])
            if "primary key" in " ".join(words):
                keys.append(words[0])
        found[name] = ([c for c in columns if c != "single"], keys)
    return found


def main():
    found = tables()
    left = set(found) - {t for column in LAYOUT for t in column} - {t for t in found if t.startswith("orleans")}
    if left:
        raise SystemExit(f"not in the picture: {', '.join(sorted(left))}")
    out, place, bottom = [], {}, 0
    for x, column in enumerate(LAYOUT):
        y = TOP
        for table in column:
            columns = found[table][0]
            height = HEAD + LINE * len(columns) + 8
            place[table] = (24 + x * (WIDTH + GAP), y, height, x)
            y += height + 22
        bottom = max(bottom, y)
    width, height = 24 * 2 + len(LAYOUT) * WIDTH + (len(LAYOUT) - 1) * GAP, bottom + 34
    for source, target in REFERENCES:
        sx, sy, sh, sc = place[source]
        tx, ty, th, tc = place[target]
        if sc == tc:
            a, b, right = sy + 11, ty + 30 + 6 * list(place).index(source) % 40, sx + WIDTH
            out.append(f'<path d="M{right} {a}h14V{b}h-14" fill="none" stroke="#52606d" marker-end="url(#a)"/>')
        else:
            a, b = sy + 11, ty + 11 + 5 * [s for s, t in REFERENCES if t == target].index(source)
            middle = sx + WIDTH + GAP / 2 - 8 + 4 * [s for s, t in REFERENCES if t == target].index(source)
            out.append(f'<path d="M{sx + WIDTH} {a}H{middle}V{b}H{tx}" fill="none" stroke="#52606d" marker-end="url(#a)"/>')
    for table, (x, y, h, c) in place.items():
        line, fill = COLOURS[c]
        columns, keys = found[table]
        out.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{h}" rx="4" fill="#ffffff" stroke="{line}"/>')
        out.append(f'<path d="M{x} {y + HEAD}V{y + 4}a4 4 0 0 1 4 -4H{x + WIDTH - 4}a4 4 0 0 1 4 4V{y + HEAD}z" fill="{fill}" stroke="{line}"/>')
        out.append(f'<text x="{x + 8}" y="{y + 15}" font-size="12" font-weight="600" fill="#1f2933" font-family="Consolas, Menlo, monospace">{table}</text>')
        for i, column in enumerate(columns):
            style = 'font-weight="600" fill="#1f2933"' if column in keys else 'fill="#52606d"'
            out.append(f'<text x="{x + 8}" y="{y + HEAD + 14 + i * LINE}" font-size="11" {style}>{column}</text>')
    print(f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="t d" font-family="'Segoe UI', Helvetica, Arial, sans-serif">
<title id="t">Tables of the schema</title>
<desc id="d">The tables of the schema plane in PostgreSQL and what refers to what. Drawn by eng/tables.py.</desc>
<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#52606d"/></marker></defs>
<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="#ffffff" stroke="#cbd5e1"/>
<text x="24" y="32" font-size="14" font-weight="600" fill="#1f2933">Keys, backends and their tokens</text>
<text x="{24 + 2 * (WIDTH + GAP)}" y="32" font-size="14" font-weight="600" fill="#1f2933">Machines</text>
<text x="{24 + 3 * (WIDTH + GAP)}" y="32" font-size="14" font-weight="600" fill="#1f2933">Services, certificates</text>
<text x="{24 + 4 * (WIDTH + GAP)}" y="32" font-size="14" font-weight="600" fill="#1f2933">Change log, the installation</text>''')
    print("\n".join(out))
    print(f'<text x="24" y="{height - 16}" font-size="11" fill="#52606d">Bold: primary key; a table without one has one row. Arrow: refers to, by name and without a foreign key, except drone_images. '
          'Not shown: the membership tables of Orleans. SQLite has the same tables.</text>')
    print("</svg>")


main()
