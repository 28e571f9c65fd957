import { Command } from "commander";
import { chaosCommand } from "./chaos/chaos-command.ts";
import { checkpointCommand } from "./checkpoint/checkpoint-command.ts";
import { collectorCommand } from "./collector/collector-command.ts";
import { coreCommand } from "./core-command.ts";
import { exactCommand } from "./exact/exact-command.ts";
import { fleetCommand } from "./fleet/fleet-command.ts";
import { overloadCommand } from "./overload/overload-command.ts";
import { proxyCommand } from "./proxy/proxy-command.ts";
import { replayCommand } from "./replay/replay-command.ts";
import { Interrupted } from "./stack/until-interrupted.ts";

const program = new Command("bench")
  .description("Warmpath's measurements, all on this machine's loopback")
  .addCommand(replayCommand())
  .addCommand(exactCommand())
  .addCommand(chaosCommand())
  .addCommand(overloadCommand())
  .addCommand(proxyCommand())
  .addCommand(checkpointCommand())
  .addCommand(fleetCommand())
  .addCommand(coreCommand())
  .addCommand(collectorCommand());

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof Interrupted) process.exitCode = 130;
  else {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
