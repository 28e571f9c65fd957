#!/usr/bin/env node
import { Command } from "commander";
import { decisionsCommand } from "./decisions-command.ts";
import { edgeCommand } from "./edge-command.ts";
import { explainCommand } from "./explain-command.ts";
import { keysCommand } from "./keys-command.ts";
import { modelsCommand } from "./models-command.ts";
import { replayCommand } from "./replay-command.ts";

const program = new Command("warmpath")
  .description("One OpenAI-compatible URL in front of self-hosted LLM pods, routed by what is cached and queued.")
  .addCommand(keysCommand())
  .addCommand(modelsCommand())
  .addCommand(edgeCommand())
  .addCommand(explainCommand())
  .addCommand(decisionsCommand())
  .addCommand(replayCommand());

await program.parseAsync();
