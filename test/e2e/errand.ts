// A standard errand for the whole stack, in parts: each makes functions and services do what no other part makes them
// do. A part ends well when what it waits for has happened; where a permission is refused on the way it ends at once,
// saying which.

import {
  advance,
  comes,
  Denied,
  type Errand,
  gatewayAsksForPauses,
  HOUR,
  happens,
  hideNewest,
  inSpool,
  MINUTE,
  name,
  newest,
  report,
  send,
  submit,
  waiting,
} from './errand-deeds.ts';

export type Part = {
  readonly name: string;
  readonly run: (errand: Errand) => Promise<void>;
  /** Hours pass in it, and nothing in it needs the sweep each minute. */
  readonly playsHours?: true;
};

/** Runs a part to the end of all that it set going. Throws Denied, or an Error that names the part. */
export async function runPart(part: Part, errand: Errand): Promise<void> {
  try {
    await part.run(errand);
    await advance(errand, 0);
  } catch (error) {
    if (error instanceof Denied) throw error;
    throw new Error(`${part.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The test string that every spam filter knows. */
export const GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';

const parts: readonly Part[] = [
  {
    name: 'content that cannot be read at first raises an alarm, whose topic is told',
    run: async (errand) => {
      const { faults, iam } = errand.runtime.emulators;
      faults.add({ service: 's3', operation: 'GetObject', effect: 'deny' });
      await send(errand, ['alarming@example.com']);
      await advance(errand, 3 * MINUTE);
      await happens(errand, 'an alarm', () =>
        iam.used().some(({ action, resource }) => action === 'sns:Publish' && resource.includes('WatchAlarms')),
      );
      faults.clear();
      await advance(errand, 3 * MINUTE);
      await comes(errand, 'alarming@example.com');
    },
  },
  {
    name: 'a report comes back to an SRS address, and a notice goes back',
    run: async (errand) => {
      await send(errand, ['srs@example.com'], '', 'asks-srs@src.example');
      await report(errand, 'srs@far.example');
      await comes(errand, 'asks-srs@src.example');
    },
  },
  {
    name: 'the sweep runs by the clock',
    run: (errand) => advance(errand, 2 * MINUTE),
  },
  {
    name: 'a message is relayed',
    run: async (errand) => {
      await send(errand, ['bob@example.com']);
      await comes(errand, 'bob@example.com');
    },
  },
  {
    name: 'a message with more header than a notification holds is relayed',
    run: async (errand) => {
      await send(errand, ['long@example.com'], `X-Long: ${'x'.repeat(900)}\r\n`.repeat(20));
      await comes(errand, 'long@example.com');
    },
  },
  {
    name: 'a next hop wants a login',
    run: async (errand) => {
      await send(errand, ['bob@secured.example']);
      await comes(errand, 'bob@secured.example');
    },
  },
  {
    name: 'of two recipients one is refused, and a notice goes back',
    run: async (errand) => {
      await send(errand, ['two@example.com', 'gone@example.com'], '', 'asks-gone@src.example');
      await comes(errand, 'two@example.com');
      await comes(errand, 'asks-gone@src.example');
    },
  },
  {
    name: 'messages are relayed by SES in the name of either domain',
    run: async (errand) => {
      await send(errand, ['away@example.com']);
      await send(errand, ['away@secured.example'], '', 'eve@secured.example');
      await comes(errand, 'away@far.example');
      await comes(errand, 'away@farther.example');
    },
  },
  {
    name: 'authors whose address or sub-domain SES knows by itself are relayed by SES',
    run: async (errand) => {
      await send(errand, ['away@example.com'], '', 'own@example.com');
      await send(errand, ['away@example.com'], '', 'ann@sub.example.com');
      await send(errand, ['away@secured.example'], '', 'own@secured.example');
      await send(errand, ['away@secured.example'], '', 'eve@sub.secured.example');
      await submit(errand, ['own@ses.example'], 'own@app.example');
      await submit(errand, ['sub@ses.example'], 'ann@sub.app.example');
      await comes(errand, 'own@ses.example');
      await comes(errand, 'sub@ses.example');
      const from = (author: string) => new RegExp(`^From: ${author}\\r$`, 'm');
      for (const author of ['own@example.com', 'ann@sub.example.com', 'own@secured.example', 'eve@sub.secured.example'])
        await happens(errand, `mail of ${author}`, () =>
          errand.nextHop.caught.some(({ content }) => from(author).test(content.toString('latin1'))),
        );
    },
  },
  {
    name: 'a message bounces after SES took it, and a notice goes back',
    run: async (errand) => {
      await send(errand, ['bounced@example.com'], '', 'asks-bounced@src.example');
      await comes(errand, 'asks-bounced@src.example');
    },
  },
  {
    name: 'a notice counts against a domain that nothing vouches for',
    run: async (errand) => {
      const verdicts = { reversePath: 'asks-unknown@src.example', spf: 'GRAY', dmarc: 'GRAY' };
      const console = `http://127.0.0.1:${errand.runtime.ports.console}`;
      await fetch(`${console}/verdicts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(verdicts),
      });
      await send(errand, ['gone-unknown@example.com'], '', 'asks-unknown@src.example');
      await comes(errand, 'asks-unknown@src.example');
    },
  },
  {
    name: 'a notice is refused too',
    run: async (errand) => {
      await send(errand, ['gone-too@example.com'], '', 'gone-sender@src.example');
      await happens(errand, 'the attempt to return it', () => errand.nextHop.turnedAway.has('gone-sender@src.example'));
    },
  },
  {
    name: 'a message that loops is refused by ingest itself',
    run: async (errand) => {
      await send(errand, ['loop@example.com'], 'Received: by elsewhere\r\n'.repeat(60), 'asks-loop@src.example');
      await comes(errand, 'asks-loop@src.example');
    },
  },
  {
    name: 'a message is relayed from under a delete marker',
    run: async (errand) => {
      await send(errand, ['later-hidden@example.com']);
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('later-hidden@example.com'));
      await hideNewest(errand);
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'later-hidden@example.com');
    },
  },
  {
    name: 'a message is submitted, and relayed by a server and by SES',
    run: async (errand) => {
      await submit(errand, ['bob@out.example', 'bob@ses.example']);
      await comes(errand, 'bob@out.example');
      await comes(errand, 'bob@ses.example');
    },
  },
  { name: 'a gateway asks whether outbound mail is paused', run: gatewayAsksForPauses },
  {
    name: 'a submitted message is relayed from under a delete marker',
    run: async (errand) => {
      await submit(errand, ['later-submitted@out.example']);
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('later-submitted@out.example'));
      await hideNewest(errand, 'out/', '.eml');
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'later-submitted@out.example');
    },
  },
  {
    name: 'a submission is taken in from under a delete marker',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Ingest', effect: 'throttle' });
      await submit(errand, ['hidden-submitted@out.example']);
      await hideNewest(errand, 'out/', '.eml');
      faults.clear();
      await advance(errand, 7 * MINUTE); // whatever was taken from the queue meanwhile comes back after six
      await comes(errand, 'hidden-submitted@out.example');
    },
  },
  {
    name: "a submission of which S3's event is lost is found again",
    playsHours: true,
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-IngestQueue', effect: 'deny', times: 1 });
      await submit(errand, ['untold@out.example']);
      await advance(errand, 3 * HOUR);
      await comes(errand, 'untold@out.example');
    },
  },
  {
    name: 'a long header section is read from under a delete marker',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Ingest', effect: 'throttle' });
      await send(errand, ['long-hidden@example.com'], `X-Long: ${'x'.repeat(900)}\r\n`.repeat(20));
      await hideNewest(errand);
      faults.clear();
      await advance(errand, 7 * MINUTE); // whatever was taken from the queue meanwhile comes back after six
      await comes(errand, 'long-hidden@example.com');
    },
  },
  {
    name: 'a message that is put off is tried again',
    run: async (errand) => {
      await send(errand, ['later@example.com']);
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('later@example.com'));
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'later@example.com');
    },
  },
  {
    name: 'a slow next hop is tried in its own lane, and the sweep sends to it there',
    run: async (errand) => {
      await send(errand, ['sluggish@example.com']);
      await happens(errand, 'the attempt without a greeting', () => errand.nextHop.turnedAway.has('silent'));
      await advance(errand, 0); // ten seconds until relay ends it
      await happens(errand, 'the attempt in the slow lane', () => errand.nextHop.turnedAway.has('unavailable'));
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'sluggish@example.com');
    },
  },
  {
    name: 'a message that is put off too long comes back',
    run: async (errand) => {
      await send(errand, ['never@example.com'], '', 'asks-never@src.example');
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('never@example.com'));
      await advance(errand, 15 * MINUTE);
      await comes(errand, 'asks-never@src.example');
    },
  },
  {
    name: 'what has had its retention leaves the spool',
    playsHours: true,
    run: async (errand) => {
      await send(errand, ['old@example.com', 'older@example.com']);
      await submit(errand, ['old@out.example']);
      for (const address of ['old@example.com', 'older@example.com', 'old@out.example']) await comes(errand, address);
      const submitted = [await newest(errand, 'out/', '.eml'), await newest(errand, 'out/', '.json')];
      const old = [await newest(errand), ...submitted].map(({ Key }) => Key);
      await advance(errand, 7 * HOUR); // the purge runs every six hours
      const left = [...(await inSpool(errand)), ...(await inSpool(errand, 'out/'))].map(({ Key }) => Key);
      for (const key of old) if (left.includes(key)) throw new Error(`${key} is still there`);
    },
  },
  {
    name: 'a run of the purge that cannot begin is kept',
    playsHours: true,
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Purge', effect: 'deny' });
      await advance(errand, 7 * HOUR);
      await happens(errand, 'a run among the dead letters', () => waiting(errand, 'PurgeDeadLetters') > 0);
      faults.clear();
    },
  },
  {
    name: 'the postmaster is told of the quarantine',
    playsHours: true,
    run: async (errand) => {
      await send(errand, ['spam@example.com'], `X-Gtube: ${GTUBE}\r\n`);
      const now = errand.runtime.emulators.clock.now();
      const midnight = Math.ceil(now / (24 * HOUR)) * 24 * HOUR;
      await advance(errand, midnight - now + 7 * HOUR);
      await comes(errand, 'postmaster@example.com');
    },
  },
  {
    name: 'a receipt that its queue refuses is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-IngestQueue', effect: 'deny', times: 1 });
      await send(errand, ['lost@example.com']);
      await happens(
        errand,
        'a receipt among the dead letters',
        () => waiting(errand, 'FrontDoorReceiptDeadLetters') > 0,
      );
    },
  },
  {
    name: 'an event of SES that its queue refuses is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-FeedbackQueue', effect: 'deny', times: 1 });
      await send(errand, ['bounced@example.com']);
      await happens(
        errand,
        'an event among the dead letters',
        () => waiting(errand, 'SesFeedbackEventDeadLetters') > 0,
      );
    },
  },
  {
    name: 'what is no report goes on to the postmaster',
    run: async (errand) => {
      await send(errand, ['postmaster@bounces.example.com']);
      await comes(errand, 'postmaster@example.com');
    },
  },
  {
    name: 'a report that cannot be opened at first is read from under a delete marker',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      await send(errand, ['token@example.com'], '', 'asks-token@src.example');
      await comes(errand, 'token@far.example');
      faults.add({ service: 's3', operation: 'GetObject', effect: 'deny' });
      await report(errand, 'token@far.example');
      await advance(errand, 0);
      faults.clear();
      await hideNewest(errand);
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'asks-token@src.example');
    },
  },
  {
    name: 'a message whose receipt is lost is found, and goes to whom an operator names',
    playsHours: true,
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-IngestQueue', effect: 'deny', times: 1 });
      await send(errand, ['orphan@example.com'], '', 'asks-orphan@src.example');
      await advance(errand, 3 * HOUR);
      await name(errand, ['orphan@example.com']);
      await comes(errand, 'orphan@example.com');
    },
  },
  {
    name: 'a search for orphans that cannot begin is kept',
    playsHours: true,
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Orphans', effect: 'deny' });
      await advance(errand, 3 * HOUR);
      await happens(errand, 'a search among the dead letters', () => waiting(errand, 'OrphansDeadLetters') > 0);
      faults.clear();
    },
  },
  {
    name: 'a run of the sweep that cannot begin is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Sweep', effect: 'deny' });
      await advance(errand, 2 * MINUTE);
      await happens(errand, 'a run among the dead letters', () => waiting(errand, 'SweepDeadLetters') > 0);
      faults.clear();
    },
  },
];

/**
 * The stacks in which the parts run one after the other. In the second the sweep runs seldom: hours with a run each
 * minute take most of the time.
 */
export const stacks = [
  { name: 'minutes', sweepEveryMs: null, parts: parts.filter(({ playsHours }) => playsHours !== true) },
  { name: 'hours', sweepEveryMs: 15 * MINUTE, parts: parts.filter(({ playsHours }) => playsHours === true) },
] as const;
