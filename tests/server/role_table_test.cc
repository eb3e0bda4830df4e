#include "server/role_table.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "scanserve/v1/adapter_service.pb.h"
#include "scanserve/v1/experiment_service.pb.h"
#include "scanserve/v1/inference_service.pb.h"
#include "scanserve/v1/monitoring_service.pb.h"
#include "scanserve/v1/scan_order_service.pb.h"

namespace scanserve::server {
namespace {

using base::Role;

// "Service.Method" of the whole contract.
std::set<std::string> AllMethods() {
  std::set<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::GenerateRequest::descriptor()->file(), v1::SetActiveScanRequest::descriptor()->file(),
        v1::LoadAdapterRequest::descriptor()->file(),
        v1::CreateExperimentRequest::descriptor()->file(),
        v1::GetServerInfoRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const auto* service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) {
        methods.insert(absl::StrCat(service->name(), ".", service->method(j)->name()));
      }
    }
  }
  return methods;
}

TEST(RoleTableTest, GivesEachMethodOfTheContractARole) {
  std::set<std::string> methods;
  std::set<std::string> names;
  for (const MethodRole& each : MethodRoles()) {
    methods.insert(absl::StrCat(each.service, ".", each.method));
    EXPECT_TRUE(names.insert(std::string(each.method)).second) << each.method;
  }
  EXPECT_EQ(methods, AllMethods());
}

TEST(RoleTableTest, OpensHealthAndKeepsWhatItDoesNotKnowForAdmins) {
  EXPECT_EQ(RoleOfPath("/grpc.health.v1.Health/Check"), std::nullopt);
  EXPECT_EQ(RoleOfPath("/scanserve.v1.InferenceService/Generate"), Role::kInfer);
  EXPECT_EQ(RoleOfPath("/scanserve.v1.InferenceService/Unknown"), Role::kAdmin);
  EXPECT_EQ(RoleOfPath("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
            Role::kAdmin);
  EXPECT_EQ(RoleOfPath(""), Role::kAdmin);
  EXPECT_FALSE(IsOurs("/grpc.health.v1.Health/Check"));
  EXPECT_FALSE(IsOurs("/x/scanserve.v1.InferenceService/Generate"));
}

}  // namespace
}  // namespace scanserve::server
