// The kinds of cases that one decision answers, by test/kit/probe.ts: no server, no clock. Each function gives what the
// case does not pass by.

import { argumentRecipients, classify, rcpt, readReport, recipientsOf, sesHeader } from '#test/kit/probe.ts';
import { type Case, differences, expected, type Faults, fileOf, objectOf, only, textOf, textsOf } from './read-case.ts';

const HOST = 'in.test';

/** What `sendmail -t` finds; `or` names the other end that is right: something unreadable, so that nothing is sent. */
export function headerRecipients(it: Case): Faults {
  only(it.given, ['file', 'host', 'expect'], it.name);
  const expect = expected(it, ['to', 'or', 'unreadable']);
  return recipientFaults(expect, recipientsOf(fileOf(it, 'file'), hostOf(it)));
}

export function argument(it: Case): Faults {
  only(it.given, ['text', 'host', 'expect'], it.name);
  const expect = expected(it, ['to', 'or', 'unreadable']);
  return recipientFaults(expect, argumentRecipients(textOf(it.given.text, 'text'), hostOf(it)));
}

function hostOf({ given }: Case): string {
  return given.host === undefined ? HOST : textOf(given.host, 'host');
}

function recipientFaults(
  expect: Readonly<Record<string, unknown>>,
  found: { readonly to: readonly string[]; readonly unreadable: readonly string[] },
): Faults {
  if (expect.or !== undefined && !/^unreadable not empty/.test(textOf(expect.or, 'expect.or')))
    throw new Error(`expect.or: the runner does not know ${JSON.stringify(expect.or)}`);
  if (expect.or !== undefined && found.unreadable.length > 0) return [];
  const faults: string[] = [];
  if (expect.to !== undefined) {
    const wanted = [...textsOf(expect.to, 'expect.to')].sort();
    const to = [...found.to].sort();
    const said = found.unreadable.length > 0 ? `, unreadable ${JSON.stringify(found.unreadable)}` : '';
    if (JSON.stringify(to) !== JSON.stringify(wanted) || said !== '')
      faults.push(`to is ${JSON.stringify(to)}${said}, and ${JSON.stringify(wanted)} was expected`);
  }
  if (typeof expect.unreadable === 'boolean' && found.unreadable.length > 0 !== expect.unreadable)
    faults.push(`unreadable is ${JSON.stringify(found.unreadable)}`);
  return faults;
}

/** `expect.fact` may say what it is not: `not failed`. */
export function dsn(it: Case): Faults {
  only(it.given, ['file', 'expect'], it.name);
  const expect = expected(it, ['fact', 'status', 'words']);
  const found = readReport(fileOf(it, 'file'));
  const faults: string[] = [];
  if (expect.fact !== undefined) {
    const wanted = textOf(expect.fact, 'expect.fact');
    const right = wanted.startsWith('not ') ? found.fact !== wanted.slice(4) : found.fact === wanted;
    if (!right) faults.push(`fact is ${found.fact}, and ${wanted} was expected`);
  }
  if (expect.status !== undefined && found.status !== expect.status)
    faults.push(`status is ${found.status}, and ${expect.status} was expected`);
  if (expect.words !== undefined && !(found.words ?? '').includes(textOf(expect.words, 'expect.words')))
    faults.push(`words are ${JSON.stringify(found.words)}, and ${JSON.stringify(expect.words)} was expected in them`);
  return faults;
}

/** Each pattern of `wants`, by lines, is in the header section or is not, as `expect.has` says. */
export function header(it: Case): Faults {
  only(it.given, ['file', 'wants', 'expect'], it.name);
  const has = expected(it, ['has']).has;
  if (!Array.isArray(has)) throw new Error('expect.has is no list');
  const text = sesHeader(fileOf(it, 'file'));
  return textsOf(it.given.wants, 'wants').flatMap((want, index) => {
    const wanted = has[index];
    return new RegExp(want, 'm').test(text) === wanted
      ? []
      : [`/${want}/ is ${wanted === true ? 'missing from' : 'in'} the header section`];
  });
}

/** Every reply is classified as `expect` says, or as its own `expect` does. */
export function replies(it: Case): Faults {
  only(it.given, ['replies', 'expect'], it.name);
  if (!Array.isArray(it.given.replies)) throw new Error('replies is no list');
  return it.given.replies.flatMap((each: unknown, index: number): string[] => {
    const given = objectOf(each, `replies[${index}]`);
    only(given, ['phase', 'text', 'expect'], `replies[${index}]`);
    const expect = objectOf(given.expect ?? it.given.expect, 'expect');
    only(expect, ['outcome', 'operator', 'reason'], 'expect');
    const text = textOf(given.text, 'text');
    const found = classify(textOf(given.phase, 'phase'), text);
    return differences(expect, found).map((fault) => `${given.phase} ${text}: ${fault}`);
  });
}

export function rcptLine(it: Case): Faults {
  only(it.given, ['text', 'expect'], it.name);
  return differences(expected(it, ['accepted', 'orcpt']), rcpt(textOf(it.given.text, 'text')));
}
