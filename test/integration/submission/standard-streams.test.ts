// SMTP over standard input and output (sendmail -bs): the whole conversation is answered, however the starter ends it.

import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { standardStreams } from '#gateway/standard-streams.ts';
import { openGateway, submissions } from './gateway.ts';

const DIALOGUE =
  'EHLO c\r\nMAIL FROM:<any@example.com>\r\nRCPT TO:<bob@far.example>\r\nDATA\r\nSubject: s\r\n\r\nhi\r\n';

async function spoken(says: (input: PassThrough) => void, storeMs = 0) {
  const gateway = await openGateway({ clients: { submitter: 'exchange' } });
  gateway.store.before = () => sleep(storeMs);
  const [input, output] = [new PassThrough(), new PassThrough()];
  let text = '';
  output.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const over = gateway.server.converse(standardStreams(input, output));
  says(input);
  await over;
  await gateway.close();
  return { text, submitted: submissions(gateway.store) };
}

test('closes its side right after the final dot, while the message is being stored', async () => {
  const { text, submitted } = await spoken((input) => input.end(`${DIALOGUE}.\r\n`), 50);
  expect(text).toMatch(/250 2\.6\.0 Stored as .*\r\n$/);
  expect(text).not.toContain('AUTH');
  expect(submitted.length).toBe(1);
  expect(submitted[0]?.content.toString()).toMatch(/^Received: by example\.com with ESMTP\r\n/);
});
test('says QUIT and keeps its side open', async () => {
  const { text, submitted } = await spoken((input) => input.write(`${DIALOGUE}.\r\nQUIT\r\n`));
  expect(text).toMatch(/221 2\.0\.0 Bye\r\n$/);
  expect(submitted.length).toBe(1);
});
test('writes a batch of messages at once: each is taken', async () => {
  const next = DIALOGUE.replace('EHLO c\r\n', '');
  const { text, submitted } = await spoken(
    (input) => input.end(`${DIALOGUE}.\r\n${`${next}.\r\n`.repeat(4)}QUIT\r\n`),
    5,
  );
  expect(text.match(/^250 2\.6\.0 Stored as /gm)).toHaveLength(5);
  expect(text).toMatch(/221 2\.0\.0 Bye\r\n$/);
  expect(submitted.length).toBe(5);
});
test('ends within the content: nothing is taken', async () => {
  const { text, submitted } = await spoken((input) => input.end(DIALOGUE));
  expect(text).toMatch(/354 .*\r\n$/);
  expect(submitted).toEqual([]);
});
