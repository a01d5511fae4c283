// SES's events as AWS documents them and as they were seen: each fixture is read as its .expected.json says. UPDATE=1
// rewrites those. And that no text of any kind makes the reader throw or give what a row could not hold.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { feedbackBody } from '#core/feedback/queue-body.ts';
import { readSesEvent } from '#core/feedback/ses-event.ts';
import { detailTextMax } from '#core/limits.ts';

const folder = join(import.meta.dirname, '../../../fixtures/ses-events');
const NOW = Date.UTC(2026, 10, 22, 13, 0, 0);
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && !name.endsWith('.expected.json'))
  .map((name) => name.slice(0, -'.json'.length));
const event = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));

describe('an event of SES', () => {
  it.each(names)('%s', (name) => {
    const reading = readSesEvent(event(name), NOW);
    const path = join(folder, `${name}.expected.json`);
    if (process.env.UPDATE === '1' && process.env.CI === undefined)
      writeFileSync(path, `${JSON.stringify(reading, null, 2)}\n`);
    expect(reading).toEqual(JSON.parse(readFileSync(path, 'utf8')));
    expect(readFileSync(join(folder, `${name}.why`), 'utf8').length).toBeGreaterThan(10);
  });

  it('that is a failure is never taken for one that says nothing, whatever of a report it has', () => {
    const absence = event('08-bounce-without-report') as { bounce: { bouncedRecipients: object[] } };
    const kindOf = (of: object) => {
      const reading = readSesEvent(of, NOW);
      return reading.kind === 'event' ? reading.event.fact?.kind : reading.kind;
    };
    expect(kindOf(absence)).toBe('uncertain');
    for (const more of [{ action: 'failed' }, { status: '4.4.7' }, { diagnosticCode: 'smtp; 450 4.2.0 later' }]) {
      const bouncedRecipients = [{ emailAddress: 'bob@far.example', ...more }];
      expect(kindOf({ ...absence, bounce: { ...absence.bounce, bouncedRecipients } })).toBe('failed');
    }
    for (const bounceType of ['Permanent', 'Undetermined', undefined])
      expect(kindOf({ ...absence, bounce: { ...absence.bounce, bounceType } })).toBe('failed');
  });

  it('an address on a suppression list is a failure under whatever subtype SES tells of it', () => {
    const suppressed = event('03-bounce-global-suppression') as { bounce: object };
    for (const bounceSubType of [
      ...['Suppressed', 'General', 'OnAccountSuppressionList', 'OnTenantSuppressionList'],
      ...['EmailValidationSuppressed', 'A subtype of the future', undefined],
    ]) {
      const reading = readSesEvent({ ...suppressed, bounce: { ...suppressed.bounce, bounceSubType } }, NOW);
      expect([bounceSubType, reading]).toMatchObject([bounceSubType, { event: { fact: { kind: 'failed' } } }]);
    }
  });

  it('keeps to what a row and a notice can hold', () => {
    const diagnosticCode = `smtp; 550 5.1.1 ${'\u202e\u0000\ud800é'.repeat(5_000)}`;
    const bounce = { bounceSubType: 'x'.repeat(500), bouncedRecipients: [{ diagnosticCode, status: '5.1.1' }] };
    const reading = readSesEvent({ ...event('01-bounce-permanent-general'), bounce }, NOW);
    const fact = reading.kind === 'event' && reading.event.fact?.kind === 'failed' ? reading.event.fact : null;
    expect(fact?.detail.length).toBeLessThanOrEqual(detailTextMax);
    expect(fact?.reason.length).toBeLessThanOrEqual(80);
    expect(fact?.reply?.text.length).toBeLessThanOrEqual(1_000);
    expect(fact?.reply?.text.isWellFormed()).toBe(true);
    expect(fact?.reply?.text).not.toContain('\u0000');
  });

  it('of any shape is read, or said to be malformed', () => {
    const pieces = [null, 1, '', 'x', [], {}, [null], [[]], { emailAddress: 1 }, 'Bounce', true];
    for (const type of ['Bounce', 'Complaint', 'Delivery', 'DeliveryDelay', 'Reject', 'Rendering Failure', 'x']) {
      const part = { Bounce: 'bounce', Complaint: 'complaint', Delivery: 'delivery' }[type] ?? 'deliveryDelay';
      for (const piece of pieces) {
        const mails = [piece, { tags: piece }, { tags: { everpost: piece }, timestamp: piece, destination: piece }];
        const parts = [piece, { bouncedRecipients: piece, timestamp: piece }, { bouncedRecipients: [piece] }];
        for (const mail of mails)
          for (const each of parts)
            expect(['event', 'malformed']).toContain(readSesEvent({ eventType: type, mail, [part]: each }, NOW).kind);
      }
    }
  });
});

describe('a body of the feedback queue', () => {
  const text = JSON.stringify(event('16-delivery'));
  it('is an event, bare or in the envelope of SNS', () => {
    expect(feedbackBody(text)).toEqual({ kind: 'ses-event', json: event('16-delivery') });
    const wrapped = { Type: 'Notification', TopicArn: 'arn:aws:sns:eu-west-1:1:t', Message: text };
    expect(feedbackBody(JSON.stringify(wrapped))).toEqual({ kind: 'ses-event', json: event('16-delivery') });
  });
  it("is SES's word of trial", () => {
    expect(feedbackBody('Successfully validated SNS topic for Amazon SES event publishing.').kind).toBe('setup');
  });
  it("is an identity's notification, which bears no tags, and a receipt is none of its kinds", () => {
    const receipt = JSON.stringify({ notificationType: 'Received', receipt: {}, mail: {} });
    expect(feedbackBody(receipt).kind).toBe('malformed');
    const { eventType, ...rest } = event('01-bounce-permanent-general');
    expect(feedbackBody(JSON.stringify({ notificationType: eventType, ...rest }))).toMatchObject({
      kind: 'identity-notification',
      type: 'Bounce',
      sesMessageId: expect.stringMatching(/^EXAMPLE/),
    });
  });
  it.each(['', 'x', '{', 'null', '[]', '"Bounce"', '{"eventType":1}', '{"mail":{}}'])('%s is malformed', (body) => {
    expect(feedbackBody(body).kind).toBe('malformed');
  });
});
