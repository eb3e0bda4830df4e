// Which of gRPC's own services a port offers.
#pragma once

#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace scanserve::server {

inline constexpr char kNoPlugin[] = "";
inline constexpr char kReflectionPlugin[] = "proto_server_reflection";
inline constexpr char kChannelzPlugin[] = "channelz_service";

// Linking or initializing a plugin registers it with every server of the process; this takes all
// but one out again.
class OnlyPlugin final : public grpc::ServerBuilderOption {
 public:
  explicit OnlyPlugin(std::string name) : name_(std::move(name)) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(),
                                  [this](const auto& plugin) { return plugin->name() != name_; }),
                   plugins->end());
  }

 private:
  const std::string name_;
};

}  // namespace scanserve::server
