// StartMessageMoveTask, the redrive of a dead-letter queue. Called by sqs.ts. Moved messages get a new id, enqueue time
// and full retention (docs/aws-contracts.md §4.4). A task survives a restart. It moves visible messages at its rate on
// the virtual clock; messages in flight stay. It never reads a queue that is no dead-letter queue.

import { randomUUID } from 'node:crypto';
import type { Store } from '../store.ts';
import { AwsError, type Caller, type World } from '../world.ts';
import type { Message } from './queue.ts';
import type { OpenQueue, Queues } from './queues.ts';
import * as rules from './validation.ts';

export type MoveTasks = ReturnType<typeof createMoveTasks>;

type Task = {
  readonly handle: string;
  readonly sourceArn: string;
  readonly destinationArn: string | null;
  readonly perSecondMax: number | null;
  readonly startedAt: number;
  readonly toMove: number;
  moved: number;
  state: 'RUNNING' | 'COMPLETED' | 'CANCELLING' | 'CANCELLED' | 'FAILED';
  failure: string | null;
};

/** AWS: messages a second at most, and the rate of a task that names none. */
const perSecondMax = 500;
const stepMs = 100;

export function createMoveTasks(world: World, store: Store, queues: Queues) {
  const rows = store.table<Task>('sqs_move_tasks');
  const tasks = new Map([...rows.entries()]);

  return { start, list, cancel, resume };

  function start(
    by: Caller,
    request: {
      readonly sourceArn: string;
      readonly destinationArn: string | null;
      readonly perSecondMax: number | null;
    },
  ): Promise<string> {
    return queues.pass(by, request.sourceArn, 'StartMessageMoveTask', 'StartMessageMoveTask', async (source) => {
      if (request.perSecondMax !== null)
        rules.checkRange('MaxNumberOfMessagesPerSecond', request.perSecondMax, 1, perSecondMax);
      const sources = queues.all().filter(({ spec }) => spec.redrive?.deadLetterTargetArn === source.arn);
      if (sources.length === 0)
        throw rules.invalidValue('SourceArn', 'Source queue must be configured as a Dead Letter Queue');
      const targets = request.destinationArn === null ? sources.map(({ arn }) => arn) : [request.destinationArn];
      authorize(by, source, targets);
      if (targets.some((arn) => !queues.all().some((queue) => queue.arn === arn))) {
        throw new AwsError(
          'ResourceNotFoundException',
          404,
          "The resource that you specified for the DestinationArn parameter doesn't exist.",
        );
      }
      if ([...tasks.values()].some((task) => task.sourceArn === source.arn && task.state === 'RUNNING')) {
        throw new AwsError(
          'UnsupportedOperation',
          400,
          'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
        );
      }
      const task: Task = {
        ...request,
        handle: Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn: source.arn })).toString('base64'),
        startedAt: world.clock.now(),
        toMove: source.queue.counts.ready,
        moved: 0,
        state: 'RUNNING',
        failure: null,
      };
      tasks.set(task.handle, task);
      rows.put(task.handle, task);
      schedule(task);
      await store.flushed();
      return task.handle;
    });
  }

  /** A task works with its starter's permissions. A missing permission is refused at once. */
  function authorize(by: Caller, source: OpenQueue, targets: readonly string[]): void {
    const needed = [
      ...['ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'].map((name) => ({
        action: `sqs:${name}`,
        resource: source.arn,
      })),
      ...targets.map((arn) => ({ action: 'sqs:SendMessage', resource: arn })),
    ];
    const lacking = needed.find((access) => !world.gate.may(by.principal, access));
    if (lacking !== undefined) {
      throw new AwsError(
        'AccessDenied',
        403,
        `The move task needs ${lacking.action} on ${lacking.resource}, which no policy allows.`,
      );
    }
  }

  function list(by: Caller, sourceArn: string, max: number): Promise<object[]> {
    return queues.pass(by, sourceArn, 'ListMessageMoveTasks', 'ListMessageMoveTasks', async () => {
      rules.checkRange('MaxResults', max, 1, 10);
      const found = [...tasks.values()].filter((task) => task.sourceArn === sourceArn);
      return found
        .sort((a, b) => b.startedAt - a.startedAt)
        .slice(0, max)
        .map((task) => ({
          ...(task.state === 'RUNNING' ? { TaskHandle: task.handle } : {}),
          Status: task.state,
          SourceArn: task.sourceArn,
          ...(task.destinationArn === null ? {} : { DestinationArn: task.destinationArn }),
          ...(task.perSecondMax === null ? {} : { MaxNumberOfMessagesPerSecond: task.perSecondMax }),
          ApproximateNumberOfMessagesMoved: task.moved,
          ApproximateNumberOfMessagesToMove: task.toMove,
          ...(task.failure === null ? {} : { FailureReason: task.failure }),
          StartedTimestamp: task.startedAt,
        }));
    });
  }

  function cancel(by: Caller, handle: string): Promise<number> {
    const task = tasks.get(handle);
    if (task === undefined) throw new AwsError('ResourceNotFoundException', 404, 'Task does not exist.');
    return queues.pass(by, task.sourceArn, 'CancelMessageMoveTask', 'CancelMessageMoveTask', async () => {
      if (task.state !== 'RUNNING')
        throw new AwsError('UnsupportedOperation', 400, 'Only active tasks can be cancelled.');
      end(task, 'CANCELLED', null);
      await store.flushed();
      return task.moved;
    });
  }

  /** Goes on with the tasks of an earlier process, once all queues stand. */
  function resume(): void {
    for (const task of tasks.values()) if (task.state === 'RUNNING') schedule(task);
  }

  function schedule(task: Task): void {
    world.clock.at(world.clock.now() + stepMs, () => step(task));
  }

  function step(task: Task): void {
    if (task.state !== 'RUNNING') return;
    const find = (arn: string) => queues.all().find((queue) => queue.arn === arn);
    const source = find(task.sourceArn);
    if (source === undefined) {
      end(task, 'FAILED', 'AWS.SimpleQueueService.NonExistentQueue');
      return;
    }
    const inStep = Math.max(1, Math.round(((task.perSecondMax ?? perSecondMax) * stepMs) / 1_000));
    for (let i = 0; i < inStep && task.moved < task.toMove; i += 1) {
      const message = takeNext(source);
      if (message === undefined) {
        end(task, 'COMPLETED', null);
        return;
      }
      const target = find(task.destinationArn ?? message.state.deadLetterSource ?? '');
      if (target === undefined) {
        // Sent to the dead-letter queue by hand: it has no source to go back to. It stays where it is.
        source.queue.release(message);
        end(task, 'FAILED', 'CouldNotDetermineMessageSource');
        return;
      }
      queues.flow.drop(source, message);
      const now = world.clock.now();
      queues.flow.admit(
        target,
        { ...message.content, sqsMessageId: randomUUID(), sentAt: now },
        { place: 'ready', visibleAt: now },
      );
      task.moved += 1;
    }
    if (task.moved >= task.toMove) {
      end(task, 'COMPLETED', null);
      return;
    }
    rows.put(task.handle, task);
    schedule(task);
  }

  function takeNext(source: OpenQueue): Message | undefined {
    queues.flow.settle(source);
    return source.queue.next();
  }

  function end(task: Task, state: Task['state'], failure: string | null): void {
    task.state = state;
    task.failure = failure;
    rows.put(task.handle, task);
  }
}
