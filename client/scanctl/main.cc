// scanctl: the command line of ScanServe.
#include "client/scanctl/commands.h"

int main(int argc, char** argv) {
  namespace client = scanserve::client;
  client::Program program(
      "Asks a ScanServe server to generate, score, extract and switch scan orders.", "scanctl");
  client::AddGenerate(program);
  client::AddPerplexity(program);
  client::AddCompare(program);
  client::AddExtract(program);
  client::AddTokenize(program);
  client::AddDetokenize(program);
  client::AddOrders(program);
  client::AddAdapters(program);
  client::AddExperiments(program);
  client::AddInfo(program);
  client::AddAudit(program);
  client::AddTop(program);
  client::AddHealth(program);
  client::AddBench(program);
  client::AddSessionKeys(program);
  client::AddToken(program);
  return client::Run(program, argc, argv);
}
