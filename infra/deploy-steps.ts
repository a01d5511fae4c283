// The steps of `npm run deploy`: asks what must hold before CloudFormation starts, then runs `cdk deploy`, then says
// whether somebody hears of alarms. deploy.ts calls it. Where something does not hold, nothing is deployed.

import { App, Stack } from 'aws-cdk-lib';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { AskDns } from '#cli/dns-answers.ts';
import { alarmChecks } from '#cli/doctor/alarm-subscribers.ts';
import { accountChecks } from '#cli/doctor/aws-account.ts';
import type { Check } from '#cli/doctor/finding.ts';
import { reportLines } from '#cli/doctor/finding-lines.ts';
import { type IndexWords, indexChecks } from '#cli/doctor/index-change.ts';
import { type Place, placeOf } from '#cli/doctor/place.ts';
import { type Examined, runChecks } from '#cli/doctor/run-checks.ts';
import { secretChecks } from '#cli/doctor/secret-forms.ts';
import { sesChecks } from '#cli/doctor/ses-state.ts';
import { exitCodes, Usage } from '#cli/exit.ts';
import { ownRegion } from '#cli/find-instance.ts';
import { exitConfig, loadConfig } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { ledger } from './ledger.ts';

export type DeployTools = {
  /** Runs the cdk command with these words; its exit code. */
  readonly cdk: (args: readonly string[]) => Promise<number>;
  readonly say: (line: string) => void;
  readonly ask: AskDns;
};

const CHECK_MS = 20_000;

/** `args`: `--config FILE`, and what goes to `cdk deploy` as it is. The exit code. */
export async function deploy(args: readonly string[], { cdk, say, ask }: DeployTools): Promise<number> {
  const { config, replaces, profile, rest } = understood(args);
  if (profile !== null) process.env.AWS_PROFILE = profile;
  const checked = await loadConfig(config ?? undefined);
  const problems = checked.kind === 'wrong' ? checked.problems : checked.notDeployed;
  if (checked.kind === 'wrong' || problems.length > 0) {
    for (const problem of problems) say(problem);
    return exitConfig;
  }
  const { settings } = checked;
  const place = () => placeFor(settings, ask);
  const first = await place();
  const code = codeOf(await asked(first, firstChecks(first, replaces, ledgerIndexes(settings)), say));
  if (code !== exitCodes.done) {
    say('nothing was deployed; npx cdk deploy deploys without these questions');
    return code;
  }
  const deployed = await cdk(['deploy', ...(config === null ? [] : ['-c', `config=${config}`]), ...rest]);
  if (deployed !== 0) return deployed;
  const after = await place();
  await asked(after, alarmChecks(after), say);
  return exitCodes.done;
}

async function placeFor(settings: Settings, ask: AskDns): Promise<Place> {
  const region = await ownRegion();
  return placeOf({ settings, stackName: settings.stackName, region, instance: null, ask });
}

function firstChecks(place: Place, replaces: boolean, indexes: readonly IndexWords[]): readonly Check[] {
  return [
    ...accountChecks(place, true),
    ...sesChecks(place, { replaces }),
    ...secretChecks(place),
    ...indexChecks(place, indexes),
  ];
}

/** As the template has them: it is the same code that writes them. */
function ledgerIndexes(settings: Settings): readonly IndexWords[] {
  const stack = new Stack(new App(), 'Ledger');
  const { globalSecondaryIndexes } = ledger(stack, settings).node.defaultChild as CfnTable;
  const resolved = stack.resolve(globalSecondaryIndexes) as readonly CfnTable.GlobalSecondaryIndexProperty[];
  return resolved.map(({ indexName, keySchema, projection }) => ({
    IndexName: indexName,
    KeySchema: (keySchema as readonly CfnTable.KeySchemaProperty[]).map(({ attributeName, keyType }) => ({
      AttributeName: attributeName,
      KeyType: keyType,
    })),
    Projection: projectionOf(projection as CfnTable.ProjectionProperty),
  }));
}

function projectionOf({ projectionType, nonKeyAttributes }: CfnTable.ProjectionProperty): IndexWords['Projection'] {
  return { ProjectionType: projectionType, NonKeyAttributes: nonKeyAttributes };
}

async function asked(place: Place, checks: readonly Check[], say: DeployTools['say']): Promise<readonly Examined[]> {
  const examined = await runChecks(checks, CHECK_MS);
  for (const each of examined) {
    const findings = each.findings.filter(({ state }) => state !== 'ok');
    for (const line of reportLines([{ ...each, findings }])) say(line);
  }
  if (examined.every(({ findings }) => findings.every(({ state }) => state === 'ok')))
    say(`${checks.length} checks of ${place.stackName} in ${place.region}: ok`);
  return examined;
}

/** 78: the configuration, or what it stands on, must be changed first. 69: nothing but an answer is lacking. */
function codeOf(examined: readonly Examined[]): number {
  const findings = examined.flatMap((each) => each.findings).filter(({ state }) => state !== 'ok');
  if (findings.length === 0) return exitCodes.done;
  const wrong = findings.some(({ state, unavailable }) => state === 'wrong' && unavailable !== true);
  return wrong ? exitCodes.badConfiguration : exitCodes.notReachable;
}

type Understood = {
  /** Null: the default file. */
  readonly config: string | null;
  readonly replaces: boolean;
  readonly profile: string | null;
  readonly rest: readonly string[];
};

/** `--config` is ours. `-c config=…`, `-c replaceRuleSet=yes` and `--profile` are cdk's, and are read here too. */
function understood(args: readonly string[]): Understood {
  let config: string | null = null;
  let replaces = false;
  let profile: string | null = null;
  const rest: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const [name = '', attached] = (args[at] ?? '').split(/=(.*)/s);
    if (name === '--') continue;
    const takes = ['--config', '-c', '--context', '--profile'].includes(name);
    const value = takes ? (attached ?? args[at + 1]) : undefined;
    if (takes && value === undefined) throw new Usage(`${name} needs a value`);
    const words = args.slice(at, at + (takes && attached === undefined ? 2 : 1));
    if (name === '--config') config = value ?? null;
    else if (value?.startsWith('config=') === true && name !== '--profile') config = value.slice('config='.length);
    else rest.push(...words);
    if (value === 'replaceRuleSet=yes') replaces = true;
    if (name === '--profile') profile = value ?? null;
    at += words.length - 1;
  }
  return { config, replaces, profile, rest };
}
