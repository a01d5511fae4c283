// Mutations of infra/: see run.ts.

import type { Mutation } from './mutation.ts';

export const infraMutations: readonly Mutation[] = [
  {
    name: 'watch/own-alarms-at-ten',
    file: 'infra/watch.ts',
    text: 'metric: own(settings, metricName, MINUTE), threshold: 1,',
    replacement: 'metric: own(settings, metricName, MINUTE), threshold: 10,',
    test: {
      file: 'test/infra/watch.test.ts',
      name: 'our own metrics > ContentUnreadable calls at the 1 within 60 s, summed, at the first such period',
    },
  },
  {
    name: 'figures/termination-protection',
    file: 'infra/stack.ts',
    text: 'terminationProtection: false,',
    replacement: 'terminationProtection: true,',
    test: {
      file: 'test/infra/first-deploy.test.ts',
      name: 'the shipped configuration > the stack may be deleted, which is how the cdk command begins after a failed creation',
    },
  },
  {
    name: 'figures/relay-may-not-ask-the-due-index',
    file: 'infra/stages.ts',
    text: '        queryDue(table), // what a digest tells\n',
    replacement: '',
    test: { file: 'test/infra/figures.test.ts', name: 'grants > of Relay are these, and no others' },
  },
  {
    name: 'figures/ingest-may-write-over',
    file: 'infra/stages.ts',
    text: "onLedger(table, 'GetItem', 'PutItem', ...tellCanaries(given.settings)),\n        openContent",
    replacement: "onLedger(table, 'GetItem', 'PutItem', 'DeleteItem'),\n        openContent",
    test: { file: 'test/infra/figures.test.ts', name: 'grants > of Ingest are these, and no others' },
  },
  {
    name: 'figures/relay-with-half-its-memory',
    file: 'infra/stages.ts',
    text: 'memoryMb: 1024,',
    replacement: 'memoryMb: 512,',
    test: { file: 'test/infra/figures.test.ts', name: 'functions have their time and memory' },
  },
  {
    name: 'figures/half-a-batch-is-forgotten',
    file: 'infra/stage.ts',
    text: '    reportBatchItemFailures: true,\n',
    replacement: '',
    test: {
      file: 'test/infra/stack.test.ts',
      name: 'stages > report what failed of a batch, and are paced at the mapping',
    },
  },
  {
    name: 'figures/poison-at-the-tenth-receive',
    file: 'infra/stage.ts',
    text: 'deadLetterQueue: { queue: deadLetters, maxReceiveCount: receivesMax },',
    replacement: 'deadLetterQueue: { queue: deadLetters, maxReceiveCount: receivesMax * 2 },',
    test: {
      file: 'test/infra/figures.test.ts',
      name: 'queues hide a job for six times that, keep it for fourteen days, and give it five times, or for two starved hours more',
    },
  },
  {
    name: 'watch/alarms-tell-nobody',
    file: 'infra/watch.ts',
    text: '    alarm.addAlarmAction(new SnsAction(topic));\n',
    replacement: '',
    test: { file: 'test/infra/watch.test.ts', name: 'an alarm is named by its construct path and tells the topic' },
  },
  {
    name: 'watch/another-dead-letter-queue',
    file: 'infra/watch.ts',
    text: "      'SlowRelayDeadLetters',\n      stages.slowRelay.deadLetters,",
    replacement: "      'SlowRelayDeadLetters',\n      stages.feedback.deadLetters,",
    test: { file: 'test/infra/watch.test.ts', name: 'queues > that nobody consumes call at the first message' },
  },
  {
    name: 'watch/errors-once-an-hour',
    file: 'infra/watch.ts',
    text: "metric: handler.metricErrors({ period: MINUTE, statistic: 'Sum' }),",
    replacement: "metric: handler.metricErrors({ period: Duration.hours(1), statistic: 'Average' }),",
    test: { file: 'test/infra/watch.test.ts', name: 'functions: errors of each' },
  },
  {
    name: 'network/addresses-go-with-the-stack',
    file: 'infra/network.ts',
    text: 'address.applyRemovalPolicy(outlivesStack);',
    replacement: '',
    test: {
      file: 'test/infra/network.test.ts',
      name: 'a VPC that is made > has an address for each zone, which outlives the stack and not its failed creation',
    },
  },
  {
    name: 'deploy/mail-before-the-last-resource',
    file: 'infra/stack.ts',
    text: '  createLast(stack, door.activation);\n',
    replacement: '',
    test: {
      file: 'test/infra/failed-creation.test.ts',
      name: 'minimal: a first deploy that fails, at each resource in turn > accepts no mail until every resource stands',
    },
  },
  {
    name: 'deploy/role-before-its-interfaces',
    file: 'infra/stage.ts',
    text: 'for (const occupied of plan.place.occupied) occupied.node.addDependency(role);',
    replacement: '',
    test: {
      file: 'test/infra/failed-creation.test.ts',
      name: 'where CloudFormation may not wait for interfaces, the same command works half an hour later',
    },
  },
  {
    name: 'deploy/active-without-an-answer',
    file: 'lambdas/activate.ts',
    text: 'await ruleSets.activate(outcome.before);',
    replacement: 'void outcome.before;',
    test: {
      file: 'test/infra/activate.test.ts',
      name: 'how it answers > a creation whose answer is not taken leaves active what was: none',
    },
  },
];
