"""Holds this tree to repository_rules, and each rule to a tree with a fault planted in it."""

import os
import tempfile
import unittest

import repository_rules as rules

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# (rule, path, text) of a file with one fault.
PLANTED = (
    (rules.core_has_no_edges, "core/base/a.h", "#include <grpcpp/grpcpp.h>\n"),
    (rules.core_has_no_edges, "core/base/a.h", "#include <google/protobuf/message.h>\n"),
    (rules.core_has_no_edges, "core/base/a.h", '#include "scanserve/v1/scan.pb.h"\n'),
    (rules.core_has_no_edges, "core/base/a.cc", "#include <CLI/CLI.hpp>\n"),
    (rules.core_has_no_edges, "core/base/a.cc", 'auto* home = std::getenv("HOME");\n'),
    (rules.core_has_no_edges, "core/base/a.cc", "#include <csignal>\n"),
    (rules.core_has_no_edges, "core/base/a.cc", "sigaction(SIGTERM, &action, nullptr);\n"),
    (rules.core_has_no_edges, "core/base/a.cc", "int main() {}\n"),
    (rules.core_has_no_edges, "core/base/a.cc", '#include "server/options.h"\n'),
    (rules.core_has_no_edges, "core/base/a.cc", 'auto url = "a//b"; getenv("HOME");\n'),
    (rules.core_has_no_edges, "core/ops/CMakeLists.txt",
     "scanserve_library(ops DEPS gRPC::grpc++)\n"),
    (rules.uses_go_one_way, "core/base/a.h", '#include "core/ops/linear.h"\n'),
    (rules.uses_go_one_way, "core/ops/a.cc", '#include "core/model/mamba.h"\n'),
    (rules.uses_go_one_way, "core/order/a.cc", '#include "core/store/order_record.h"\n'),
    (rules.uses_go_one_way, "core/order/deep/a.cc", '#include "core/ops/linear.h"\n'),
    (rules.uses_go_one_way, "core/model/a.cc", '#include "core/runtime/engine.h"\n'),
    (rules.uses_go_one_way, "core/store/a.cc", '#include "core/model/mamba.h"\n'),
    (rules.uses_go_one_way, "core/compare/a.cc", '#include "core/order/scan_order.h"\n'),
    (rules.uses_go_one_way, "core/new/a.cc", "int a;\n"),
    (rules.uses_go_one_way, "core/order/CMakeLists.txt",
     "scanserve_library(order DEPS scanserve::ops)\n"),
    (rules.uses_go_one_way, "client/a.cc", '#include "core/model/mamba.h"\n'),
    (rules.uses_go_one_way, "client/CMakeLists.txt",
     "scanserve_program(scanorder DEPS scanserve::runtime)\n"),
    (rules.uses_go_one_way, "proto/CMakeLists.txt",
     "target_link_libraries(scanserve_proto scanserve::base)\n"),
    (rules.libtorch_has_one_door, "core/ops/linear.cc", "#include <ATen/ATen.h>\n"),
    (rules.libtorch_has_one_door, "core/model/a.h", "#include <torch/torch.h>\n"),
    (rules.libtorch_has_one_door, "server/a.cc", "#include <c10/util/Exception.h>\n"),
    (rules.libtorch_has_one_door, "client/a.cc", '#include "torch/script.h"\n'),
    (rules.refers_to_nothing_outside, "docs/a.md", "See .." "/shared/a.md.\n"),
    (rules.refers_to_nothing_outside, "a.sh", "cp /root/a b\n"),
    (rules.refers_to_nothing_outside, ".ci/run", "curl https://pypi.org/simple\n"),
    (rules.links_lead_somewhere, "docs/a.md", "See [the tour](tour.md#start).\n"),
    (rules.names_say_something, "core/base/string_utils.h", ""),
    (rules.names_say_something, "server/common/a.h", ""),
)

# (rule, path, text) of a file that comes close to a fault.
INNOCENT = (
    (rules.core_has_no_edges, "core/base/a.h", "// Callers use getenv(\"HOME\"), not core.\n"),
    (rules.core_has_no_edges, "core/base/a.h", "/* no\n int main() { */\n"),
    (rules.core_has_no_edges, "core/base/a.h", "int remain(); absl::Status MainLoop();\n"),
    (rules.core_has_no_edges, "server/main.cc", "int main() {}\n"),
    (rules.uses_go_one_way, "core/runtime/a.cc", '#include "core/ops/linear.h"\n'),
    (rules.uses_go_one_way, "client/a.cc", '#include "core/order/scan_order.h"\n'),
    (rules.uses_go_one_way, "client/CMakeLists.txt", "# not scanserve::runtime\n"),
    (rules.libtorch_has_one_door, "core/ops/torch_linear.cc", "#include <ATen/ATen.h>\n"),
    (rules.libtorch_has_one_door, "core/ops/linear.h", "// LibTorch: #include <ATen/ATen.h>\n"),
    (rules.refers_to_nothing_outside, "a.md", "a framework/tool, files that share/move\n"),
    (rules.refers_to_nothing_outside, "build/a.txt", "/root/a\n"),
    (rules.links_lead_somewhere, "a.md", "[here](a.md#x) [there](https://example.com/a)\n"),
    (rules.names_say_something, "core/base/commonly_used.h", ""),
)


def plant(root: str, path: str, text: str) -> None:
    os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
    with open(os.path.join(root, path), "w", encoding="utf-8") as file:
        file.write(text)


class RepositoryRulesTest(unittest.TestCase):

    def test_this_tree_keeps_each_rule(self):
        for rule in rules.RULES:
            with self.subTest(rule.__name__):
                faults = rule(ROOT)
                self.assertFalse(faults, "\n" + "\n".join(faults))

    def test_this_tree_was_read(self):
        self.assertIn("core/base/check.h", set(rules.files(ROOT)))

    def test_each_rule_finds_a_planted_fault(self):
        self.assertEqual({rule for rule, _, _ in PLANTED}, set(rules.RULES))
        for rule, path, text in PLANTED:
            with self.subTest(rule.__name__, path=path, text=text):
                with tempfile.TemporaryDirectory() as root:
                    plant(root, path, text)
                    faults = rule(root)
                self.assertEqual(len(faults), 1, faults)
                self.assertTrue(faults[0].startswith(path), faults)

    def test_no_rule_finds_a_fault_where_none_is(self):
        for rule, path, text in INNOCENT:
            with self.subTest(rule.__name__, path=path, text=text):
                with tempfile.TemporaryDirectory() as root:
                    plant(root, path, text)
                    self.assertEqual(rule(root), [])


if __name__ == "__main__":
    unittest.main()
