#include "server/role_table.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace scanserve::server {
namespace {

using base::Role;

constexpr absl::string_view kOurPrefix = "/scanserve.v1.";
constexpr absl::string_view kHealthPrefix = "/grpc.health.v1.Health/";

constexpr MethodRole kMethodRoles[] = {
    {"InferenceService", "Generate", Role::kInfer},
    {"InferenceService", "ComputePerplexity", Role::kInfer},
    {"InferenceService", "Compare", Role::kInfer},
    {"InferenceService", "ExtractHiddenStates", Role::kInfer},
    {"InferenceService", "Tokenize", Role::kInfer},
    {"InferenceService", "Detokenize", Role::kInfer},
    {"ScanOrderService", "ListScanOrders", Role::kInfer},
    {"ScanOrderService", "GetScanOrder", Role::kInfer},
    {"ScanOrderService", "GetActiveScan", Role::kInfer},
    {"ScanOrderService", "UploadScanOrder", Role::kAdmin},
    {"ScanOrderService", "DownloadScanOrder", Role::kAdmin},
    {"ScanOrderService", "DeleteScanOrder", Role::kAdmin},
    {"ScanOrderService", "SetActiveScan", Role::kAdmin},
    {"ScanOrderService", "RollbackActiveScan", Role::kAdmin},
    {"ScanOrderService", "CheckScanSetting", Role::kAdmin},
    {"ScanOrderService", "CollectScanOrders", Role::kAdmin},
    {"AdapterService", "ListAdapters", Role::kInfer},
    {"AdapterService", "LoadAdapter", Role::kAdmin},
    {"AdapterService", "UploadAdapter", Role::kAdmin},
    {"AdapterService", "UnloadAdapter", Role::kAdmin},
    {"ExperimentService", "ListExperiments", Role::kInfer},
    {"ExperimentService", "GetExperiment", Role::kInfer},
    {"ExperimentService", "CreateExperiment", Role::kAdmin},
    {"ExperimentService", "StopExperiment", Role::kAdmin},
    {"MonitoringService", "GetServerInfo", Role::kInfer},
    {"MonitoringService", "StreamMetrics", Role::kMetrics},
    {"MonitoringService", "ReadAuditLog", Role::kAdmin},
};

}  // namespace

absl::Span<const MethodRole> MethodRoles() { return kMethodRoles; }

Role RoleOfMethod(absl::string_view method) {
  const auto found =
      std::find_if(std::begin(kMethodRoles), std::end(kMethodRoles),
                   [method](const MethodRole& each) { return each.method == method; });
  return found == std::end(kMethodRoles) ? Role::kAdmin : found->role;
}

bool IsOurs(absl::string_view path) { return absl::StartsWith(path, kOurPrefix); }

std::optional<Role> RoleOfPath(absl::string_view path) {
  if (absl::StartsWith(path, kHealthPrefix)) return std::nullopt;
  if (!IsOurs(path)) return Role::kAdmin;
  return RoleOfMethod(path.substr(path.rfind('/') + 1));
}

}  // namespace scanserve::server
