#include "client/scanctl/generation_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

namespace scanserve::client {
namespace {

using testing::HasSubstr;

class GenerationViewTest : public testing::Test {
 protected:
  GenerationViewTest()
      : connection_(ConnectionOptions()),
        output_(Pipe()[1]),
        session_{connection_, output_, terminal_, false},
        view_(session_) {}
  ~GenerationViewTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }

  void Start(int choices) {
    v1::GenerateResponse response;
    response.mutable_started()->mutable_sampling()->set_n(choices);
    ASSERT_TRUE(view_.Show(response).ok());
  }
  v1::GenerateDelta& Delta(int choice, const std::string& text) {
    response_.Clear();
    response_.mutable_delta()->set_choice(choice);
    response_.mutable_delta()->set_text(text);
    return *response_.mutable_delta();
  }
  void Prompt(const std::string& text) {
    response_.Clear();
    response_.mutable_prompt()->set_text(text);
    Show();
  }
  void Finish(int choice) {
    response_.Clear();
    response_.mutable_finished()->set_choice(choice);
    response_.mutable_finished()->set_reason(v1::FINISH_REASON_STOP_STRING);
    response_.mutable_finished()->set_stop_string("\n");
    Show();
  }
  void Show() { ASSERT_TRUE(view_.Show(response_).ok()); }

  // What was written since the last call; blocks when nothing was.
  std::string Written() {
    std::array<char, 4096> buffer;
    const ssize_t size = read(ends_[0], buffer.data(), buffer.size());
    return std::string(buffer.data(), static_cast<size_t>(size));
  }

  std::array<int, 2>& Pipe() {
    if (pipe(ends_.data()) != 0) std::abort();
    return ends_;
  }

  std::array<int, 2> ends_;
  Terminal terminal_;
  Connection connection_;
  Output output_;
  Session session_;
  GenerationView view_;
  v1::GenerateResponse response_;
};

TEST_F(GenerationViewTest, WritesTextAsItArrives) {
  Start(1);
  Delta(0, "one");
  Show();
  EXPECT_EQ(Written(), "one");
  Delta(0, " two");
  Show();
  EXPECT_EQ(Written(), " two");
  Finish(0);
  EXPECT_EQ(Written(), "\n");
}

TEST_F(GenerationViewTest, AddsNoLineBreakToTextThatEndsWithOne) {
  Start(1);
  Delta(0, "one\n");
  Show();
  Finish(0);
  EXPECT_EQ(Written(), "one\n");
}

TEST_F(GenerationViewTest, WritesSeveralChoicesOneAfterTheOther) {
  Start(2);
  Delta(1, "second");
  Show();
  Delta(0, "first");
  Show();
  Finish(1);
  Finish(0);
  EXPECT_EQ(Written(), "choice 0\nfirst\nchoice 1\nsecond\n");
}

TEST_F(GenerationViewTest, ShowsLogProbabilitiesInATable) {
  Start(1);
  v1::TokenLogprob& token = *Delta(0, " a").add_logprobs();
  token.set_token_id(17);
  token.set_token(" a");
  token.set_logprob(-0.5F);
  token.add_top()->set_token("\n");
  Show();
  Finish(0);
  EXPECT_EQ(Written(),
            " a\n"
            "id  token  logprob  alternatives\n"
            "17   a      -0.500  \\n 0.000\n");
}

TEST_F(GenerationViewTest, WritesThePromptFirstAndGoesOnInItsLine) {
  Start(1);
  Prompt("in ");
  Prompt("two parts");
  Delta(0, ", then");
  Show();
  Finish(0);
  EXPECT_EQ(Written(), "in two parts, then\n");
}

TEST_F(GenerationViewTest, EndsThePromptsLineBeforeSeveralChoices) {
  Start(2);
  Prompt("prompt");
  Delta(0, "first");
  Show();
  EXPECT_EQ(Written(), "prompt\nchoice 0\nfirst");
}

TEST_F(GenerationViewTest, EndsThePromptsLineWhenNothingFollows) {
  Start(1);
  Prompt("prompt");
  Finish(0);
  EXPECT_EQ(Written(), "prompt\n");
}

TEST_F(GenerationViewTest, ShowsLogProbabilitiesOfThePromptBetweenItAndTheAnswer) {
  Start(1);
  Prompt("a b");
  v1::PromptLogprob& scored = *response_.mutable_prompt()->add_logprobs();
  response_.mutable_prompt()->clear_text();
  scored.set_position(1);
  scored.mutable_logprob()->set_token_id(17);
  scored.mutable_logprob()->set_token(" b");
  scored.mutable_logprob()->set_logprob(-0.5F);
  scored.mutable_logprob()->add_top()->set_token("\n");
  scored.set_target_class(v1::TARGET_CLASS_LOOKAHEAD);
  Show();
  Delta(0, " c");
  Show();
  Finish(0);
  EXPECT_EQ(Written(),
            "a b\n"
            "position  id  token  logprob  class      alternatives\n"
            "       1  17   b      -0.500  lookahead  \\n 0.000\n"
            " c\n");
}

TEST_F(GenerationViewTest, KeepsTextFromSteeringTheTerminal) {
  terminal_.output_is_terminal = true;
  Start(1);
  Delta(0, "\x1B[2J");
  Show();
  EXPECT_EQ(Written(), "\xEF\xBF\xBD[2J");
}

TEST_F(GenerationViewTest, PassesOverEventsThatItDoesNotKnow) {
  EXPECT_TRUE(view_.Show(v1::GenerateResponse()).ok());
}

TEST_F(GenerationViewTest, SaysWhyEachChoiceEnded) {
  Start(1);
  Finish(0);
  EXPECT_THAT(LayoutFields(view_.Statistics(), false), HasSubstr("stop-string \"\\n\""));
}

}  // namespace
}  // namespace scanserve::client
