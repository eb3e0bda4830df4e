#include "server/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "core/ops/kernel_target.h"
#include "server/log.h"
#include "server/metric_family.h"

namespace scanserve::server {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

std::string ReadProc(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// When the machine started, in seconds since 1970.
std::optional<double> BootTime() {
  const std::string stat = ReadProc("/proc/stat");
  for (const absl::string_view line : absl::StrSplit(stat, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    double seconds = 0;
    if (words.size() == 2 && words[0] == "btime" && absl::SimpleAtod(words[1], &seconds)) {
      return seconds;
    }
  }
  return std::nullopt;
}

// The fields of /proc/self/stat after the command's name, which may hold anything; proc(5) counts
// the first of them as 3.
std::vector<std::string> StatFields() {
  const std::string stat = ReadProc("/proc/self/stat");
  const size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(stat.substr(name_end + 2), ' ');
}

double Field(const std::vector<std::string>& fields, size_t number) {
  double value = 0;
  if (!absl::SimpleAtod(fields[number - 3], &value)) return 0;
  return value;
}

void AddStat(Families& families) {
  constexpr size_t kUserTicks = 14, kSystemTicks = 15, kStartTicks = 22, kVirtualBytes = 23,
                   kResidentPages = 24;
  const std::vector<std::string> fields = StatFields();
  if (fields.size() <= kResidentPages - 3) return;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  families.push_back(CounterOf("process_cpu_seconds_total", "Processor time, user and system.", {},
                               (Field(fields, kUserTicks) + Field(fields, kSystemTicks)) / ticks));
  families.push_back(
      GaugeOf("process_virtual_memory_bytes", "Address space.", {}, Field(fields, kVirtualBytes)));
  families.push_back(GaugeOf("process_resident_memory_bytes", "Memory in RAM.", {},
                             Field(fields, kResidentPages) * page));
  if (const std::optional<double> boot = BootTime()) {
    families.push_back(GaugeOf("process_start_time_seconds", "When the process started.", {},
                               *boot + Field(fields, kStartTicks) / ticks));
  }
}

void AddDescriptors(Families& families) {
  std::error_code error;
  // Without the one that reads the folder.
  double open = -1;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++open;
  }
  if (!error) families.push_back(GaugeOf("process_open_fds", "Open file descriptors.", {}, open));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  families.push_back(
      GaugeOf("process_max_fds", "How many may be open.", {}, static_cast<double>(limit.rlim_cur)));
}

}  // namespace

Families ProcessMetrics::Collect() const {
  Families families;
  AddStat(families);
  AddDescriptors(families);
  families.push_back(GaugeOf(
      "scanserve_build_info", "The program.",
      {{"version", SCANSERVE_VERSION}, {"kernels", std::string(ops::KernelTargetName())}}, 1));
  families.push_back(GaugeOf("scanserve_ready", "1 when /readyz answers 200.", {},
                             readiness_.state() == Readiness::State::kReady ? 1 : 0));
  families.push_back(CounterOf("scanserve_log_lines_dropped_total",
                               "Log lines lost because standard error was not read fast enough.",
                               {}, static_cast<double>(LogLinesDropped())));
  return families;
}

}  // namespace scanserve::server
