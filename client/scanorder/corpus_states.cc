#include "client/scanorder/corpus_states.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/hidden_states.h"
#include "client/scan_choice.h"
#include "client/scanorder/compute.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

v1::ExtractHiddenStatesRequest RequestFor(const std::string& document, const ExtractionPlan& plan) {
  v1::ExtractHiddenStatesRequest request;
  request.mutable_prompt()->set_text(document);
  request.mutable_scan()->mutable_identity();
  if (plan.adapter) {
    *request.mutable_adapter()->mutable_ref() = *plan.adapter;
  } else {
    request.mutable_adapter()->mutable_base();
  }
  request.set_kind(v1::HIDDEN_STATE_KIND_MIXER_INPUT);
  request.set_type(v1::HIDDEN_STATE_TYPE_FLOAT32);
  if (plan.layer) request.add_layers(*plan.layer);
  request.set_max_prompt_tokens(plan.max_tokens);
  return request;
}

absl::Status Refused(const std::string& reason) {
  return absl::FailedPreconditionError(absl::StrCat("the hidden states cannot be used: ", reason));
}

// Whether the adapter in force is the one that was asked for, as far as it was named.
bool Fits(const v1::AdapterRef& asked, const v1::AdapterRef& in_force) {
  if (!asked.digest().empty()) return asked.digest() == in_force.digest();
  return asked.name() == in_force.name() &&
         (asked.version() == 0 || asked.version() == in_force.version());
}

class Collector {
 public:
  explicit Collector(const ExtractionPlan& plan) : plan_(plan) {}

  absl::Status Start(const v1::ExtractionStarted& started) {
    const bool first = result_.states.columns == 0;
    SCANSERVE_RETURN_IF_ERROR(
        CheckInForce(started.in_force(), plan_, first ? nullptr : &result_.in_force));
    if (started.layers_size() != 1 || (plan_.layer && started.layers(0) != *plan_.layer) ||
        started.kind() != v1::HIDDEN_STATE_KIND_MIXER_INPUT ||
        started.type() != v1::HIDDEN_STATE_TYPE_FLOAT32 ||
        (!first &&
         (started.hidden_size() != result_.states.columns || started.layers(0) != result_.layer))) {
      return Refused("the server sent other layers, kinds or sizes than were asked for");
    }
    result_.in_force = started.in_force();
    result_.layer = started.layers(0);
    result_.states.columns = started.hidden_size();
    result_.states.rows += started.rows();
    if (result_.states.rows >
        kMaxStatesBytes / static_cast<int64_t>(sizeof(float)) / result_.states.columns) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the hidden states take more than ", kMaxStatesBytes,
                       " bytes: lower --documents or --max-tokens"));
    }
    return absl::OkStatus();
  }

  absl::Status Append(absl::string_view values) {
    std::vector<float>& all = result_.states.values;
    const size_t count = all.size();
    all.resize(count + values.size() / sizeof(float));
    std::memcpy(all.data() + count, values.data(), values.size());
    return absl::OkStatus();
  }

  CorpusStates Take() { return std::move(result_); }

 private:
  const ExtractionPlan& plan_;
  CorpusStates result_;
};

}  // namespace

absl::Status CheckInForce(const v1::InForce& in_force, const ExtractionPlan& plan,
                          const v1::InForce* before) {
  if (ScanOrderText(in_force.scan()) != "identity") {
    return Refused(absl::StrCat("they were made under the order ", ScanSettingText(in_force.scan()),
                                ", not under identity"));
  }
  const bool right_adapter = plan.adapter
                                 ? in_force.has_adapter() && Fits(*plan.adapter, in_force.adapter())
                                 : !in_force.has_adapter();
  if (!right_adapter) {
    return Refused(absl::StrCat("they were made with the adapter ", AdapterText(in_force),
                                ", which is not the one that was asked for"));
  }
  if (before != nullptr && (before->model_digest() != in_force.model_digest() ||
                            before->tokenizer_digest() != in_force.tokenizer_digest() ||
                            before->adapter().digest() != in_force.adapter().digest())) {
    return Refused("the model or the adapter changed between two documents");
  }
  return absl::OkStatus();
}

absl::StatusOr<CorpusStates> ExtractCorpus(Connection& connection, const Corpus& corpus,
                                           const ExtractionPlan& plan, ProgressBar& bar) {
  Collector collector(plan);
  HiddenStatesSink sink;
  sink.on_started = [&](const v1::ExtractionStarted& started) { return collector.Start(started); };
  sink.on_values = [&](absl::string_view values) { return collector.Append(values); };
  bar.Restart("extracting", "documents", static_cast<int64_t>(corpus.documents.size()));
  int64_t done = 0;
  for (const std::string& document : corpus.documents) {
    SCANSERVE_RETURN_IF_ERROR(ExtractHiddenStates(connection, RequestFor(document, plan), sink));
    bar.Update(++done);
  }
  return collector.Take();
}

}  // namespace scanserve::client
