#include "core/model/checkpoint.h"

#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/model/json_field.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMaxIndexBytes = 16 << 20;

}  // namespace

absl::Status CheckTensor(const std::string& name, const TensorView& tensor,
                         absl::Span<const int64_t> shape) {
  if (tensor.shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, ": shape ", ShapeText(tensor.shape), ", expected ", ShapeText(shape)));
  }
  if (tensor.type == DataType::kOther) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, ": dtype ", tensor.type_name, ", expected F32, BF16 or F16"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& folder) {
  Checkpoint checkpoint;
  const std::string single = absl::StrCat(folder, "/model.safetensors");
  const std::string index = absl::StrCat(folder, "/model.safetensors.index.json");
  std::error_code ignored;
  if (std::filesystem::exists(single, ignored) || !std::filesystem::exists(index, ignored)) {
    SCANSERVE_RETURN_IF_ERROR(checkpoint.AddFile(single));
  } else {
    SCANSERVE_RETURN_IF_ERROR(checkpoint.AddShards(folder, index));
  }
  return checkpoint;
}

absl::Status Checkpoint::AddFile(const std::string& path) {
  SCANSERVE_ASSIGN_OR_RETURN(auto file, base::MappedFile::Open(path));
  absl::StatusOr<TensorMap> tensors = ParseSafetensors(file->bytes());
  if (!tensors.ok()) return base::InFile(path, tensors.status());
  for (auto& [name, tensor] : *tensors) {
    if (!tensors_.emplace(name, std::move(tensor)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ", name, " stands in another file too"));
    }
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status Checkpoint::AddShards(const std::string& folder, const std::string& index_path) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(index_path, kMaxIndexBytes));
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json index, ParseJsonObject(text, index_path));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(index_path, ": no weight_map"));
  }
  std::set<std::string> shards;
  for (const auto& [name, shard] : map->items()) {
    // A shard is a plain file name: an index cannot lead out of its folder.
    if (!shard.is_string() || shard.get<std::string>().empty() ||
        shard.get<std::string>().find('/') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(index_path, ": tensor ", name, ": file ",
                                                     ShortJson(shard), " is not a file name"));
    }
    shards.insert(shard.get<std::string>());
  }
  for (const std::string& shard : shards) {
    SCANSERVE_RETURN_IF_ERROR(AddFile(absl::StrCat(folder, "/", shard)));
  }
  for (const auto& [name, shard] : map->items()) {
    if (Find(name) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(index_path, ": tensor ", name, " is not in file ", ShortJson(shard)));
    }
  }
  return absl::OkStatus();
}

const TensorView* Checkpoint::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

absl::StatusOr<const TensorView*> Checkpoint::Get(const std::string& name,
                                                  absl::Span<const int64_t> shape) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, ": missing, expected shape ", ShapeText(shape)));
  }
  SCANSERVE_RETURN_IF_ERROR(CheckTensor(name, *tensor, shape));
  return tensor;
}

}  // namespace scanserve::model
