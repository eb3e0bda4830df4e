// scanorder: the batch job that computes scan orders.
#include "client/scanorder/commands.h"

int main(int argc, char** argv) {
  namespace client = scanserve::client;
  client::Program program(
      "Computes scan orders: permutations in which the selective scan reads a prompt.",
      "scanorder");
  client::AddRun(program);
  client::AddCompute(program);
  return client::Run(program, argc, argv);
}
