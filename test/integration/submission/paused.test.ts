// A pause of outbound mail at the gateway: MAIL is answered 451 and nothing is stored, by the ledger or by the
// configuration. Where the ledger cannot be read, mail is taken as always.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { neverPaused, type Pause } from '#core/delivery/pause.ts';
import { OutboundPaused } from '#gateway/paused.ts';
import { pipelineSettings } from '../../kit/pipeline.ts';
import { Client, type Gateway, login, openGateway, plain } from './gateway.ts';

let records: readonly Pause[] | Error = [];
const lines: string[] = [];
const pausedBy = (transfer = pipelineSettings.transfer) =>
  new OutboundPaused({
    settings: { ...pipelineSettings, transfer },
    read: async () => {
      if (records instanceof Error) throw records;
      return records;
    },
    clock: { now: () => 1_000 },
    log: (event) => lines.push(event),
  });
const paused = pausedBy();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ isPaused: () => paused.is() });
});
afterAll(() => gateway.close());

const pauseOf = (scope: string, mode: Pause['mode'] = 'hold'): Pause => ({ ...neverPaused(scope), mode, since: 1 });
const mailSays = async (sender = 'ann@example.com') => {
  await paused.look();
  const client = Client.tcp(gateway.port);
  await client.reply();
  await client.ask('EHLO c');
  await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`);
  const answer = await client.ask(`MAIL FROM:<${sender}>`);
  client.destroy();
  return answer;
};

it.each([
  ['nothing', [], /^250 2\.1\.0/],
  ['outbound', [pauseOf('outbound')], /^451 4\.3\.2 Outbound mail is paused/],
  ['outbound, drained', [pauseOf('outbound', 'drain')], /^451 4\.3\.2/],
  ['all', [pauseOf('all')], /^451 4\.3\.2/],
  ['inbound', [pauseOf('inbound')], /^250/],
  ['a next hop', [pauseOf('exchange')], /^250/],
  ['outbound, resumed', [pauseOf('outbound', null)], /^250/],
  ['what cannot be read', new Error('AccessDeniedException'), /^250/],
])('while %s is paused', async (_, known, expected) => {
  records = known;
  expect(await mailSays()).toMatch(expected);
  expect(gateway.store.objects.size).toBe(0);
});
it('what is refused for good is refused in a pause too', async () => {
  records = [pauseOf('all')];
  expect(await mailSays('ann@bank.example')).toMatch(/^550 5\.7\.1/);
});
it('says once that the ledger cannot be read, and goes by the configuration then', async () => {
  records = new Error('AccessDeniedException');
  lines.length = 0;
  const configured = pausedBy({ inbound: 'normal', outbound: 'hold' });
  for (let i = 0; i < 3; i++) await configured.look();
  expect([configured.is(), lines]).toEqual([true, ['submission.pauses-unreadable']]);
});
