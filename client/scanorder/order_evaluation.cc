#include "client/scanorder/order_evaluation.h"

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/perplexity.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

// Of one arm: the value and class of each target, by document and natural position.
struct Target {
  float nll = 0;
  v1::TargetClass target_class = v1::TARGET_CLASS_UNSPECIFIED;
};
using DocumentTargets = std::vector<std::map<int64_t, Target>>;

absl::Status Collect(const v1::TokenScores& scores, DocumentTargets& documents) {
  const bool fits = scores.index() >= 0 &&
                    scores.index() < static_cast<int64_t>(documents.size()) &&
                    scores.positions_size() == scores.nlls_size() &&
                    scores.positions_size() == scores.classes_size();
  if (!fits) return absl::DataLossError("the server sent scores that fit no document");
  for (int i = 0; i < scores.positions_size(); ++i) {
    documents[static_cast<size_t>(scores.index())][scores.positions(i)] = {scores.nlls(i),
                                                                           scores.classes(i)};
  }
  return absl::OkStatus();
}

absl::StatusOr<DocumentTargets> Score(Connection& connection,
                                      absl::Span<const std::string> documents,
                                      const v1::PerplexitySettings& settings, ProgressBar& bar,
                                      int64_t& scored) {
  DocumentTargets targets(documents.size());
  size_t sent = 0;
  const auto source = [&]() -> absl::StatusOr<std::optional<v1::DocumentPart>> {
    if (sent == documents.size()) return std::nullopt;
    v1::DocumentPart part;
    part.set_document_id(absl::StrCat(sent));
    part.mutable_content()->set_text(documents[sent++]);
    return part;
  };
  SCANSERVE_RETURN_IF_ERROR(ComputePerplexity(
      connection, settings, source, [&](const v1::ComputePerplexityResponse& response) {
        if (response.has_document()) bar.Update(++scored);
        return response.has_tokens() ? Collect(response.tokens(), targets) : absl::OkStatus();
      }));
  return targets;
}

// Both arms; the settings lack only the scan.
class TwoArms {
 public:
  TwoArms(Connection& connection, absl::Span<const std::string> documents,
          const EvaluationPlan& plan, ProgressBar& bar)
      : connection_(connection), documents_(documents), plan_(plan), bar_(bar) {}

  absl::Status Score(v1::PerplexitySettings settings) {
    if (plan_.adapter) {
      *settings.mutable_adapter()->mutable_ref() = *plan_.adapter;
    } else {
      settings.mutable_adapter()->mutable_base();
    }
    settings.set_per_token(true);
    settings.mutable_scan()->mutable_identity();
    SCANSERVE_ASSIGN_OR_RETURN(identity_,
                               client::Score(connection_, documents_, settings, bar_, scored_));
    *settings.mutable_scan()->mutable_setting()->mutable_order() = plan_.order;
    SCANSERVE_ASSIGN_OR_RETURN(order_,
                               client::Score(connection_, documents_, settings, bar_, scored_));
    return absl::OkStatus();
  }

  // Over the targets for which `wanted(position, class under the order)` holds.
  template <typename Wanted>
  std::vector<DocumentSums> Sums(Wanted wanted) const {
    std::vector<DocumentSums> all;
    for (size_t i = 0; i < order_.size(); ++i) {
      DocumentSums sums;
      for (const auto& [position, target] : order_[i]) {
        const auto same = identity_[i].find(position);
        if (same == identity_[i].end() || !wanted(position, target.target_class)) continue;
        sums.identity += same->second.nll;
        sums.order += target.nll;
        ++sums.tokens;
      }
      all.push_back(sums);
    }
    return all;
  }

 private:
  Connection& connection_;
  const absl::Span<const std::string> documents_;
  const EvaluationPlan& plan_;
  ProgressBar& bar_;
  int64_t scored_ = 0;
  DocumentTargets identity_;
  DocumentTargets order_;
};

// The 97.5 % quantile of Student's t: as tabled up to 30 degrees, Cornish and Fisher's expansion
// above.
double StudentQuantile(int64_t degrees) {
  static constexpr std::array<double, 30> kTable = {
      12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
      2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
      2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
  if (degrees <= static_cast<int64_t>(kTable.size())) {
    return kTable[static_cast<size_t>(degrees - 1)];
  }
  constexpr double z = 1.959964;
  const auto n = static_cast<double>(degrees);
  return z + (z * z * z + z) / (4 * n) +
         (5 * std::pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n);
}

// exp of the mean over tokens of `value`, a sum over a document's tokens.
template <typename Value>
Estimate ExpMean(absl::Span<const DocumentSums> sums, Value value) {
  double total = 0;
  int64_t tokens = 0, documents = 0;
  for (const DocumentSums& each : sums) {
    total += value(each);
    tokens += each.tokens;
    documents += each.tokens > 0 ? 1 : 0;
  }
  const double mean = total / static_cast<double>(tokens);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (documents < 2) return {std::exp(mean), -kInfinity, kInfinity};
  double squares = 0;
  for (const DocumentSums& each : sums) {
    squares += std::pow(value(each) - mean * static_cast<double>(each.tokens), 2);
  }
  const auto count = static_cast<double>(documents);
  const double error = std::sqrt(count / (count - 1) * squares) / static_cast<double>(tokens);
  const double margin = StudentQuantile(documents - 1) * error;
  return {std::exp(mean), std::exp(mean - margin), std::exp(mean + margin)};
}

void AddIfAny(TargetComparison comparison, std::vector<TargetComparison>& all) {
  if (comparison.tokens > 0) all.push_back(std::move(comparison));
}

}  // namespace

TargetComparison Summarise(std::string targets, bool causal, absl::Span<const DocumentSums> sums) {
  TargetComparison comparison;
  comparison.targets = std::move(targets);
  comparison.causal = causal;
  for (const DocumentSums& each : sums) {
    comparison.tokens += each.tokens;
    comparison.documents += each.tokens > 0 ? 1 : 0;
  }
  if (comparison.tokens == 0) return comparison;
  comparison.identity = ExpMean(sums, [](const DocumentSums& each) { return each.identity; });
  comparison.order = ExpMean(sums, [](const DocumentSums& each) { return each.order; });
  comparison.ratio =
      ExpMean(sums, [](const DocumentSums& each) { return each.order - each.identity; });
  return comparison;
}

absl::StatusOr<std::vector<TargetComparison>> CompareWithIdentity(
    Connection& connection, absl::Span<const std::string> documents, const EvaluationPlan& plan,
    ProgressBar& bar) {
  constexpr int kArmsOfBothModes = 4;
  bar.Restart("scoring", "documents", static_cast<int64_t>(documents.size()) * kArmsOfBothModes);
  std::vector<TargetComparison> comparisons;
  TwoArms arms(connection, documents, plan, bar);
  v1::PerplexitySettings settings;
  settings.set_mode(v1::PERPLEXITY_MODE_CONTINUATION);
  settings.set_prefix_tokens(plan.prefix_tokens);
  SCANSERVE_RETURN_IF_ERROR(arms.Score(settings));
  AddIfAny(Summarise(absl::StrCat("continuation after ", plan.prefix_tokens, " tokens"), true,
                     arms.Sums([&plan](int64_t position, v1::TargetClass) {
                       return position > plan.prefix_tokens;
                     })),
           comparisons);
  settings.Clear();
  settings.set_mode(v1::PERPLEXITY_MODE_FULL_WINDOW);
  SCANSERVE_RETURN_IF_ERROR(arms.Score(settings));
  for (const auto& [name, wanted] : {std::pair{"causal", v1::TARGET_CLASS_CAUSAL},
                                     std::pair{"lookahead", v1::TARGET_CLASS_LOOKAHEAD},
                                     std::pair{"leaked", v1::TARGET_CLASS_LEAKED}}) {
    AddIfAny(Summarise(absl::StrCat("full window, ", name), wanted == v1::TARGET_CLASS_CAUSAL,
                       arms.Sums([wanted = wanted](int64_t, v1::TargetClass target_class) {
                         return target_class == wanted;
                       })),
             comparisons);
  }
  return comparisons;
}

}  // namespace scanserve::client
