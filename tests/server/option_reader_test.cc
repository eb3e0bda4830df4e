#include "server/option_reader.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "server/option_rows.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

// Variables of the environment for as long as it lives.
class OptionReaderTest : public testing::Test {
 protected:
  ~OptionReaderTest() override {
    for (const std::string& name : variables_) unsetenv(name.c_str());
    unlink(config_.c_str());
  }

  void SetVariable(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    variables_.push_back(name);
  }

  // The path of a file with this content.
  std::string WriteConfig(const std::string& content) {
    EXPECT_TRUE(base::WriteFileDurably(config_, content).ok());
    return config_;
  }

  absl::StatusOr<std::optional<ServerOptions>> Read(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {"scanserve-server"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return ReadOptions(static_cast<int>(argv.size()), argv.data());
  }

  std::string Faults(const std::vector<std::string>& arguments) {
    const auto read = Read(arguments);
    EXPECT_FALSE(read.ok());
    return std::string(read.status().message());
  }

 private:
  // Of this process: tests run side by side.
  const std::string config_ =
      absl::StrCat(testing::TempDir(), getpid(), ".option_reader_test.toml");
  std::vector<std::string> variables_;
};

// One option of each kind, with a value of its own for each source.
struct Sample {
  std::string name;
  std::string flag, variable, file;
  // As the table writes the values back, and the default.
  std::string flag_value, variable_value, file_value, default_value;
};

const Sample kSamples[] = {
    {"default-adapter", "f", "e", "\"c\"", "f", "e", "c", ""},
    {"threads", "1", "2", "3", "1", "2", "3", "0"},
    {"max-extraction-bytes", "5000000001", "5000000002", "5000000003", "5000000001", "5000000002",
     "5000000003", "1073741824"},
    {"prompt-slowdown", "1.5", "3.5", "4.5", "1.5", "3.5", "4.5", "2.5"},
    {"low-priority-slowdown", "2", "3", "4", "2", "3", "4", "2.25"},
    {"step-token-buckets", "1,2", "3,5", "[4, 8.5]", "1,2", "3,5", "4,8.5",
     "1,2,4,8,16,32,64,128,256,512,1024,2048,4096,8192"},
    {"stall-park", "1s", "3s", "\"250ms\"", "1s", "3s", "250ms", "2s"},
    {"log-format", "json", "json", "\"json\"", "json", "json", "json", "text"},
    {"merge-adapter", "f", "e,g", "[\"c\", \"d\"]", "f", "e,g", "c,d", ""},
    {"adapter", "f=/f", "e=/e,g=/g=h", "[\"c=/c\"]", "f=/f", "e=/e,g=/g=h", "c=/c", ""},
};

TEST_F(OptionReaderTest, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  for (const Sample& sample : kSamples) {
    ServerOptions defaults;
    const OptionTable names = RowsOf(defaults);
    const std::string key = absl::StrReplaceAll(sample.name, {{"-", "_"}});
    const OptionTable::Row* row = names.FindKey(key);
    ASSERT_NE(row, nullptr) << sample.name;
    for (int combination = 0; combination < 8; ++combination) {
      const bool flag = (combination & 1) != 0;
      const bool variable = (combination & 2) != 0;
      const bool file = (combination & 4) != 0;
      std::vector<std::string> arguments = {"--store", "/store"};
      if (flag) arguments.insert(arguments.end(), {"--" + sample.name, sample.flag});
      SetVariable(row->variable(), variable ? sample.variable : "");
      SetVariable("SCANSERVE_CONFIG",
                  WriteConfig(file ? absl::StrCat(key, " = ", sample.file, "\n") : ""));
      auto read = Read(arguments);
      ASSERT_TRUE(read.ok()) << sample.name << ": " << read.status();
      EXPECT_EQ(RowsOf(**read).FindKey(key)->get(), flag       ? sample.flag_value
                                                    : variable ? sample.variable_value
                                                    : file     ? sample.file_value
                                                               : sample.default_value)
          << sample.name << " " << combination;
    }
  }
}

TEST_F(OptionReaderTest, ASwitchCanBeSwitchedOffAgainByAHigherSource) {
  for (int combination = 0; combination < 27; ++combination) {
    // 0 is not given, 1 off, 2 on.
    const int flag = combination % 3;
    const int variable = combination / 3 % 3;
    const int file = combination / 9;
    std::vector<std::string> arguments = {"--store", "/store"};
    if (flag > 0) arguments.push_back(flag == 2 ? "--reflection" : "--reflection=false");
    SetVariable("SCANSERVE_REFLECTION", variable == 0 ? "" : variable == 2 ? "1" : "false");
    SetVariable("SCANSERVE_CONFIG", WriteConfig(file == 0   ? ""
                                                : file == 2 ? "reflection = true"
                                                            : "reflection = false"));
    const auto read = Read(arguments);
    ASSERT_TRUE(read.ok()) << read.status();
    const int decides = flag > 0 ? flag : variable > 0 ? variable : file;
    EXPECT_EQ((*read)->reflection, decides == 2) << combination;
  }
}

TEST_F(OptionReaderTest, RepeatsListsAndReadsTheOthersOnce) {
  const auto read = Read({"--store", "/s", "--adapter", "a=/x", "--adapter=b=/y", "--threads=3",
                          "--numerics", "torch"});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT((*read)->adapters.folders,
              testing::ElementsAre(testing::Pair("a", "/x"), testing::Pair("b", "/y")));
  EXPECT_EQ((*read)->numerics, Numerics::kTorch);
  EXPECT_EQ((*read)->engine.threads, 3);
  EXPECT_THAT(Faults({"--store", "/s", "--threads", "3", "--threads", "4"}),
              HasSubstr("--threads 3 4: is given more than once"));
}

TEST_F(OptionReaderTest, NamesTheFaultsOfAllSourcesAtOnce) {
  SetVariable("SCANSERVE_MAX_SEQUENCES", "0");
  SetVariable("SCANSERVE_FROBNICATE", "1");
  const std::string file = WriteConfig(
      "threads = \"many\"\n"
      "frobnicate = 1\n"
      "reflection = \"yes\"\n"
      "max_new_tokens = 0\n"
      "stall_park = 3\n"
      "adapter = [1]\n"
      "low_priority_share = 1\n"
      "[engine]\n"
      "threads = 3\n");
  const std::string faults =
      Faults({"--config", file, "--store", "/s", "--drain-delay", "soon", "--frobnicate",
              "--numerics", "f8", "--adapter", "folder", "--log-level", "loud", "--threads"});
  for (const char* fault : {
           "SCANSERVE_MAX_SEQUENCES 0: must be 1 to 65536",
           "SCANSERVE_FROBNICATE: no option",
           ".toml:1: threads: must be a whole number",
           ".toml:2: frobnicate: no option",
           ".toml:3: reflection: must be true or false",
           ".toml:4: max_new_tokens 0: must be 1 to 16777216",
           ".toml:5: stall_park: must be a text in quotes",
           ".toml:6: adapter: must be a list of texts",
           ".toml:7: low_priority_share 1: must be 0.01 to 0.99",
           ".toml:8: engine: no option",
           "--drain-delay soon: must be a duration",
           "--frobnicate: no option",
           "--numerics f8: must be f32.k1 or torch",
           "--adapter folder: must be NAME=FOLDER",
           "--log-level loud: must be trace",
           "--threads: 1 required INT missing",
       }) {
    EXPECT_THAT(faults, HasSubstr(fault));
  }
  EXPECT_THAT(Faults({"--check-config", "--store", "/s", "--frobnicate", "--threads", "-1"}),
              HasSubstr("4 faults:\n  --frobnicate: no option\n"
                        "  SCANSERVE_MAX_SEQUENCES 0: must be 1 to 65536\n"));
}

TEST_F(OptionReaderTest, SaysWhereAFileIsNoToml) {
  EXPECT_THAT(Faults({"--config", WriteConfig("threads = 1\nthreads = 2\n")}),
              HasSubstr("option_reader_test.toml:2: "));
  EXPECT_THAT(Faults({"--config", "/nowhere/at/all.toml"}), HasSubstr("/nowhere/at/all.toml"));
}

TEST_F(OptionReaderTest, CountsASingleFaultAsOne) {
  EXPECT_THAT(Faults({"--check-config", "--store", "/s", "--frobnicate"}),
              HasSubstr("1 fault:\n  --frobnicate: no option"));
}

TEST_F(OptionReaderTest, ChecksTheConfigurationAndExits) {
  testing::internal::CaptureStdout();
  const auto read = Read({"--store", "/store", "--check-config"});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "The configuration is valid.\n");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->has_value());
}

TEST_F(OptionReaderTest, LeavesVariablesOfClientsAndOfKubernetesAlone) {
  for (const char* name :
       {"SCANSERVE_SERVER", "SCANSERVE_TOKEN_FILE", "SCANSERVE_SERVICE_HOST", "SCANSERVE_PORT",
        "SCANSERVE_SERVICE_PORT_GRPC", "SCANSERVE_BLUE_PORT_50051_TCP_ADDR"}) {
    SetVariable(name, "tcp://10.0.0.1:50051");
  }
  EXPECT_TRUE(Read({"--store", "/store"}).ok());
  SetVariable("SCANSERVE_PORTS", "1");
  EXPECT_THAT(Faults({"--store", "/store"}), HasSubstr("SCANSERVE_PORTS: no option"));
}

TEST_F(OptionReaderTest, HelpShowsThreeNamesDefaultAndCostWithinEightyColumns) {
  testing::internal::CaptureStdout();
  EXPECT_TRUE(Read({"--help"}).ok());
  const std::string help = testing::internal::GetCapturedStdout();
  EXPECT_THAT(help, HasSubstr("  --max-sequences INT [64]\n"
                              "        SCANSERVE_MAX_SEQUENCES, max_sequences\n"
                              "        sequences that run at once; more answer more in all, each "
                              "more slowly,\n"
                              "        and take the memory of a state each\n"));
  for (const absl::string_view line : absl::StrSplit(help, '\n')) {
    // Folders are as long as they are.
    EXPECT_TRUE(line.size() <= 80 || absl::StrContains(line, "[/")) << line;
  }
}

TEST_F(OptionReaderTest, FindsTheEmbeddedModelWhenNoneIsNamed) {
  const auto read = Read({"--store", "/store"});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->model_folder, SCANSERVE_SOURCE_DIR "/models/scanserve-6m");
}

}  // namespace
}  // namespace scanserve::server
