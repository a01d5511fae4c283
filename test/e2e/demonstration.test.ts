// The demonstration of a first `npm start`, as a person sees it: four messages, what became of each, and the notices
// in a mailbox. One that broke off is shown again, and leaves nothing running.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { demonstrate, isUnseen } from '#local/demonstration.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { until } from './instance.ts';

const data = mkdtempSync(join(tmpdir(), 'everpost-demonstration-'));
afterAll(() => rmSync(data, { recursive: true, force: true }));

it('broken off, it ends its instance and is still to be seen', async () => {
  const leaving = new AbortController();
  const lines: string[] = [];
  const shown = demonstrate({ data, show: (line) => lines.push(line), signal: leaving.signal });
  const published = join(data, 'demonstration/data/instance.json');
  const pid = await until(() => {
    try {
      return Number(JSON.parse(readFileSync(published, 'utf8')).pid);
    } catch {
      return null; // not up yet
    }
  }, 120_000);
  leaving.abort();
  await shown;
  expect(pid).not.toBeNull();
  expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH');
  expect(isUnseen(data)).toBe(true);
  expect(lines.join('\n')).not.toContain('broke off');
});

it('shows what became of each message, once', async () => {
  const lines: string[] = [];
  await demonstrate({ data, show: (line) => lines.push(line), signal: new AbortController().signal });
  const said = lines.join('\n');
  expect(said).toMatch(/ann@example\.com +relayed: "250 /);
  expect(said).toMatch(/greylisted@example\.com +deferred: "450 .*\n +relayed at attempt 2: "250 /);
  expect(said).toMatch(
    /refused@example\.com +refused: "550 .*\n +the sender was told: an NDR is with you@src\.example/,
  );
  expect(said).toMatch(
    /bob@example\.com +deferred: its content cannot be opened\n +expired, with 5\.3\.0: content-unreadable\n +the sender was told: an NDR/,
  );
  expect(said).toMatch(/the alarm \S+ContentUnreadable calls the operator/);
  expect(isUnseen(data)).toBe(false);

  const folder = join(data, 'demonstration/mailboxes/you@src.example/new');
  const notices = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)));
  expect(notices.map((notice) => /^Status: (\S+)\r$/m.exec(notice.toString())?.[1])).toEqual(['5.1.1', '5.3.0']);
  // The mailbox put its Return-Path in front (RFC 5321 §4.4).
  expect(notices.flatMap((notice) => judgeNotice(notice.subarray(notice.indexOf('\n') + 1)))).toEqual([]);
});
