// scanctl: the command line of ScanServe.
#include "client/scanctl/commands.h"

int main(int argc, char** argv) {
  using namespace scanserve::client;  // NOLINT(build/namespaces)
  Program program("Asks a ScanServe server to generate, score, extract and switch scan orders.",
                  "scanctl");
  AddGenerate(program);
  AddPerplexity(program);
  AddExtract(program);
  AddTokenize(program);
  AddDetokenize(program);
  AddOrders(program);
  AddAdapters(program);
  AddInfo(program);
  AddHealth(program);
  return Run(program, argc, argv);
}
