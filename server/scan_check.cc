#include "server/scan_check.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "core/base/status_macros.h"
#include "core/order/random_source.h"
#include "core/order/scan_order.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

constexpr int32_t kDefaultTrials = 16;
constexpr int32_t kMaxTrials = 1024;

std::vector<order::TargetClass> Classes(const runtime::AppliedScan& scan, int64_t length,
                                        int64_t num_layers) {
  const std::vector<int> layers(scan.target_layers.begin(), scan.target_layers.end());
  return order::ClassifyTargets(order::EffectiveOrder(scan.order.get(), length, scan.readout),
                                layers, static_cast<int>(num_layers));
}

int64_t TrialsOf(const v1::CheckScanSettingRequest& request) {
  return request.has_trials() ? request.trials() : kDefaultTrials;
}

v1::ClassCheck ClassCheckToProto(const order::ClassCheck& check) {
  v1::ClassCheck proto;
  proto.set_targets(check.targets);
  proto.set_unread_rows(check.unread_rows);
  proto.set_unread_rows_changed(check.unread_rows_changed);
  proto.set_read_rows(check.read_rows);
  proto.set_read_rows_changed(check.read_rows_changed);
  return proto;
}

v1::LeakVerdict VerdictToProto(order::LeakVerdict verdict) {
  switch (verdict) {
    case order::LeakVerdict::kCounted:
      return v1::LEAK_VERDICT_COUNTED;
    case order::LeakVerdict::kConfirmed:
      return v1::LEAK_VERDICT_CONFIRMED;
    case order::LeakVerdict::kContradicted:
      return v1::LEAK_VERDICT_CONTRADICTED;
    case order::LeakVerdict::kInconclusive:
      return v1::LEAK_VERDICT_INCONCLUSIVE;
  }
  return v1::LEAK_VERDICT_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScanCheck>> ScanCheck::Create(
    const Backend& backend, const v1::CheckScanSettingRequest& request) {
  SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend, request.model()));
  SCANSERVE_RETURN_IF_ERROR(CheckRange("trials", TrialsOf(request), 0, kMaxTrials));
  SCANSERVE_ASSIGN_OR_RETURN(RequestSetting setting,
                             ChooseSetting(backend, request.scan(), request.adapter()));
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("length", request.length(), 2, MaxPromptTokens(backend.limits(), *setting.scan)));
  auto check =
      std::unique_ptr<ScanCheck>(new ScanCheck(std::move(setting), request, backend.model()));
  SCANSERVE_RETURN_IF_ERROR(check->CheckWork(backend));
  return check;
}

ScanCheck::ScanCheck(RequestSetting setting, const v1::CheckScanSettingRequest& request,
                     const model::LanguageModel& model)
    : setting_(std::move(setting)),
      length_(request.length()),
      seed_(static_cast<uint64_t>(request.seed())),
      hidden_size_(model.config.hidden_size),
      // Rows of ids that the tokenizer lacks may be all alike.
      vocabulary_(
          std::min(static_cast<int32_t>(model.config.vocab_size), model.tokenizer->vocab_size())),
      check_(Classes(setting_.scan->applied, length_, model.config.num_layers), seed_,
             TrialsOf(request)) {
  order::RandomSource random(seed_);
  for (int64_t i = 0; i < length_; ++i) tokens_.push_back(random.Below(vocabulary_));
}

absl::Status ScanCheck::CheckWork(const Backend& backend) const {
  if (prompts() == 0) return absl::OkStatus();
  const RequestLimits& limits = backend.limits();
  SCANSERVE_RETURN_IF_ERROR(
      CheckAtMost("trials", prompts() * length_, limits.perplexity_tokens, "model tokens"));
  const int64_t row_bytes = hidden_size_ * static_cast<int64_t>(sizeof(float));
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("length", length_ * row_bytes, limits.extraction_bytes,
                                        "bytes of hidden states"));
  if (vocabulary_ < 2) {
    return absl::FailedPreconditionError("trials: the model knows no two tokens to replace");
  }
  if (backend.options().numerics == Numerics::kF32K1) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "trials: rows are compared to the bit, which numerics torch does not promise; 0 counts the "
      "classes alone");
}

int64_t ScanCheck::prompts() const {
  const auto trials = static_cast<int64_t>(check_.trials().size());
  return trials == 0 ? 0 : trials + 1;
}

int64_t ScanCheck::rows() const {
  if (given_ == 1) return length_;
  return check_.trials()[static_cast<size_t>(given_ - 2)].begin + 1;
}

std::optional<runtime::ExtractRequest> ScanCheck::NextPrompt(const Call& call) {
  if (given_ == prompts()) return std::nullopt;
  ++given_;
  runtime::ExtractRequest request;
  request.basics = Basics(setting_, call, runtime::Priority::kLow);
  // What is checked is the computation, not what is left of an earlier one.
  request.basics.use_prefix_cache = false;
  request.kind = runtime::HiddenStateKind::kFinalNorm;
  request.end_position = rows();
  if (given_ == 1) {
    request.tokens = tokens_;
  } else {
    request.tokens =
        order::ReplacedTokens(tokens_, check_.trials()[static_cast<size_t>(given_ - 2)],
                              vocabulary_, seed_ + static_cast<uint64_t>(given_));
  }
  return request;
}

std::vector<uint64_t> ScanCheck::Fingerprints(const std::vector<float>& rows) const {
  const auto row_bytes = static_cast<size_t>(hidden_size_) * sizeof(float);
  const auto* bytes = reinterpret_cast<const char*>(rows.data());
  std::vector<uint64_t> fingerprints;
  for (size_t begin = 0; begin < rows.size() * sizeof(float); begin += row_bytes) {
    fingerprints.push_back(absl::HashOf(absl::string_view(bytes + begin, row_bytes)));
  }
  return fingerprints;
}

void ScanCheck::TakeRows(const runtime::HiddenStates& rows) {
  std::vector<uint64_t> fingerprints = Fingerprints(*rows.data);
  if (given_ == 1) {
    first_ = std::move(fingerprints);
    return;
  }
  std::vector<bool> changed;
  for (size_t i = 0; i < fingerprints.size(); ++i) changed.push_back(fingerprints[i] != first_[i]);
  check_.Add(check_.trials()[static_cast<size_t>(given_ - 2)], changed);
}

void ScanCheck::Fill(const Backend& backend, v1::CheckScanSettingResponse* response) const {
  *response->mutable_in_force() = InForceToProto(backend, setting_);
  response->set_length(length_);
  *response->mutable_leaked() = ClassCheckToProto(check_.of(order::TargetClass::kLeaked));
  *response->mutable_lookahead() = ClassCheckToProto(check_.of(order::TargetClass::kLookahead));
  *response->mutable_causal() = ClassCheckToProto(check_.of(order::TargetClass::kCausal));
  response->set_trials(static_cast<int32_t>(check_.trials().size()));
  response->set_model_tokens(prompts() * length_);
  response->set_verdict(VerdictToProto(check_.verdict()));
  if (!check_.contradiction()) return;
  v1::LeakContradiction& contradiction = *response->mutable_contradiction();
  contradiction.set_position(check_.contradiction()->position);
  contradiction.set_replaced_begin(check_.contradiction()->trial.begin);
  contradiction.set_replaced_end(check_.contradiction()->trial.end);
}

}  // namespace scanserve::server
