// Where large messages wait while they are received: in a folder that everybody may write to, nobody can be there
// first, and nothing is left behind.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Intake, SubmissionSpace } from '#gateway/space.ts';

const limits = { heldBytesMax: 10, spaceBytesMax: 1_000 };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'everpost-space-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Of each text one message, all at once; what stands in the folder is looked at once all of them are held. */
async function stored(space: SubmissionSpace, texts: readonly string[]): Promise<string[]> {
  const intakes = texts.map(() => space.open());
  try {
    await Promise.all(
      intakes.map(async (intake, n) => {
        await intake.write(Buffer.from((texts[n] ?? '').slice(0, 8)));
        await intake.write(Buffer.from((texts[n] ?? '').slice(8)));
      }),
    );
    expect(readdirSync(folder).filter((name) => !planted.includes(name))).toEqual([]);
    return await Promise.all(intakes.map(textOf));
  } finally {
    await Promise.all(intakes.map((intake) => intake.close()));
  }
}
async function textOf(intake: Intake): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of intake.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
const planted = [`everpost-gateway-${process.pid}`, `everpost-sendmail-${process.pid}`, 'everpost-', 'elsewhere'];

test('nothing has a name while it is held, nor after', async () => {
  const space = new SubmissionSpace(folder, limits);
  const texts = Array.from({ length: 20 }, (_, n) => `message ${n} `.repeat(3));
  expect(await stored(space, texts)).toEqual(texts);
});

test('names that a stranger took first shut nothing out, and his links lead nowhere', async () => {
  mkdirSync(join(folder, 'elsewhere'));
  writeFileSync(join(folder, planted[0] ?? ''), 'no folder');
  symlinkSync(join(folder, 'elsewhere'), join(folder, planted[1] ?? ''));
  symlinkSync(join(folder, 'elsewhere'), join(folder, planted[2] ?? ''));
  const text = 'larger than what is held';
  expect(await stored(new SubmissionSpace(folder, limits), [text])).toEqual([text]);
  expect(readdirSync(join(folder, 'elsewhere'))).toEqual([]);
});

test('a folder that a cleaner of temporary files took away is made again', async () => {
  const space = new SubmissionSpace(join(folder, 'own'), limits);
  const intake = space.open();
  await intake.write(Buffer.from('larger than what is held'));
  await intake.close();
  rmSync(join(folder, 'own'), { recursive: true });
  const again = space.open();
  await again.write(Buffer.from('larger than what is held'));
  expect(again.bytes).toBe(24);
  await again.close();
});
