// What a scrape of /metrics costs: processor time of the thread that makes the page, with as many
// series as a server has at most.
//
//   bench_scrape [scrapes]        default 200
//
// 200 orders, 50 adapters and ever more arms are counted under every method and code until the page
// has 5,000 series, each bucket of a histogram counted as one, as Prometheus does.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/http_pages.h"
#include "server/metric_registry.h"
#include "server/readiness.h"
#include "server/request_metrics.h"

namespace scanserve::server {
namespace {

constexpr int kOrders = 200;
constexpr int kAdapters = 50;
constexpr int kMaxSeries = 5'000;
constexpr int kDefaultScrapes = 200;
constexpr double kSecondsBetweenScrapes = 15;
constexpr const char* kMethods[] = {"Generate", "ComputePerplexity", "Compare",
                                    "ExtractHiddenStates"};
constexpr const char* kCodes[] = {"OK", "CANCELLED", "RESOURCE_EXHAUSTED"};

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int SeriesIn(const std::string& page) {
  int series = 0;
  for (const absl::string_view line : absl::StrSplit(page, '\n', absl::SkipEmpty())) {
    if (line.front() != '#') ++series;
  }
  return series;
}

void CountRequest(RequestMetrics& metrics, const char* method, const RequestLabels& labels) {
  runtime::RequestObserver* observer = metrics.ObserverOf(method, labels);
  observer->OnStarted(absl::Milliseconds(2), 100);
  for (const char* code : kCodes) {
    metrics.CountArrival(method);
    metrics.CountEnd(method, labels, {code, Rejection::kNone, absl::Milliseconds(30)});
  }
}

void CountArm(RequestMetrics& metrics, const std::string& arm) {
  for (const char* method : kMethods) {
    for (int order = 0; order < kOrders; ++order) {
      const std::string adapter = absl::StrCat("adapter", order % kAdapters);
      CountRequest(metrics, method, {absl::StrCat("order", order), adapter, arm});
    }
  }
}

void Run(int scrapes) {
  MetricRegistry registry;
  RequestMetrics metrics(registry, MetricsOptions(), "model");
  const Readiness readiness(absl::Minutes(1));
  const std::vector<HttpPage> pages = HttpPages(readiness, registry);
  const auto page = std::find_if(pages.begin(), pages.end(),
                                 [](const HttpPage& each) { return each.path == "/metrics"; });
  std::string text;
  for (int arms = 0; SeriesIn(text) < kMaxSeries; ++arms) {
    CountArm(metrics, absl::StrCat("arm", arms));
    text = page->make().body;
  }
  std::vector<double> seconds;
  for (int i = 0; i < scrapes; ++i) {
    const double begin = ThreadSeconds();
    text = page->make().body;
    seconds.push_back(ThreadSeconds() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("%d series, %zu bytes\n", SeriesIn(text), text.size());
  std::printf("a scrape: %.2f ms of processor time (median of %d; slowest %.2f ms)\n", 1e3 * median,
              scrapes, 1e3 * seconds.back());
  std::printf("every %.0f s: %.4f %% of a core\n", kSecondsBetweenScrapes,
              100 * median / kSecondsBetweenScrapes);
}

}  // namespace
}  // namespace scanserve::server

int main(int argc, char** argv) {
  scanserve::server::Run(
      std::max(1, argc > 1 ? std::atoi(argv[1]) : scanserve::server::kDefaultScrapes));
}
