"""Recalculates a pack's workbooks in LibreOffice and compares them with its CSV files."""

import csv
import re
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

# The workbook's formulas are worked out when it is opened, whatever is stored.
ALWAYS_RECALCULATE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
"""
# Comma, quote, UTF-8, from the first line, numbers as they are and not as shown, every sheet.
EVERY_SHEET = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
FORMULA = re.compile(r"(<f>[^<]*</f><v>)([^<]*)(</v>)")


def spoiled(source, target):
    """A copy whose stored totals are wrong; answers how many there were."""
    count = 0
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name.startswith("xl/worksheets/"):
                text, found = FORMULA.subn(r"\g<1>-987654321\g<3>", data.decode())
                data, count = text.encode(), count + found
            new.writestr(name, data)
    return count


def convert(workbook, folder, profile):
    profile.joinpath("user").mkdir(parents=True, exist_ok=True)
    profile.joinpath("user/registrymodifications.xcu").write_text(ALWAYS_RECALCULATE)
    command = ["soffice", f"-env:UserInstallation=file://{profile}", "--headless", "--norestore"]
    command += ["--convert-to", EVERY_SHEET, "--outdir", str(folder), str(workbook)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    sheets = {}
    for file in folder.glob(f"{workbook.stem}-*.csv"):
        with file.open(encoding="utf-8", newline="") as rows:
            sheets[file.stem[len(workbook.stem) + 1 :]] = list(csv.reader(rows))
    if not sheets:
        sys.exit(f"LibreOffice made nothing of {workbook.name}: {done.stdout}{done.stderr}")
    return sheets


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as rows:
        return list(csv.reader(rows))


def number(text):
    """Rounded to the finest minor unit of a currency, for a sum of binary fractions is not exact."""
    return Decimal(text).quantize(Decimal("0.001"))


def settlement(pack, work):
    copy = work / "settlement.xlsx"
    formulas = spoiled(pack / "settlement.xlsx", copy)
    sheets = convert(copy, work, work / "office")
    cover = next(rows for name, rows in sheets.items() if name.startswith("概览"))
    contents = {row[0]: row[1] for row in cover if len(row) > 1 and row[1].endswith(".csv")}
    compared = 0
    for title, file in contents.items():
        shown, told = sheets[title], read(pack / file)
        headings, rows = told[0], told[1:]
        # A row of totals where anything adds up.
        if len(shown[0]) != len(headings) or len(shown) - len(rows) not in (1, 2):
            sys.exit(f"{title} has not the rows and columns of {file}")
        if not rows or len(shown) == len(rows) + 1:
            continue
        for at, heading in enumerate(headings):
            total = shown[-1][at]
            if at == 0 or total == "":
                continue
            expected = sum(number(row[at]) for row in rows if row[at])
            if number(total) != expected:
                sys.exit(f"{title}: {heading} adds up to {total}, in {file} to {expected}")
            compared += 1
    if compared != formulas or compared == 0:
        sys.exit(f"{formulas} totals are stored, {compared} were compared")
    print(f"  settlement.xlsx: {len(contents)} sheets, {compared} totals recalculated and equal")


def kingdee(pack, work):
    """Each entity's vouchers for Kingdee balance and are those of vouchers.csv."""
    vouchers = read(pack / "vouchers.csv")
    names = vouchers[0]
    entity, debit = names.index("entity"), names.index("debit")
    files = sorted(pack.glob("erp/kingdee-*.xlsx"))
    for file in files:
        (rows,) = convert(file, work, work / "office").values()
        line = file.stem.removeprefix("kingdee-")
        sums = [sum(number(row[at]) for row in rows[1:] if row[at]) for at in (7, 8)]
        told = sum(number(row[debit]) for row in vouchers[1:] if row[entity] == line)
        if sums[0] != sums[1] or sums[0] != told:
            sys.exit(f"{file.name}: debit {sums[0]}, credit {sums[1]}, vouchers.csv {told}")
    print(f"  {len(files)} Kingdee workbooks balance")


if __name__ == "__main__":
    pack, work = Path(sys.argv[1]), Path(sys.argv[2])
    settlement(pack, work)
    kingdee(pack, work)
