#include "server/yielding_engine.h"

#include <utility>

namespace scanserve::server {
namespace {

using runtime::RequestStream;

class YieldingEngine final : public runtime::Engine {
 public:
  YieldingEngine(runtime::Engine& engine, std::function<void()> make_way)
      : engine_(engine), make_way_(std::move(make_way)) {}

  absl::StatusOr<std::shared_ptr<RequestStream>> Generate(
      runtime::GenerateRequest request) override {
    make_way_();
    return engine_.Generate(std::move(request));
  }
  absl::StatusOr<std::shared_ptr<RequestStream>> Score(runtime::ScoreRequest request) override {
    make_way_();
    return engine_.Score(std::move(request));
  }
  absl::StatusOr<std::shared_ptr<RequestStream>> Extract(runtime::ExtractRequest request) override {
    make_way_();
    return engine_.Extract(std::move(request));
  }
  runtime::EngineStats stats() const override { return engine_.stats(); }
  void CancelAll(absl::Status status) override { engine_.CancelAll(std::move(status)); }

 private:
  runtime::Engine& engine_;
  const std::function<void()> make_way_;
};

}  // namespace

std::unique_ptr<runtime::Engine> MakeYieldingEngine(runtime::Engine& engine,
                                                    std::function<void()> make_way) {
  return std::make_unique<YieldingEngine>(engine, std::move(make_way));
}

}  // namespace scanserve::server
