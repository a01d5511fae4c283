// Each alarm of the template is raised by a cause, stands as long as it, and ends by what its article says. The list of
// alarms is the template's own: one without a story fails, and so does a story of an alarm that is not there. At its
// end it prints what it saw.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runStories } from './alarm-long-day.ts';
import { mailStories } from './alarm-stories.ts';
import { AlarmWatch } from './alarm-watch.ts';

const stories = [...mailStories, ...runStories];

/** What cannot be brought about on this machine, and why. */
const notSimulated: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['Ingest', 'Relay', 'SlowRelay', 'Feedback'].map((name) => [
      `${name}QueueInFlight`,
      '100,000 messages that another program receives take half a minute of processor time in the emulator',
    ]),
  ),
  SlowRelayDeadLetters: 'a job must die five times there; told to wait for its turn, it is a new job each time',
  ServiceUnreachable: 'all services answer at one endpoint here, which every function reaches',
};

let watch: AlarmWatch;
const config = (port: number) => ({
  domains: ['example.com'],
  nextHops: {
    boxes: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' },
    sturdy: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' },
    paced: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off', messagesPerSecond: 0.02 },
    barred: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off', auth: { secret: 'login' } },
    sealed: { kind: 'smtp', host: '127.0.0.1', port, tls: 'required', clientCertificate: { secret: 'certificate' } },
    ses: { kind: 'ses' },
  },
  routes: [
    ...['paced', 'barred', 'sealed', 'sturdy'].map((via) => ({ match: `${via}@example.com`, to: [{ via }] })),
    { match: 'gone@example.com', to: [{ via: 'sturdy' }] },
    { match: 'complaint@example.com', to: [{ via: 'ses', address: 'complaint@simulator.amazonses.com' }] },
    { match: '*@example.com', to: [{ via: 'boxes' }] },
    { match: '*', direction: 'outbound', to: [{ via: 'boxes' }] },
  ],
  submitters: { app: { secret: 'app', senderDomains: ['app.example'] } },
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
  retry: { lifetime: '24h' },
  retention: { spool: '30h' },
  network: { create: { zones: 1 } },
});

beforeAll(async () => {
  watch = await AlarmWatch.open(config, { login: { username: 'everpost', password: 'secret' } });
  watch.certificateEnds(100); // relay reads it each hour
});
afterAll(() => watch?.close());

it('each alarm of the template has a story, or a reason why it has none, and each story its alarms', () => {
  const told = stories.flatMap(({ alarms }) => alarms);
  const names = watch.names();
  expect(names.filter((name) => !told.includes(name) && notSimulated[name] === undefined)).toEqual([]);
  expect(told.filter((name) => !names.includes(name) || notSimulated[name] !== undefined)).toEqual([]);
  expect(new Set(told).size).toBe(told.length);
});

describe('by a cause, for its time, and to an end', () => {
  it.each(stories.map((it) => [it.name, it] as const))(
    '%s',
    async (_, story) => {
      expect(watch.on()).toEqual([]);
      watch.begin();
      await story.play(watch);
      expect(watch.on()).toEqual([]);
      const whole = story.alarms.filter((name) => {
        const { cause, stands, ends } = watch.courses.get(name) ?? {};
        return cause !== undefined && stands !== undefined && ends !== undefined;
      });
      expect(whole).toEqual(story.alarms);
    },
    1_200_000,
  ); // hours of virtual time, on a machine that may be busy

  it('as this table says', () => {
    process.stdout.write(`${tableOf(watch.courses)}\n`);
  });
});

function tableOf(courses: AlarmWatch['courses']): string {
  const escaped = (text = '') => text.replaceAll('|', '\\|').replace(/\s+/g, ' ');
  const rows = stories
    .flatMap(({ alarms }) => alarms)
    .sort()
    .map((name) => {
      const { cause, stands, ends } = courses.get(name) ?? {};
      return `| \`${name}\` | ${escaped(cause)} | ${escaped(stands)} | ${escaped(ends)} |`;
    });
  const others = Object.entries(notSimulated).map(([name, why]) => `| \`${name}\` | ${why} |`);
  return [
    '# What raises each alarm, how long it stands, and what ends it',
    '',
    'The third column has what stands where the alarm tells of an event and is over with it.',
    '',
    '| alarm | cause | stands | ends by |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    '## Not simulated',
    '',
    '| alarm | why |',
    '| --- | --- |',
    ...others,
    '',
  ].join('\n');
}
