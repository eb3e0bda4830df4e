#include "server/http_pages.h"

#include <prometheus/text_serializer.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace scanserve::server {
namespace {

constexpr char kPrometheusText[] = "text/plain; version=0.0.4; charset=utf-8";

HttpReply Word(bool good, absl::string_view word) {
  HttpReply reply;
  reply.status = good ? 200 : 503;
  reply.body = absl::StrCat(word, "\n");
  return reply;
}

HttpReply Metrics(const MetricRegistry& registry) {
  HttpReply reply;
  reply.content_type = kPrometheusText;
  reply.body = prometheus::TextSerializer().Serialize(registry.Collect());
  return reply;
}

}  // namespace

std::vector<HttpPage> HttpPages(const Readiness& readiness, const MetricRegistry& registry) {
  return {
      {"/healthz", HttpAccess::kOpen,
       [&readiness] {
         const bool stuck = readiness.stuck();
         return Word(!stuck, stuck ? "stuck" : "ok");
       }},
      {"/readyz", HttpAccess::kOpen,
       [&readiness] {
         const Readiness::State state = readiness.state();
         return Word(state == Readiness::State::kReady, ReadinessWord(state));
       }},
      {"/metrics", HttpAccess::kMetrics, [&registry] { return Metrics(registry); }},
      {"/version", HttpAccess::kMetrics, [] { return Word(true, SCANSERVE_VERSION); }},
  };
}

}  // namespace scanserve::server
