// The cases of test/fixtures/cases, each on the product's code, and the runner's own promises: what it does not know
// never passes.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCase } from './cases.ts';
import { casesIn } from './read-case.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/cases');

describe('each case passes', () => {
  it.each(casesIn(FOLDER).map((folder) => [basename(folder), folder] as const))('%s', async (_, folder) => {
    const result = await runCase(folder);
    expect(result).toEqual({ name: result.name, kind: result.kind, end: 'passed' });
  });
});

function written(text: string): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'everpost-case-')), 'made');
  mkdirSync(folder);
  writeFileSync(join(folder, 'case.json'), text);
  return folder;
}

describe('the runner', () => {
  it.each([
    ['a kind that it does not know', '{"kind":"toString","expect":{}}', /does not know the kind toString/],
    ['a member that it does not know', '{"kind":"rcpt","txet":"x","expect":{}}', /does not know the member txet/],
    ['an expectation that it does not know', '{"kind":"rcpt","text":"x","expect":{"taken":1}}', /the member taken/],
    ['a server that it does not know', '{"kind":"server","server":{"hello":"1"},"expect":{}}', /the member hello/],
    ['a stage that is none', '{"kind":"replies","replies":[{"phase":"x","text":"250 ok"}],"expect":{}}', /no stage/],
    ['what is no JSON', '{', /JSON/],
  ])('fails %s', async (_, text, why) => {
    const result = await runCase(written(text));
    expect(result.end === 'failed' && result.faults.join('\n')).toMatch(why);
  });

  it.each([
    ['state', '{"kind":"server","server":{},"expect":{"state":"returned"}}'],
    ['bcc', '{"kind":"gateway-bcc","expect":{"bcc":"other"}}'],
    ['last', '{"kind":"gateway","lines":["NOOP"],"expect":{"last":"550"}}'],
    ['to', '{"kind":"argument","text":"a@x.test","expect":{"to":["b@x.test"]}}'],
    ['accepted', '{"kind":"rcpt","text":"RCPT TO:<a@x.test>","expect":{"accepted":false}}'],
    ['outcome', '{"kind":"replies","replies":[{"phase":"rcpt","text":"550 no"}],"expect":{"outcome":"relayed"}}'],
    ['leaks', '{"kind":"leak","routed":"r1@x.test","text":"550 no","secret":["case@in.test"],"expect":{}}'],
  ])('fails a wrong %s', async (_, text) => {
    expect((await runCase(written(text))).end).toBe('failed');
  });

  it.each([
    ['smtp', '{"kind":"storm","messages":30,"expect":{"authsMax":4}}'],
    ['lmtp', '{"kind":"storm","messages":30,"lmtp":true,"expect":{"authsMax":4}}'],
  ])('one wrong login stops its whole next hop, and a mended secret starts it: %s', async (_, text) => {
    expect(await runCase(written(text))).toMatchObject({ end: 'passed' });
  });
});
