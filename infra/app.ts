// What the cdk command runs (cdk.json). It reads the configuration, bundles the functions and describes the stack.
// Deploying a configuration that cannot work in AWS stops here.
//   cdk deploy -c config=FILE          another configuration file
//   cdk deploy -c replaceRuleSet=yes   take over from another application's active SES rule set

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitConfig, loadConfig } from '#config/load.ts';
import { bundleFunctions } from './bundles.ts';
import { everpostStack } from './stack.ts';
import { addChecks, newApp } from './synthesise.ts';

const app = newApp({ validate: true });
const config = await loadConfig(app.node.tryGetContext('config') as string | undefined);
const problems = config.kind === 'wrong' ? config.problems : config.notDeployed;
if (config.kind === 'wrong' || problems.length > 0) {
  for (const problem of problems) console.error(problem);
  process.exit(exitConfig);
}
for (const warning of config.warnings) console.error(`warning: ${warning}`);
const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
await bundleFunctions({ dist, settings: config.settings });
const replaceRuleSet = app.node.tryGetContext('replaceRuleSet') === 'yes';
await addChecks(app, everpostStack(app, { settings: config.settings, dist, replaceRuleSet }), config.settings);
app.synth();
