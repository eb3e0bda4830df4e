#include "client/status_sentence.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

std::string Sentence(grpc::StatusCode code, const std::string& message) {
  return StatusSentence(grpc::Status(code, message), "host:1");
}

TEST(StatusSentenceTest, GivesCodeAndMessage) {
  EXPECT_EQ(Sentence(grpc::StatusCode::INVALID_ARGUMENT, "top_p: 2, at most 1"),
            "INVALID_ARGUMENT: top_p: 2, at most 1");
}

TEST(StatusSentenceTest, TellsADrainingServerFromAMissingOne) {
  EXPECT_EQ(Sentence(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"),
            "UNAVAILABLE: the server is shutting down");
  EXPECT_EQ(Sentence(grpc::StatusCode::UNAVAILABLE,
                     "failed to connect to all addresses; last error: UNKNOWN: refused"),
            "no server answers at host:1: start one with scanserve-server, or name another with "
            "--server");
}

TEST(StatusSentenceTest, TellsABrokenConnectionFromAMissingServer) {
  EXPECT_EQ(Sentence(grpc::StatusCode::UNAVAILABLE, "Socket closed"),
            "the connection to host:1 broke before the answer ended (Socket closed)");
}

// What gRPC says in each case is read from real servers in tests/integration/test_security.py.
TEST(StatusSentenceTest, KeepsTheReasonOfAHandshakeThatItDoesNotKnow) {
  EXPECT_EQ(Sentence(grpc::StatusCode::UNAVAILABLE, "Ssl handshake failed: no shared cipher"),
            "TLS with host:1 failed (Ssl handshake failed: no shared cipher)");
}

TEST(StatusSentenceTest, SaysThatAHostIsUnknown) {
  EXPECT_EQ(Sentence(grpc::StatusCode::UNAVAILABLE, "DNS resolution failed for host:1: NXDOMAIN"),
            "no address is known for the host of host:1: give one with --server HOST:PORT");
}

TEST(StatusSentenceTest, KeepsTheServersOwnWordsOnTime) {
  EXPECT_EQ(Sentence(grpc::StatusCode::DEADLINE_EXCEEDED, "the request took 600 s"),
            "DEADLINE_EXCEEDED: the request took 600 s");
}

TEST(StatusSentenceTest, NeverEndsInNothing) {
  EXPECT_EQ(Sentence(grpc::StatusCode::INTERNAL, ""), "INTERNAL: host:1 gave no reason");
}

TEST(StatusSentenceTest, IgnoresDetailsThatAreNone) {
  EXPECT_EQ(StatusSentence(grpc::Status(grpc::StatusCode::ABORTED, "stale", "\xFF\xFF"), "host:1"),
            "ABORTED: stale");
}

}  // namespace
}  // namespace scanserve::client
