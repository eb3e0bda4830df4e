#include "client/hidden_states.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {
namespace {

// Follows the chunks of one extraction and checks each against what was announced.
class ChunkCheck {
 public:
  explicit ChunkCheck(const v1::ExtractionStarted& started)
      : started_(started),
        matrices_(started.kind() == v1::HIDDEN_STATE_KIND_FINAL_NORM ? 1 : started.layers_size()),
        value_bytes_(started.type() == v1::HIDDEN_STATE_TYPE_BFLOAT16 ? 2 : 4) {}

  absl::Status Accept(const v1::HiddenStatesChunk& chunk) {
    const int64_t row_bytes = started_.hidden_size() * value_bytes_;
    const bool right_layer =
        started_.layers_size() == 0 ||
        (matrix_ < matrices_ && chunk.layer() == started_.layers(static_cast<int>(matrix_)));
    if (matrix_ >= matrices_ || !right_layer || chunk.rows() < 1 ||
        chunk.rows() > started_.rows() - row_ ||
        static_cast<int64_t>(chunk.data().size()) != chunk.rows() * row_bytes) {
      return absl::DataLossError(absl::StrCat("the server sent ", chunk.data().size(),
                                              " bytes for ", chunk.rows(), " rows of layer ",
                                              chunk.layer(), " after row ", row_, " of matrix ",
                                              matrix_, ", which is not what it announced"));
    }
    row_ += chunk.rows();
    if (row_ == started_.rows()) {
      row_ = 0;
      ++matrix_;
    }
    return absl::OkStatus();
  }

  absl::Status AtEnd() const {
    if (matrix_ == matrices_) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the server ended after ", matrix_, " of ", matrices_,
                                            " matrices of hidden states"));
  }

 private:
  const v1::ExtractionStarted started_;
  const int64_t matrices_;
  const int64_t value_bytes_;
  int64_t matrix_ = 0;
  int64_t row_ = 0;
};

// Bounds what a program that trusts the announcement computes and allocates.
absl::Status CheckStarted(const v1::ExtractionStarted& started) {
  constexpr int64_t kMaxValues = int64_t{1} << 40;
  const int64_t matrices = std::max(1, started.layers_size());
  if (started.rows() >= 1 && started.hidden_size() >= 1 &&
      started.rows() <= kMaxValues / matrices &&
      started.hidden_size() <= kMaxValues / matrices / started.rows()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the server announced ", matrices, " matrices of ",
                                          started.rows(), " rows of ", started.hidden_size(),
                                          " values"));
}

}  // namespace

std::string WidenBfloat16(absl::string_view values) {
  std::string wide;
  wide.reserve(values.size() * 2);
  for (size_t i = 0; i + 1 < values.size(); i += 2) {
    wide.append(2, '\0');
    wide.append(values.data() + i, 2);
  }
  return wide;
}

absl::Status ExtractHiddenStates(Connection& connection,
                                 const v1::ExtractHiddenStatesRequest& request,
                                 const HiddenStatesSink& sink) {
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto reader = stub.ExtractHiddenStates(call.context(), request);
  std::optional<ChunkCheck> check;
  bool bfloat16 = false;
  v1::ExtractHiddenStatesResponse response;
  const auto handle = [&]() -> absl::Status {
    if (response.has_started() && !check) {
      check.emplace(response.started());
      bfloat16 = response.started().type() == v1::HIDDEN_STATE_TYPE_BFLOAT16;
      SCANSERVE_RETURN_IF_ERROR(CheckStarted(response.started()));
      return sink.on_started(response.started());
    }
    if (!response.has_chunk()) return absl::OkStatus();
    if (!check) return absl::DataLossError("the server sent hidden states before their shape");
    SCANSERVE_RETURN_IF_ERROR(check->Accept(response.chunk()));
    const std::string& data = response.chunk().data();
    return sink.on_values(bfloat16 ? WidenBfloat16(data) : data);
  };
  absl::Status own;
  while (own.ok() && reader->Read(&response)) own = handle();
  if (!own.ok()) call.context()->TryCancel();
  const grpc::Status status = reader->Finish();
  SCANSERVE_RETURN_IF_ERROR(own);
  SCANSERVE_RETURN_IF_ERROR(connection.FromGrpc(status));
  if (!check) return absl::DataLossError("the server ended without an answer");
  return check->AtEnd();
}

}  // namespace scanserve::client
