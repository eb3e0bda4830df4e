"""scripts/count_tests.py, on reports as ctest writes them."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "scripts", "count_tests.py")


def count(statuses: list[str] | None, ctest_status: int = 0) -> tuple[int, str]:
    """Exit status and last line for a report of these statuses; None means no report."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "tests.xml")
        if statuses is not None:
            cases = "".join(f'<testcase name="t{i}" status="{status}"/>'
                            for i, status in enumerate(statuses))
            with open(report, "w", encoding="utf-8") as file:
                file.write(f'<?xml version="1.0"?><testsuite>{cases}</testsuite>')
        run = subprocess.run([sys.executable, SCRIPT, report, str(ctest_status)],
                             capture_output=True, text=True, check=False)
    return run.returncode, run.stdout.splitlines()[-1]


class CountTestsTest(unittest.TestCase):

    def test_all_passed(self):
        self.assertEqual(count(["run", "run"]), (0, "2 passed, 0 failed"))

    def test_a_failure_fails(self):
        self.assertEqual(count(["run", "fail"], ctest_status=8), (1, "1 passed, 1 failed"))

    def test_a_test_that_did_not_run_fails_even_if_ctest_is_content(self):
        self.assertEqual(count(["run", "notrun"]), (1, "1 passed, 1 failed"))
        self.assertEqual(count(["run", "disabled"]), (1, "1 passed, 1 failed"))

    def test_nothing_to_run_fails(self):
        self.assertEqual(count([]), (1, "0 passed, 1 failed"))

    def test_a_missing_report_fails(self):
        self.assertEqual(count(None), (1, "0 passed, 1 failed"))

    def test_an_error_of_ctest_fails_though_every_test_passed(self):
        self.assertEqual(count(["run"], ctest_status=8), (1, "1 passed, 1 failed"))


if __name__ == "__main__":
    unittest.main()
