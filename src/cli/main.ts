#!/usr/bin/env node
import { Command } from "commander";
import { edgeCommand } from "./edge-command.ts";
import { keysCommand } from "./keys-command.ts";
import { modelsCommand } from "./models-command.ts";

const program = new Command("warmpath")
  .description("One OpenAI-compatible URL in front of self-hosted LLM pods, routed by what is cached and queued.")
  .addCommand(keysCommand())
  .addCommand(modelsCommand())
  .addCommand(edgeCommand());

await program.parseAsync();
