// AdapterService's calls but for the stream of an upload. Those that change wait for the disk, one
// after the other on the thread for changes, and fill in `report`.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "core/model/adapter_content.h"
#include "scanserve/v1/adapter_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

absl::Status ListAdapters(const Backend& backend, v1::ListAdaptersResponse* response);
absl::Status LoadAdapter(Backend& backend, const v1::LoadAdapterRequest& request,
                         ChangeReport& report, v1::LoadAdapterResponse* response);
absl::Status UnloadAdapter(Backend& backend, const v1::UnloadAdapterRequest& request,
                           ChangeReport& report, v1::UnloadAdapterResponse* response);

// The end of an upload.
absl::Status StoreAdapter(Backend& backend, const v1::AdapterStorage& storage,
                          model::AdapterFiles files, ChangeReport& report,
                          v1::UploadAdapterResponse* response);

}  // namespace scanserve::server
