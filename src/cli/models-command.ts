import { Command } from "commander";
import { promptOfModel } from "./prompt-of-model.ts";

/** `warmpath models prompt FOLDER`: what the settings say of a model's prompts. */
export function modelsCommand(): Command {
  const models = new Command("models").description("models");
  models
    .command("prompt")
    .argument("<folder>", "a downloaded model: tokenizer.json, tokenizer_config.json")
    .description('print the "prompt" settings that render the model\'s requests as its engine does')
    .action(async (folder: string, _: unknown, command: Command) => {
      try {
        console.log(JSON.stringify(await promptOfModel(folder), undefined, 2));
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
  return models;
}
