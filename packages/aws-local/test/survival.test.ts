// kill -9 of a process under load, several times over one data folder: whatever had been promised before is there
// after, and nothing that was deleted comes back. Messages in flight stay in flight, the virtual clock goes on where it
// stood.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { startEmulators } from '../src/start-emulators.ts';

type Promised =
  | { readonly kind: 'clock'; readonly offsetMs: number }
  | { readonly kind: 'object'; readonly key: string; readonly etag: string; readonly bytes: number }
  | { readonly kind: 'sent' | 'deleted'; readonly id: string }
  | { readonly kind: 'in-flight'; readonly id: string; readonly handle: string };

const folder = mkdtempSync(path.join(tmpdir(), 'everpost-survival-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const by = { principal: { kind: 'root' } } as const;

/** Runs the survivor until it made `count` promises, and kills it where it stands. */
async function runAndKill(dataFolder: string, count: number): Promise<readonly Promised[]> {
  const script = path.join(import.meta.dirname, 'survivor.ts');
  const child = spawn(process.execPath, [script, dataFolder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const promised: Promised[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // A line cut short by the kill promises nothing.
    if (line.endsWith('}')) promised.push(JSON.parse(line));
    if (promised.length >= count) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
  return promised;
}

test('whatever was promised before kill -9 holds after it', { timeout: 60_000 }, async () => {
  const promised: Promised[] = [];
  for (const count of [40, 150]) promised.push(...(await runAndKill(folder, count)));
  const aws = await startEmulators({
    dataFolder: folder,
    buckets: [{ name: 'spool', versioned: true }],
    queues: ['in', 'work'],
  });
  try {
    const of = <K extends Promised['kind']>(kind: K) =>
      promised.filter((one) => one.kind === kind) as Extract<Promised, { kind: K }>[];
    const here = (name: string) => aws.queues.find(name)?.queue.messages ?? new Map();
    // Two runs, an hour each.
    expect(of('clock')).toHaveLength(2);
    expect(Math.round((aws.clock.now() - Date.now()) / 3_600_000)).toBe(2);
    expect(of('sent').length).toBeGreaterThan(20);
    expect(of('sent').filter(({ id }) => !here('in').has(id))).toEqual([]);
    expect(of('deleted').length).toBeGreaterThan(10);
    expect(of('deleted').filter(({ id }) => here('work').has(id))).toEqual([]);
    // The last run's are still hidden, and their handles still speak for them.
    const flying = of('in-flight').slice(-5);
    for (const { id, handle } of flying) {
      expect(here('work').get(id)?.state).toMatchObject({ place: 'in-flight', receives: 1 });
      await aws.queues.delete(by, aws.queues.arnOf('work'), handle);
      expect(here('work').has(id)).toBe(false);
    }
    const objects = new Map((await aws.s3.list(by, 'spool', 'in/')).map((object) => [object.key, object]));
    expect(of('object').length).toBeGreaterThan(20);
    for (const { key, bytes } of of('object')) {
      expect((await aws.s3.read(by, 'spool', key)).length).toBe(bytes);
      expect(objects.get(key)?.size).toBe(bytes);
    }
    // No file without a row, no unfinished body: the folder holds the versions and nothing else.
    const rows = [...aws.store.table<{ kind: string }>('s3_versions').entries()];
    const versions = rows.filter(([, row]) => row.kind === 'object');
    expect(readdirSync(path.join(folder, 's3', 'objects'))).toHaveLength(versions.length);
    expect(readdirSync(path.join(folder, 's3', 'staging'))).toEqual([]);
  } finally {
    await aws.close();
  }
});
