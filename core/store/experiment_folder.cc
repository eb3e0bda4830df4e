#include "core/store/experiment_folder.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/store/experiment_json.h"
#include "core/store/folder_listing.h"
#include "core/store/order_record.h"

namespace scanserve::store {
namespace {

constexpr int64_t kMaxRecordBytes = 1 << 20;
// A million units and their shadows.
constexpr int64_t kMaxStatisticsBytes = int64_t{1} << 30;
constexpr absl::string_view kRecordSuffix = ".json";
constexpr absl::string_view kStatisticsSuffix = ".stats";

}  // namespace

absl::StatusOr<std::vector<ExperimentFolder::Stored>> ExperimentFolder::ReadAll(
    std::vector<std::string>& warnings) const {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder_));
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> models, ListFolder(folder_));
  std::vector<Stored> stored;
  for (const std::string& model : models) {
    if (IsDigest(model)) {
      SCANSERVE_RETURN_IF_ERROR(ReadModel(model, stored, warnings));
    } else {
      warnings.push_back(absl::StrCat(folder_, "/", model, " is no model's folder: left alone"));
    }
  }
  return stored;
}

absl::Status ExperimentFolder::ReadModel(const std::string& model_digest,
                                         std::vector<Stored>& stored,
                                         std::vector<std::string>& warnings) const {
  const std::string folder = absl::StrCat(folder_, "/", model_digest);
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFolder(folder));
  for (const std::string& file : files) {
    const std::string path = absl::StrCat(folder, "/", file);
    absl::string_view id = file;
    if (absl::EndsWith(file, base::kTemporarySuffix)) {
      SCANSERVE_RETURN_IF_ERROR(RemoveAll(path));
    } else if (absl::ConsumeSuffix(&id, kRecordSuffix)) {
      SCANSERVE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxRecordBytes));
      absl::StatusOr<ExperimentRecord> record = ExperimentFromText(text);
      if (record.ok() && record->design.id != id) {
        record = absl::InvalidArgumentError("its id is not that of its name");
      }
      if (!record.ok()) {
        return absl::FailedPreconditionError(
            absl::StrCat("experiment ", path, " is damaged: ", record.status().message()));
      }
      stored.push_back({model_digest, *std::move(record)});
    } else if (!absl::EndsWith(file, kStatisticsSuffix)) {
      warnings.push_back(absl::StrCat(path, " is no experiment's file: left alone"));
    }
  }
  return absl::OkStatus();
}

absl::Status ExperimentFolder::WriteRecord(absl::string_view model_digest,
                                           const ExperimentRecord& record) const {
  const std::string folder = absl::StrCat(folder_, "/", model_digest);
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder));
  return base::WriteFileDurably(absl::StrCat(folder, "/", record.design.id, kRecordSuffix),
                                ExperimentToText(record));
}

std::string ExperimentFolder::StatisticsPath(absl::string_view model_digest,
                                             absl::string_view id) const {
  return absl::StrCat(folder_, "/", model_digest, "/", id, kStatisticsSuffix);
}

absl::Status ExperimentFolder::WriteStatistics(absl::string_view model_digest, absl::string_view id,
                                               absl::string_view statistics) const {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(absl::StrCat(folder_, "/", model_digest)));
  return base::WriteFileDurably(StatisticsPath(model_digest, id), statistics);
}

absl::StatusOr<std::string> ExperimentFolder::ReadStatistics(absl::string_view model_digest,
                                                             absl::string_view id) const {
  return base::ReadFile(StatisticsPath(model_digest, id), kMaxStatisticsBytes);
}

}  // namespace scanserve::store
