// DynamoDB's calls over the SDK's own handler: what a server may do to them, over plain sockets. The SDK's retries are
// counted, because the ledger takes a refused condition for its own write where a call was sent again
// (src/adapters/aws/dynamo-conditions.ts).

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { afterEach, expect, it } from 'vitest';
import { dynamoClient, sqsClient } from '#adapters/aws/clients.ts';
import { sentAgain, standingItem } from '#adapters/aws/dynamo-conditions.ts';

type Answer = (socket: Socket) => unknown;
const opened: { close(): unknown }[] = [];
afterEach(() => Promise.all(opened.splice(0).map((each) => each.close())));

const answer = (text: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
const good: Answer = (socket) => socket.write(answer('{"Item":{"pk":{"S":"ü"}}}'));
const refused: Answer = (socket) => {
  const type = 'com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException';
  socket.write(answer(JSON.stringify({ __type: type, Item: { pk: { S: 'ours' } } }), '400 Bad Request'));
};
const half: Answer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"Item');

/** Answers requests in turn; the last answer stands for all later ones. */
async function service(answers: readonly Answer[]) {
  const bodies: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let text = '';
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}));
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/^content-length: (\d+)$/im.exec(text)?.[1] ?? 0);
      if (end < 0 || text.length < end + 4 + length) return;
      bodies.push(Buffer.from(text.slice(end + 4, end + 4 + length), 'latin1').toString());
      text = '';
      (answers[bodies.length - 1] ?? answers.at(-1) ?? good)(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' };
  const settings = { region: 'eu-west-1', credentials, endpoint: `http://127.0.0.1:${port}` };
  const dynamo = dynamoClient(settings);
  const sqs = sqsClient(settings);
  opened.push({
    close: () => {
      dynamo.destroy();
      sqs.destroy();
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return { dynamo, sqs, bodies, open: () => sockets.size };
}
const read = new GetItemCommand({ TableName: 't', Key: { pk: { S: 'ü' } } });
const write = () =>
  new PutItemCommand({ TableName: 't', Item: { pk: { S: 'x' } }, ConditionExpression: 'attribute_not_exists(pk)' });

it.each<[string, Answer]>([
  [
    'throttled',
    (socket) =>
      socket.write(answer('{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}', '400 Bad Request')),
  ],
  ['refused with 503 and a page', (socket) => socket.write(answer('<html/>', '503 Service Unavailable'))],
  ['cut short in its answer', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"Item')],
  ['closed without an answer', (socket) => socket.end()],
  ['reset', (socket) => socket.resetAndDestroy()],
])('a call that is %s is sent again, and counted', async (_what, bad) => {
  const { dynamo, bodies } = await service([bad, good]);
  const result = await dynamo.send(read);
  expect([result.Item, result.$metadata.attempts]).toEqual([{ pk: { S: 'ü' } }, 2]);
  expect(bodies).toEqual([bodies[0], bodies[0]]);
  expect(JSON.parse(bodies[0] ?? '')).toEqual({ TableName: 't', Key: { pk: { S: 'ü' } } });
});

it('a body that stalls is given up and asked for again', async () => {
  const { dynamo, bodies } = await service([half, good]);
  const result = await dynamo.send(read);
  expect([result.Item, result.$metadata.attempts, bodies.length]).toEqual([{ pk: { S: 'ü' } }, 2, 2]);
}, 12_000);

it('a body that stalls is given up by the other clients, too', async () => {
  const done: Answer = (socket) => socket.write(answer('{"Successful":[],"Failed":[]}'));
  const { sqs, bodies } = await service([half, done]);
  const input = { QueueUrl: 'http://127.0.0.1/1/q', Entries: [{ Id: '1', MessageBody: 'x' }] };
  expect((await sqs.send(new SendMessageBatchCommand(input))).$metadata.attempts).toBe(2);
  expect(bodies.length).toBe(2);
}, 15_000);

it.each<[string, readonly Answer[], boolean]>([
  ['at once is not our own', [refused], false],
  ['after a lost answer may be our own', [(socket) => socket.resetAndDestroy(), refused], true],
])('a condition refused %s', async (_what, answers, again) => {
  const { dynamo, bodies } = await service(answers);
  const error: unknown = await dynamo.send(write()).catch((caught: unknown) => caught);
  expect([sentAgain(error), standingItem(error)]).toEqual([again, { pk: { S: 'ours' } }]);
  expect(bodies.length).toBe(answers.length);
});

it('a call that is called off ends its connection and is not sent again', async () => {
  const { dynamo, bodies, open } = await service([() => {}]);
  const off = new AbortController();
  const calling = dynamo.send(read, { abortSignal: off.signal });
  await expect.poll(() => bodies.length).toBe(1);
  off.abort();
  await expect(calling).rejects.toMatchObject({ name: 'AbortError' });
  await expect.poll(open).toBe(0);
  await expect(dynamo.send(read, { abortSignal: off.signal })).rejects.toMatchObject({ name: 'AbortError' });
  expect(bodies.length).toBe(1);
});
