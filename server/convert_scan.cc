#include "server/convert_scan.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/convert_time.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

constexpr int64_t kMaxTextBytes = 128;

absl::Status CheckDigest(absl::string_view field, absl::string_view digest) {
  const bool hex = std::all_of(digest.begin(), digest.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
  if (digest.empty() || (digest.size() == 64 && hex)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", digest.size(), " bytes, a digest is 64 lower-case hex digits"));
}

absl::Status CheckLength(absl::string_view field, double length) {
  if (std::isfinite(length)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", length, " is not finite"));
}

absl::Status CheckProvenanceFields(const v1::Provenance& proto) {
  SCANSERVE_RETURN_IF_ERROR(CheckDigest("provenance.model_digest", proto.model_digest()));
  SCANSERVE_RETURN_IF_ERROR(CheckDigest("provenance.tokenizer_digest", proto.tokenizer_digest()));
  SCANSERVE_RETURN_IF_ERROR(CheckDigest("provenance.adapter_digest", proto.adapter_digest()));
  SCANSERVE_RETURN_IF_ERROR(CheckDigest("provenance.corpus_digest", proto.corpus_digest()));
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost(
      "provenance.method", static_cast<int64_t>(proto.method().size()), kMaxTextBytes, "bytes"));
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost(
      "provenance.program", static_cast<int64_t>(proto.program().size()), kMaxTextBytes, "bytes"));
  SCANSERVE_RETURN_IF_ERROR(CheckLength("provenance.natural_length", proto.natural_length()));
  return CheckLength("provenance.tour_length", proto.tour_length());
}

v1::Readout ReadoutToProto(order::Readout readout) {
  return readout == order::Readout::kPinLast ? v1::READOUT_PIN_LAST : v1::READOUT_NATURAL_LAST;
}

v1::CollectFate FateToProto(store::OrderFate fate) {
  switch (fate) {
    case store::OrderFate::kRemoved:
      return v1::COLLECT_FATE_REMOVED;
    case store::OrderFate::kKeptNewest:
      return v1::COLLECT_FATE_KEPT_NEWEST;
    case store::OrderFate::kKeptInUse:
      return v1::COLLECT_FATE_KEPT_IN_USE;
    case store::OrderFate::kKeptRollback:
      return v1::COLLECT_FATE_KEPT_ROLLBACK;
    case store::OrderFate::kKeptActive:
      return v1::COLLECT_FATE_KEPT_ACTIVE;
    case store::OrderFate::kKeptDamaged:
      return v1::COLLECT_FATE_KEPT_DAMAGED;
  }
  return v1::COLLECT_FATE_UNSPECIFIED;
}

}  // namespace

store::OrderRef OrderRefFromProto(const v1::ScanOrderRef& ref) {
  return {ref.name(), ref.version(), ref.digest()};
}

absl::StatusOr<store::ScanSettingRequest> ScanSettingFromProto(const v1::ScanSetting& setting) {
  store::ScanSettingRequest request;
  if (setting.has_order()) request.order = OrderRefFromProto(setting.order());
  request.target_layers.assign(setting.target_layers().begin(), setting.target_layers().end());
  switch (setting.readout()) {
    case v1::READOUT_UNSPECIFIED:
    case v1::READOUT_NATURAL_LAST:
      request.readout = order::Readout::kNaturalLast;
      return request;
    case v1::READOUT_PIN_LAST:
      request.readout = order::Readout::kPinLast;
      return request;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("readout: ", static_cast<int>(setting.readout()), " is not a readout"));
  }
}

absl::StatusOr<order::Provenance> ProvenanceFromProto(const v1::Provenance& proto) {
  SCANSERVE_RETURN_IF_ERROR(CheckProvenanceFields(proto));
  order::Provenance provenance;
  provenance.model_digest = proto.model_digest();
  provenance.tokenizer_digest = proto.tokenizer_digest();
  provenance.adapter_digest = proto.adapter_digest();
  provenance.layer = proto.layer();
  provenance.corpus_digest = proto.corpus_digest();
  provenance.rows = proto.rows();
  provenance.rows_used = proto.rows_used();
  provenance.method = proto.method();
  provenance.seed = proto.seed();
  provenance.natural_length = proto.natural_length();
  provenance.tour_length = proto.tour_length();
  provenance.created = TimestampFromProto(proto.created());
  if (provenance.created == absl::InfinitePast()) {
    return absl::InvalidArgumentError("provenance.created: not a timestamp");
  }
  provenance.program = proto.program();
  return provenance;
}

v1::Provenance ProvenanceToProto(const order::Provenance& provenance) {
  v1::Provenance proto;
  proto.set_model_digest(provenance.model_digest);
  proto.set_tokenizer_digest(provenance.tokenizer_digest);
  proto.set_adapter_digest(provenance.adapter_digest);
  proto.set_layer(provenance.layer);
  proto.set_corpus_digest(provenance.corpus_digest);
  proto.set_rows(provenance.rows);
  proto.set_rows_used(provenance.rows_used);
  proto.set_method(provenance.method);
  proto.set_seed(provenance.seed);
  proto.set_natural_length(provenance.natural_length);
  proto.set_tour_length(provenance.tour_length);
  *proto.mutable_created() = TimestampToProto(provenance.created);
  proto.set_program(provenance.program);
  return proto;
}

v1::ScanOrder OrderToProto(const store::OrderRecord& record) {
  v1::ScanOrder proto;
  proto.set_name(record.name);
  proto.set_version(record.version);
  proto.set_digest(record.digest);
  proto.set_length(record.length);
  if (!record.is_identity()) *proto.mutable_created() = TimestampToProto(record.created);
  if (record.provenance) *proto.mutable_provenance() = ProvenanceToProto(*record.provenance);
  return proto;
}

v1::ScanSetting ScanSettingToProto(const store::ScanSetting& setting) {
  v1::ScanSetting proto;
  proto.mutable_order()->set_name(setting.order_name);
  proto.mutable_order()->set_version(setting.order_version);
  proto.mutable_order()->set_digest(setting.order_digest);
  proto.mutable_target_layers()->Assign(setting.target_layers.begin(), setting.target_layers.end());
  proto.set_readout(ReadoutToProto(setting.readout));
  return proto;
}

v1::CollectedScanOrder CollectedOrderToProto(const store::CollectedOrder& order) {
  v1::CollectedScanOrder proto;
  proto.mutable_order()->set_name(order.record.name);
  proto.mutable_order()->set_version(order.record.version);
  proto.mutable_order()->set_digest(order.record.digest);
  proto.set_fate(FateToProto(order.fate));
  return proto;
}

v1::ActiveSetting ActiveSettingToProto(const store::ActiveSetting& active) {
  v1::ActiveSetting proto;
  *proto.mutable_setting() = ScanSettingToProto(active.setting);
  proto.set_revision(active.revision);
  if (active.revision > 0) *proto.mutable_activated() = TimestampToProto(active.activated);
  return proto;
}

}  // namespace scanserve::server
