#include "server/audit_log.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/log.h"

namespace scanserve::server {
namespace {

constexpr absl::Duration kBetweenFlushes = absl::Seconds(1);
constexpr size_t kMaxMessageBytes = 256;
constexpr char kOk[] = "OK";
constexpr char kServerItself[] = "server";

store::AuditRecord RecordOf(const ChangeAttempt& attempt, const Change& change) {
  store::AuditRecord record;
  record.time = absl::Now();
  record.caller = LoggedText(attempt.caller);
  record.peer = LoggedText(attempt.peer);
  record.method = std::string(attempt.method);
  record.name = LoggedText(change.name);
  record.version = change.version;
  record.old_digest = change.old_digest;
  record.new_digest = change.new_digest;
  record.revision = change.revision;
  record.code = attempt.code;
  record.message = LoggedText(attempt.message, kMaxMessageBytes);
  record.request_id = attempt.request_id;
  record.detail = LoggedText(change.detail);
  return record;
}

void LogRecord(const store::AuditRecord& record) {
  std::vector<LogField> fields = {{"method", record.method}, {"code", record.code}};
  const std::pair<const char*, const std::string&> texts[] = {
      {"id", record.request_id}, {"caller", record.caller},  {"peer", record.peer},
      {"name", record.name},     {"old", record.old_digest}, {"new", record.new_digest},
      {"detail", record.detail}};
  for (const auto& [name, text] : texts) {
    if (!text.empty()) fields.emplace_back(name, text);
  }
  if (record.version > 0) fields.emplace_back("version", record.version);
  if (record.revision > 0) fields.emplace_back("revision", record.revision);
  if (!record.message.empty()) fields.push_back(LogField::Whole("message", record.message));
  LogInfo("audit", fields);
}

}  // namespace

AuditLog::AuditLog(store::DirectoryStore& store)
    : store_(store), flushing_(kBetweenFlushes, [this] { Flush(); }) {}

AuditLog::~AuditLog() { Flush(); }

void AuditLog::Tell(const ChangeAttempt& attempt, const ChangeReport& report) {
  const bool changed = attempt.code == kOk;
  store::AuditTrail& trail = attempt.refused ? store_.refusals() : store_.changes();
  const auto tell = [&trail](const ChangeAttempt& by, const Change& change) {
    store::AuditRecord record = RecordOf(by, change);
    LogRecord(record);
    trail.Add(std::move(record));
  };
  ChangeAttempt removal = attempt;
  removal.code = kOk;
  removal.message.clear();
  for (const Change& removed : report.removed) tell(removal, removed);
  if (!changed || report.removed.empty()) tell(attempt, report.asked);
  if (!changed && report.removed.empty()) return;
  if (const absl::Status flushed = trail.Flush(); !flushed.ok()) TellOfFailure(flushed);
}

void AuditLog::TellOwn(absl::string_view method, Change change) {
  ChangeAttempt own;
  own.caller = kServerItself;
  own.method = method;
  own.code = kOk;
  change.revision = store_.revision();
  Tell(own, {std::move(change), {}});
}

void AuditLog::Flush() {
  absl::Status flushed = store_.changes().Flush();
  flushed.Update(store_.refusals().Flush());
  if (flushed.ok()) {
    disk_refuses_ = false;
  } else {
    TellOfFailure(flushed);
  }
}

void AuditLog::TellOfFailure(const absl::Status& failure) {
  ++write_failures_;
  if (disk_refuses_.exchange(true)) return;
  LogError("audit records not written", {LogField::Whole("message", failure.message())});
}

}  // namespace scanserve::server
