// The whole stack: front door, spool, ledger, stages, watch. Called by synthesise.ts and app.ts. The local runtime runs
// this very template (DESIGN §2.17).

import {
  type App,
  Aws,
  CfnOutput,
  CfnResource,
  type CustomResource,
  DefaultStackSynthesizer,
  Stack,
} from 'aws-cdk-lib';
import type { Settings } from '#config/settings.ts';
import { dashboard } from './dashboard.ts';
import { sesFeedback } from './feedback.ts';
import { frontDoor } from './front-door.ts';
import { ledger } from './ledger.ts';
import { network } from './network.ts';
import { operators } from './operators.ts';
import { orphanSearch } from './orphans.ts';
import { purge } from './purge.ts';
import { saveQueries } from './saved-queries.ts';
import { markSecret } from './secrets.ts';
import { spool } from './spool.ts';
import { type Stages, stages } from './stages.ts';
import { submission } from './submission.ts';
import { sweep } from './sweep.ts';
import { watch } from './watch.ts';

export type StackPlan = {
  readonly settings: Settings;
  /** The folder that holds each function's bundle: <name>/index.js. */
  readonly dist: string;
  /** Take over from another application's active rule set. Its mail stops. */
  readonly replaceRuleSet: boolean;
};

export function everpostStack(app: App, plan: StackPlan): Stack {
  const { settings } = plan;
  const stack = new Stack(app, settings.stackName, {
    stackName: settings.stackName,
    description: 'Everpost: a mail connector that accounts for every message',
    // Bucket, table, queues and logs protect themselves. A protected stack could not be deployed again after its first
    // deploy failed: the cdk command sets the protection before it creates anything, and AWS then refuses to delete
    // what the rollback left.
    terminationProtection: false,
    synthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }),
  });
  const folder = (name: string) => `${plan.dist}/${name}`;
  const bucket = spool(stack, settings);
  const table = ledger(stack, settings);
  const [marks, place] = [markSecret(stack, settings), network(stack, settings)];
  const given = { settings, bucket, table, marks, folder, place };
  const pipeline = stages(stack, given);
  submission(stack, { settings, bucket, table, ingestQueue: pipeline.ingest.queue });
  const orphans = orphanSearch(stack, { ...given, ingest: pipeline.ingest });
  const purging = purge(stack, given, pipeline);
  const door = frontDoor(stack, {
    settings,
    bucket,
    ingestQueue: pipeline.ingest.queue,
    activateFolder: folder('activate'),
    replaceRuleSet: plan.replaceRuleSet,
  });
  const said = sesFeedback(stack, { settings, feedbackQueue: pipeline.feedback.queue });
  const sweeping = sweep(stack, given, { stages: pipeline, door, said });
  const watched = { settings, stages: pipeline, sweep: sweeping, orphans, purge: purging, door, said };
  const alarmTopic = watch(stack, watched);
  saveQueries(stack);
  const outputs: Record<string, string> = {
    MxRecord: `10 inbound-smtp.${Aws.REGION}.amazonaws.com`,
    ReturnPathMxRecord: `10 inbound-smtp.${Aws.REGION}.amazonaws.com`,
    RuleSet: door.ruleSetName,
    Bucket: bucket.bucketName,
    Table: table.tableName,
    ...queueUrls(pipeline),
    MarkSecret: marks.arn,
    ...(pipeline.srsSecretArn === null ? {} : { SrsSecret: pipeline.srsSecretArn }),
    ReceiptDeadLettersUrl: door.receiptDeadLetters.queueUrl,
    SweepDeadLettersUrl: sweeping.deadLetters.queueUrl,
    OrphansDeadLettersUrl: orphans.deadLetters.queueUrl,
    PurgeDeadLettersUrl: purging.deadLetters.queueUrl,
    ...(said === null
      ? {}
      : { ConfigurationSet: said.configurationSet, EventDeadLettersUrl: said.eventDeadLetters.queueUrl }),
    AlarmTopic: alarmTopic.topicArn,
    ...operators(stack, { settings, bucket, table, stages: pipeline }),
    ...dashboard(stack, watched),
    ...nextHopNames(settings),
  };
  describeOutputs(stack, settings, outputs);
  createLast(stack, door.activation);
  return stack;
}

/**
 * Mail is accepted only when everything that handles it stands, its alarms too. So a creation that fails leaves no mail
 * behind, and a deletion begins by accepting none (docs/decisions/failed-first-deploy.md).
 */
function createLast(stack: Stack, last: CustomResource): void {
  const own = last.node.defaultChild;
  if (!CfnResource.isCfnResource(own)) throw new Error('the activation is no resource of the template');
  for (const other of stack.node.findAll())
    if (CfnResource.isCfnResource(other) && other !== own) own.addResourceDependency(other);
}

function queueUrls({ ingest, relay, slowRelay, feedback }: Stages): Readonly<Record<string, string>> {
  const named = { Ingest: ingest, Relay: relay, SlowRelay: slowRelay, Feedback: feedback };
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, { queue, deadLetters }]) => [
      [`${name}QueueUrl`, queue.queueUrl],
      [`${name}DeadLettersUrl`, deadLetters.queueUrl],
    ]),
  );
}

/** `everpost pause` refuses other names. CloudFormation: an output's value has 1,024 bytes at most. */
function nextHopNames({ nextHops }: Settings): Readonly<Record<string, string>> {
  const names = Object.keys(nextHops).join(' ');
  return names.length > 1_024 ? {} : { NextHops: names };
}

function describeOutputs(stack: Stack, settings: Settings, outputs: Readonly<Record<string, string>>): void {
  const meaning: Record<string, string> = {
    MxRecord: `Set as the MX record of ${settings.domains.slice(0, 5).join(', ')}${settings.domains.length > 5 ? ', …' : ''}`,
    ReturnPathMxRecord: `Set as the MX record of ${settings.returnPathDomain}, to which reports come back`,
    ReaderPolicyArn: 'Attach to people who may see the ledger, metrics and the log, and no content',
    OperatorPolicyArn:
      'Attach beside ReaderPolicyArn to people who operate the stack: every verb of everpost, and content',
    DashboardUrl: 'The state at a glance',
    RuleSet: 'The receipt rule set of SES that must be the active one',
    Bucket: 'The spool: accepted content',
    Table: 'The ledger: a row for each delivery',
    MarkSecret: 'The secret by which loop marks and return paths are signed',
    SrsSecret: 'The secret of SRS addresses',
    ConfigurationSet: 'The configuration set of SES that every send names',
    NextHops: 'The names that everpost pause takes',
    AlarmTopic: 'Subscribe the people who shall hear of alarms',
  };
  for (const [name, value] of Object.entries(outputs))
    new CfnOutput(stack, name, { value, description: meaning[name] ?? ofQueue(name) });
}

/** RelayQueueUrl, RelayDeadLettersUrl. */
function ofQueue(output: string): string {
  const stage = output.replace(/(?:Queue|DeadLetters)Url$/, '').replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`);
  const jobs = output.endsWith('QueueUrl') ? 'Jobs' : 'Dead letters, which wait for a person,';
  return `${jobs} of ${stage.toLowerCase()}`;
}
