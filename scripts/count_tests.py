"""Counts the tests in a report of `ctest --output-junit`.

    count_tests.py REPORT CTEST_STATUS

Names each test that did not pass, then prints "N passed, N failed". A test that was skipped,
disabled or could not start counts as failed: a green run means that everything ran. Exits with 0
only if nothing failed and ctest itself exited with 0.
"""

import os
import sys
import xml.etree.ElementTree

WHAT_BECAME_OF_IT = {"fail": "failed", "notrun": "did not run", "disabled": "is disabled"}


def count(report: str) -> tuple[int, list[str]]:
    """Returns how many tests passed and a sentence on each that did not."""
    if not os.path.exists(report):
        return 0, [f"ctest wrote no report {report}"]
    try:
        cases = xml.etree.ElementTree.parse(report).getroot().findall("testcase")
    except xml.etree.ElementTree.ParseError as error:
        return 0, [f"the report {report} cannot be read: {error}"]
    passed, faults = 0, []
    for case in cases:
        status = case.get("status")
        if status == "run":
            passed += 1
        else:
            faults.append(f"{case.get('name')} {WHAT_BECAME_OF_IT.get(status, status)}")
    if not cases:
        faults.append("no test ran")
    return passed, faults


def main() -> int:
    report, ctest_status = sys.argv[1], int(sys.argv[2])
    passed, faults = count(report)
    if ctest_status != 0 and not faults:
        faults.append(f"ctest exited with {ctest_status}")
    for fault in faults:
        print(f"test: {fault}")
    print(f"{passed} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
