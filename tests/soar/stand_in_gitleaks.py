"""A stand-in for gitleaks 8: takes its options, and reports lines with `LEAK` in the form of its JSON report.

`LEAK hang` starts a program and waits, `LEAK flood` prints without end and `LEAK chatter` much, `LEAK fail` fails as
a broken configuration does, `LEAK garbage` and `LEAK nothing` spoil the report. As the real one, it reads
`.gitleaks.toml` and `.gitleaksignore` at its source.
"""

import json
import subprocess
import sys
from pathlib import Path

KNOWN = {
    "--no-git": 0,
    "--redact": 0,
    "--no-banner": 0,
    "--ignore-gitleaks-allow": 0,
    "--source": 1,
    "--exit-code": 1,
}
KNOWN |= {"--log-level": 1, "--report-format": 1, "--report-path": 1}
command, *words = sys.argv[1:]
options, at = {}, 0
while at < len(words):
    if words[at] not in KNOWN:
        sys.exit(126)
    options[words[at]] = words[at + 1] if KNOWN[words[at]] else ""
    at += 1 + KNOWN[words[at]]
source = Path(options["--source"])
if command != "detect" or (source / ".gitleaks.toml").exists() or (source / ".gitleaksignore").exists():
    sys.exit("FTL unable to load gitleaks config")
found, text = [], ""
for file in sorted(each for each in source.rglob("*") if each.is_file()):
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if "LEAK" in line:
            text += line
            place = {"StartLine": number, "EndLine": number, "StartColumn": 1, "EndColumn": len(line)}
            secret = {"Match": "REDACTED", "Secret": "REDACTED", "File": str(file), "SymlinkFile": "", "Entropy": 3.9}
            commit = {"Commit": "", "Author": "", "Email": "", "Date": "", "Message": "", "Tags": []}
            rule = {"RuleID": "generic-api-key", "Description": "Detected a Generic API Key"}
            found.append({**rule, **place, **secret, **commit, "Fingerprint": f"{file}:generic-api-key:{number}"})
if "LEAK fail" in text:
    sys.exit("FTL Failed to load config: toml: line 3")
if "LEAK chatter" in text:
    sys.stderr.write("x" * (3 << 20))
    sys.exit("the end")
while "LEAK flood" in text:
    sys.stderr.write("x" * (1 << 16))
if "LEAK hang" in text:
    sleeping = subprocess.Popen(["sleep", "1000"])
    Path(__file__).with_name("child").write_text(str(sleeping.pid))
    sleeping.wait()
if "LEAK nothing" not in text:
    Path(options["--report-path"]).write_text("{" if "LEAK garbage" in text else json.dumps(found, indent=1))
