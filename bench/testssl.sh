#!/usr/bin/env bash
# What testssl.sh (Debian: testssl.sh) finds at a proxy that serves HTTPS with an ECDSA certificate from a file, as processes of their own on built
# binaries. Fails if anything is graded above OK or INFO, but for what says of the certificate that a private authority issued it.
#
#   bench/testssl.sh [WHERE THE FULL REPORT GOES, default none]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
report=${1:-}
. "$root/bench/https-proxy.sh"
start_https_proxy traffic.example.test --hsts 365d
testssl --quiet --color 0 --warnings off --openssl /usr/bin/openssl --ip "127.0.0.1" --jsonfile "$work/report.json" \
    --add-ca "$work/root.pem" --nodns none "https://traffic.example.test:$https_port" >"$work/report.txt" 2>&1 || true
[ -z "$report" ] || cp "$work/report.txt" "$report"
python3 - "$work/report.json" <<'PY'
import collections, json, sys
# What only a public authority's certificate has, and what testssl itself could not do here.
private = {"cert_ocspRevoked", "cert_revocation", "cert_caIssuers", "OCSP_stapling", "DNS_CAArecord", "certificate_transparency",
           "cert_crlDistributionPoints", "cert_ocspURL", "cert_extlifeSpan", "engine_problem", "scanProblem", "scanTime", "overall_grade"}
findings = json.load(open(sys.argv[1]))
counts = collections.Counter(f["severity"] for f in findings)
print(len(findings), "findings:", ", ".join(f"{n} {s}" for s, n in sorted(counts.items())))
# WARN is a check that testssl could not do.
bad = [f for f in findings if f["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL")]
for f in findings:
    if f["severity"] == "WARN":
        print(f'not done WARN     {f["id"]}: {f["finding"]}')
for f in bad:
    print(("ignored " if f["id"].split()[0] in private else "FOUND   ") + f'{f["severity"]:8} {f["id"]}: {f["finding"]}')
sys.exit(1 if any(f["id"].split()[0] not in private for f in bad) or len(findings) < 50 else 0)
PY
