// Which authors the submission server takes, asked on the wire: the answer after the final dot, and whether anything
// was stored.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, type Gateway, openGateway } from './gateway.ts';

/** The client logs in as the first; the other one's domain is ours too. */
const submitters = {
  exchange: { secret: 's', senderDomains: ['example.com'] },
  cron: { secret: 't', senderDomains: ['cron.example'] },
};
let gateway: Gateway;
let client: Client;
beforeEach(async () => {
  gateway = await openGateway({ settings: { host: 'example.com', domains: ['example.com'], submitters } });
  client = await Client.ready(gateway.port);
});
afterEach(async () => {
  client.destroy();
  await gateway.close();
});

describe('authors', () => {
  const says = async (path: string, header: string) => {
    await client.ask(`MAIL FROM:<${path}>`);
    await client.ask('RCPT TO:<bob@far.example>');
    await client.ask('DATA');
    return client.ask(`${header}\r\n\r\nhello\r\n.`);
  };
  const FOREIGN =
    '550 5.7.1 exchange may not send mail whose author is of cron.example: senderDomains does not have it';
  test.each([
    ['two From fields', 'From: ann@example.com\r\nFrom: ann@example.com', /^554 5\.6\.0 .*more than one From field/],
    ["another submitter's author", 'From: boss@cron.example', FOREIGN],
    ['one in a sub-domain', 'From: boss@a.cron.example', FOREIGN.replace('of cron', 'of a.cron')],
    ['one beside an own author', 'From: ann@example.com, boss@cron.example', FOREIGN],
    ['one behind a source route', 'From: <@a.example,@b.example:boss@cron.example>', FOREIGN],
    ['one before a final dot', 'From: boss@cron.example.', FOREIGN],
    ['one in a comment', 'From: eve@src.example (boss@cron.example)', FOREIGN],
  ])('%s: refused, and nothing is stored', async (_, header, answer) => {
    const said = await says('ann@example.com', header);
    if (typeof answer === 'string') expect(said).toBe(`${answer}\r\n`);
    else expect(said).toMatch(answer);
    expect(gateway.store.objects.size).toBe(0);
    expect(await says('ann@example.com', 'From: ann@example.com')).toMatch(/^250 /); // the connection goes on
  });
  test.each([
    ['an own author', 'From: ann@example.com'],
    ['an own author in a sub-domain', 'From: ann@eu.example.com'],
    ['a stranger, whose mail is passed on', 'From: eve@src.example'],
    ['a stranger who cannot be read', 'From: <eve@src.example'],
    ['nobody', 'Subject: x'],
    ['a Sender of another submitter', 'From: ann@example.com\r\nSender: boss@cron.example'],
  ])('%s: taken', async (_, header) => {
    expect(await says('ann@example.com', header)).toMatch(/^250 /);
  });
  test.each([
    ['of his own', 'From: ann@example.com', /^250 /],
    ['of a stranger', 'From: eve@src.example', /^550 5\.7\.1 the reverse-path is null/],
    ['who cannot be read in one way', 'From: ann@example.com.', /^550 5\.7\.1 the reverse-path is null/],
  ])('with the null reverse-path, an author %s', async (_, header, answer) => {
    expect(await says('', header)).toMatch(answer);
  });
});
