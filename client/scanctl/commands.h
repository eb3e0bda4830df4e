// The subcommands of scanctl, one file each. Each call adds one to `program`.
#pragma once

#include "client/program.h"

namespace scanserve::client {

void AddGenerate(Program& program);
void AddPerplexity(Program& program);
void AddCompare(Program& program);
void AddExtract(Program& program);
void AddTokenize(Program& program);
void AddDetokenize(Program& program);
void AddOrders(Program& program);
void AddAdapters(Program& program);
void AddExperiments(Program& program);
void AddInfo(Program& program);
void AddAudit(Program& program);
void AddTop(Program& program);
void AddHealth(Program& program);
void AddBench(Program& program);
void AddSessionKeys(Program& program);
void AddToken(Program& program);

}  // namespace scanserve::client
