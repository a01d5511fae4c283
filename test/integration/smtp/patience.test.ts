// The end of an attempt's patience: before MAIL it ends the attempt, and nothing was sent; afterwards it does nothing.

import { expect, it } from 'vitest';
import { message, never, withServer } from './smtp-case.ts';

const soon = () => AbortSignal.timeout(80);
const HELLO = 'S: 220 mx\nC: EHLO *\nS: 250 mx';

// Real time is measured: a busy machine may come between once, and what is wrong is wrong each time.
it.each([
  ['says nothing', 'pause: 600', 'greeting'],
  ['greets, and says no more', 'S: 220 mx\nC: EHLO *\npause: 600', 'ehlo'],
  ['sends a byte now and then', 'S1: 220 a greeting that takes long\npause: 600', 'ehlo'],
])('a server that %s', { retry: 2 }, async (_name, script, phase) => {
  await withServer([script], {}, async (hop) => {
    const began = Date.now();
    const [result] = await hop.attempt({ ...message(), patience: soon() }, never());
    expect(result).toMatchObject({ kind: 'network', fault: 'aborted', phase });
    expect(Date.now() - began).toBeLessThan(500);
  });
});

it('a server that is slow after MAIL has its attempt to itself', async () => {
  const slow = `${HELLO}\nC: MAIL *\npause: 200\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken\nC: QUIT`;
  await withServer([slow], {}, async (hop, server) => {
    const results = await hop.attempt({ ...message(), patience: soon() }, never());
    expect(results).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
    expect(server.mismatches).toEqual([]);
  });
});

it('the connection that is kept serves the next message after it', async () => {
  const two = `${HELLO}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 one\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 two\nC: QUIT`;
  await withServer([two], {}, async (hop) => {
    const patience = new AbortController();
    await hop.attempt({ ...message(), patience: patience.signal }, never());
    patience.abort();
    expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { text: 'two' } }]);
  });
});
