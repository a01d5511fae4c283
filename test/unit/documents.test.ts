// What the documents say of the code beside which they stand: commands, options, fields, events, paths and the example
// are looked up in the code, so that neither can change without the other.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { traceJson } from '#cli/trace-json.ts';
import { laterVerbs, verbs } from '#cli/verbs.ts';
import { checkConfig } from '#config/check.ts';
import { keyNames, withoutEffectYet } from '#config/reference.ts';
import { repliesPage } from '#config/replies-page.ts';
import { failedAtBirth, heldAtBirth } from '#core/delivery/progress.ts';
import * as limits from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { facts, queued } from '../contract/rows.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const articles = readdirSync(join(ROOT, 'docs/runbook')).map((file) => [file, read(`docs/runbook/${file}`)] as const);

const sources = ['src/core', 'src/config', 'src/pipeline', 'src/adapters', 'src/gateway', 'lambdas', 'infra'].flatMap(
  (folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => ({ path: `${folder}/${file}`, text: read(`${folder}/${file}`) })),
);
const all = sources.map(({ text }) => text).join('\n');

const optionsOf = new Map(
  await Promise.all([...verbs].map(async ([name, { load }]) => [name, (await load()).options] as const)),
);
/** Commands of `everpost` in a text that name a verb or an option that it does not have. */
function strangeCommands(text: string): string[] {
  return [...text.matchAll(/everpost (?:-- )?([a-z]+)\b([^`\n|]*)/g)].flatMap(([whole, verb = '', rest = '']) => {
    if (verb === 'help') return [];
    const options = optionsOf.get(verb);
    if (options === undefined) return [whole];
    const given = [...rest.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([name]) => name);
    return given.filter((name) => name !== '--help' && !options.includes(name)).map((name) => `${verb} ${name}`);
  });
}

describe('the runbook', () => {
  it.each(articles)('%s names verbs and options that everpost has', (_, text) => {
    expect(strangeCommands(text)).toEqual([]);
  });

  it.each(articles)('%s names fields that the trace, the log, the configuration or the limits have', (_, text) => {
    const message = facts('m1');
    const row = queued('m1', { message, notice: null, trace: [] });
    const notice = {
      kind: 'ndr',
      state: 'queued',
      via: null,
      to: null,
      messageIdField: null,
      at: 0,
      reason: null,
    } as const;
    const event = { at: 0, event: 'SEND', attempt: 1, nextHop: null, status: null, reply: null, reason: null } as const;
    const traced = traceJson({
      message,
      rows: [{ ...row, notice, trace: [{ ...event, latency: { openMs: 0, totalMs: 0 } }] }],
    });
    const keys = new Set([...JSON.stringify(traced).matchAll(/"(\w+)":/g)].map((found) => found[1] ?? ''));
    for (const call of all.matchAll(
      /watch\.(?:info|warn|error)\([^;]{0,600};|\b(?:fields(?:Of)?|report)\b[^;]{0,600};/g,
    ))
      for (const found of call[0].matchAll(/(?<![.\w])([a-z]\w*)\b(?=:|,|\s*\})/g)) keys.add(found[1] ?? '');
    for (const name of [...Object.keys(limits), ...keyNames()]) keys.add(name);
    for (const parts of all.matchAll(/export type (?:Person|FrontDoor|SesSending|SesReceiving)Parts = \{[^}]*\}/g))
      for (const found of parts[0].matchAll(/readonly (\w+):/g)) keys.add(found[1] ?? '');
    const asked = [
      ...[...text.matchAll(/`([a-z]+[A-Z]\w*)`/g)].map((found) => found[1] ?? ''),
      ...[...text.matchAll(/jq '([^']*)'/g)].flatMap((found) =>
        [...(found[1] ?? '').matchAll(/\.([a-z]\w*)/gi)].map((name) => name[1] ?? ''),
      ),
    ];
    // Of SES's own notifications, which lie in queues.
    const theirs = ['messageId', 'eventType'];
    expect(asked.filter((name) => !keys.has(name) && !theirs.includes(name))).toEqual([]);
  });

  it.each(articles)('%s names log events that are written', (_, text) => {
    const stages = 'ingest|relay|bounce|feedback|sweep|orphans|purge';
    const events = [...text.matchAll(new RegExp(`\\b((?:${stages})\\.[a-z]+(?:-[a-z]+)*)\\b`, 'g'))].map(
      (found) => found[1] ?? '',
    );
    // lambdas/stage.ts and lambdas/scheduled.ts put the stage's name in front; pipeline/feedback/feedback.ts the fact's
    // kind behind.
    const made = /\.(?:crashed|failed|deadline)$|^feedback\.(?:failed|confirmed|delayed|complained|answered)$/;
    expect(events.filter((name) => !all.includes(`'${name}'`) && !made.test(name))).toEqual([]);
  });

  it.each(articles)('%s names trace events that exist', (_, text) => {
    const delivery = read('src/core/delivery/delivery.ts');
    const events = [...text.matchAll(/\.event == "([A-Z_]+)"/g)].map((found) => found[1] ?? '');
    expect(events.filter((name) => !delivery.includes(`| '${name}'`))).toEqual([]);
  });
});

describe('what has no effect yet', () => {
  const names = withoutEffectYet().map((key) => key.split('.').at(-1) ?? '');
  it('is read by nothing but the check, but for the secret that relay may read already', () => {
    expect(names).toEqual(['dkim']);
    const readers = sources.filter(({ path }) => !path.startsWith('src/config/'));
    for (const name of names) {
      const reads = readers.filter(({ text }) =>
        new RegExp(`\\b(?!pace\\b|limits\\b|settings\\b)\\w+\\.${name}\\b`).test(text),
      );
      expect(reads.map(({ path }) => path)).toEqual(name === 'dkim' ? ['infra/relay-lists.ts'] : []);
    }
  });
  it('is not what has one: the purge deletes by retention.spool', () => {
    expect(read('src/core/spool/purge-decision.ts')).toMatch(/\bspool\b/);
    expect(names).not.toContain('spool');
  });
});

describe('the interfaces', () => {
  it('tell of every verb', () => {
    const text = read('docs/interfaces.md');
    const told = [...verbs.keys()].filter((verb) => new RegExp(`everpost (?:[a-z|]+\\|)?${verb}\\b`).test(text));
    expect(told).toEqual([...verbs.keys()]);
  });
  it('tell of every option of every verb', () => {
    const text = read('docs/interfaces.md');
    const start = text.indexOf('## `npx everpost');
    const section = text.slice(start, text.indexOf('\n## ', start + 1));
    for (const [verb, options] of optionsOf)
      expect(
        options.filter((name) => !new RegExp(`${name}(?![\\w-])`).test(section)),
        verb,
      ).toEqual([]);
  });
  it('tell of every verb that is refused by name', () => {
    const text = read('docs/interfaces.md');
    expect(laterVerbs.filter((verb) => !text.includes(`\`${verb}\``))).toEqual([]);
    expect(laterVerbs.filter((verb) => verbs.has(verb))).toEqual([]);
  });
});

it('docs/replies.md is what npm run fix writes from the rows', () => {
  expect(read('docs/replies.md')).toBe(repliesPage());
});

describe('commands', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md'].filter((path) =>
    existsSync(join(ROOT, path)),
  );
  const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((it) =>
    it.endsWith('.md'),
  );
  it.each([...documents, ...pages.map((page) => `docs/${page}`)])(
    'of everpost in %s exist, with their options',
    (path) => {
      expect(strangeCommands(read(path))).toEqual([]);
    },
  );
  it('of everpost in notices and messages of the program exist, with their options', () => {
    expect(sources.flatMap(({ text }) => strangeCommands(text))).toEqual([]);
  });
});

describe('README', () => {
  it('has an example that passes the check, without a warning', () => {
    const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(read('README.md')) ?? [];
    const literal = /const config: Config = (\{[\s\S]*?\n\});/.exec(code)?.[1];
    const checked = checkConfig(new Function(`return ${literal}`)(), 'README.md');
    expect(checked).toMatchObject({ kind: 'ok', warnings: [], notYet: [] });
  });
  it('deploys in an order in which each command finds what it needs, and moves the mail last', () => {
    const [, section = ''] = /\*\*Deploy\.\*\*([\s\S]*?)\n\*\*Mail from your side/.exec(read('README.md')) ?? [];
    const commands = [...section.matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line ?? '');
    const steps = [
      ...['git clone', 'export AWS_REGION', 'aws sts', 'create-email-identity', 'everpost -- dns --region'],
      ...['VerifiedForSendingStatus', 'create-secret', 'npm run synth', 'cdk bootstrap', 'npm run deploy'],
      ...['everpost -- doctor', 'everpost -- dns cutover'],
    ];
    const at = steps.map((step) => commands.findIndex((command) => command.includes(step)));
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at[0]).toBe(0);
    expect(at.at(-1)).toBe(commands.length - 1);
    // Whatever secret the example names is the one that is made.
    const secret = /auth: \{ secret: '([^']+)' \}/.exec(read('README.md'))?.[1];
    expect(commands.filter((command) => command.includes(`--name ${secret} `))).toHaveLength(1);
  });
});

describe('ARCHITECTURE', () => {
  it('says which rows have a dueAt: those to which something must still happen, and those that wait for a person', () => {
    const row = queued('m1', { message: facts('m1') });
    expect(row.dueAt).not.toBeNull();
    expect(heldAtBirth(row, { because: 'foreign-sender', reason: 'foreign-sender' }, 0).dueAt).toBe(86_400_000);
    expect(failedAtBirth(row, statusOf('5.1.1'), 'no-route', 'none', 0).dueAt).not.toBeNull();
    expect(read('ARCHITECTURE.md')).toContain('A held row is looked at daily');
  });
});
