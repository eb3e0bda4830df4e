// scanctl session-keys
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/scanctl/commands.h"
#include "core/base/file.h"
#include "core/base/key_ring.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

struct KeyFlags {
  std::string file;
  int32_t keep = 10;
};

absl::Status Report(Session& session, const std::string& path, const base::KeyRing& ring) {
  const auto keys = static_cast<int64_t>(ring.keys().size());
  if (session.json) {
    return WriteJson(session, {{"path", path}, {"newest", ring.newest().id}, {"keys", keys}});
  }
  return session.output.Write(absl::StrCat("wrote ", path, ": newest key ", ring.newest().id, ", ",
                                           keys, keys == 1 ? " key\n" : " keys\n"));
}

absl::Status NewRing(Session& session, const KeyFlags& flags) {
  const auto old = base::ReadFile(flags.file, base::kMaxKeyRingFileBytes);
  if (!absl::IsNotFound(old.status())) {
    if (!old.ok()) return old.status();
    return absl::AlreadyExistsError(
        absl::StrCat(flags.file, " exists: `scanctl session-keys rotate` adds a key to it"));
  }
  SCANSERVE_ASSIGN_OR_RETURN(base::SecretKey key, base::NewSecretKey(absl::Now()));
  const base::KeyRing ring(std::move(key));
  SCANSERVE_RETURN_IF_ERROR(
      base::WriteFileDurably(flags.file, ring.ToText(), base::Readers::kOwner));
  return Report(session, flags.file, ring);
}

absl::Status Rotate(Session& session, const KeyFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text,
                             base::ReadFile(flags.file, base::kMaxKeyRingFileBytes));
  auto ring = base::KeyRing::Parse(text);
  if (!ring.ok()) return base::InFile(flags.file, ring.status());
  SCANSERVE_ASSIGN_OR_RETURN(base::SecretKey key, base::NewSecretKey(absl::Now()));
  ring->Add(std::move(key), static_cast<size_t>(flags.keep));
  SCANSERVE_RETURN_IF_ERROR(
      base::WriteFileDurably(flags.file, ring->ToText(), base::Readers::kOwner));
  return Report(session, flags.file, *ring);
}

}  // namespace

void AddSessionKeys(Program& program) {
  CLI::App& app = *program.app.add_subcommand("session-keys", "Keys that seal sessions, in a file");
  app.require_subcommand(1);
  app.footer("Example:\n  scanctl session-keys new session-keys");
  auto flags = std::make_shared<KeyFlags>();
  const auto add = [&](const std::string& name, const std::string& text) -> CLI::App& {
    CLI::App& command = *app.add_subcommand(name, text);
    command.add_option("file", flags->file, "Key ring of scanserve-server --session-keys")
        ->type_name("FILE")
        ->required();
    return command;
  };
  CLI::App& make = add("new", "Write a ring of one key, for its owner alone");
  make.footer("No server is asked.\n\nExample:\n  scanctl session-keys new session-keys");
  make.callback([flags, &program] {
    program.command = [flags](Session& session) { return NewRing(session, *flags); };
  });
  CLI::App& rotate = add("rotate", "Add a key, which seals from then on");
  rotate.add_option("--keep", flags->keep, "Newest keys to keep; sessions of others end")
      ->check(CLI::Range(1, static_cast<int>(base::kMaxKeys)).description(""))
      ->capture_default_str();
  rotate.footer(
      "Servers read the file again by themselves. No server is asked.\n\n"
      "Example:\n"
      "  scanctl session-keys rotate session-keys --keep 3");
  rotate.callback([flags, &program] {
    program.command = [flags](Session& session) { return Rotate(session, *flags); };
  });
}

}  // namespace scanserve::client
