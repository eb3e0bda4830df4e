// The tensors of a checkpoint folder, one safetensors file or several with an index.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/mapped_file.h"
#include "core/model/safetensors.h"

namespace scanserve::model {

// Immutable and thread-safe. The files stay mapped while it lives.
class Checkpoint {
 public:
  // Maps `folder`/model.safetensors, or the files that model.safetensors.index.json names.
  // NOT_FOUND or INVALID_ARGUMENT name the file.
  static absl::StatusOr<Checkpoint> Open(const std::string& folder);

  // The tensor, null when there is none.
  const TensorView* Find(const std::string& name) const;
  // The tensor, checked to have this shape and a float type. INVALID_ARGUMENT, e.g. "tensor
  // backbone.layers.3.mixer.dt_proj.weight: shape [16, 512], expected [512, 16]".
  absl::StatusOr<const TensorView*> Get(const std::string& name,
                                        absl::Span<const int64_t> shape) const;

  const TensorMap& tensors() const { return tensors_; }

 private:
  absl::Status AddFile(const std::string& path);
  absl::Status AddShards(const std::string& folder, const std::string& index_path);

  std::vector<std::unique_ptr<const base::MappedFile>> files_;
  TensorMap tensors_;
};

// INVALID_ARGUMENT, naming the tensor, unless it has this shape and a float type.
absl::Status CheckTensor(const std::string& name, const TensorView& tensor,
                         absl::Span<const int64_t> shape);

}  // namespace scanserve::model
