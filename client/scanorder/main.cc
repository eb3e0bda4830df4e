// scanorder: the batch job that computes scan orders.
#include "client/scanorder/commands.h"

int main(int argc, char** argv) {
  using namespace scanserve::client;  // NOLINT(build/namespaces)
  Program program("Computes scan orders: permutations in which the selective scan reads a prompt.",
                  "scanorder");
  AddRun(program);
  AddCompute(program);
  return Run(program, argc, argv);
}
